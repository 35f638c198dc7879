//! Where this user's credentials are, and the programs that keep them: one answer for every
//! subcommand that talks to a registry that wants to know who is asking.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::{PathBufValueParser, TypedValueParser};
use wharf_client::{AuthFiles, AuthPlaces, Helper, HelperAnswer};

use crate::process::{Program, Runner};

/// A file of credentials that was named: one that is not there would be no credentials, unasked.
pub fn there() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path.try_exists() {
        Ok(true) => Ok(path),
        Ok(false) => Err("there is no such file; `wharf login --authfile` makes one".to_owned()),
        Err(error) => Err(error.to_string()),
    })
}

/// The files of Podman and Docker; or the one that was named, which stands for all of them.
pub fn auth_files(authfile: Option<PathBuf>, runner: &Arc<dyn Runner>) -> AuthFiles {
    let folder = |name| env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let places = AuthPlaces {
        authfile,
        xdg_runtime_dir: folder("XDG_RUNTIME_DIR"),
        xdg_config_home: folder("XDG_CONFIG_HOME"),
        docker_config: folder("DOCKER_CONFIG"),
        home: folder("HOME"),
        uid: rustix::process::getuid().as_raw(),
    };
    AuthFiles::new(places, Arc::new(Keychain(Arc::clone(runner))))
}

/// The folders of registries' certificates, as Podman and Docker have them.
pub fn certificates() -> Vec<PathBuf> {
    let folder = |name| env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")));
    let own = config.map(|config| config.join("containers/certs.d"));
    let shared = ["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
    own.into_iter().chain(shared).collect()
}

/// The programs `docker-credential-*`.
#[derive(Debug)]
struct Keychain(Arc<dyn Runner>);

impl Helper for Keychain {
    fn ask(
        &self,
        name: &str,
        verb: &str,
        input: &[u8],
    ) -> Result<HelperAnswer, Box<dyn Error + Send + Sync>> {
        let program = Program::new(format!("docker-credential-{name}"), [verb]);
        let (is_success, output) = self.0.converse(&program, input)?;
        Ok(HelperAnswer { is_success, output })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::recorded::Recorded;

    #[test]
    fn a_keeper_is_a_program_by_its_name() {
        let runner = Arc::new(Recorded::new([Ok(b"{}".to_vec()), Err("not found".into())]));
        let keychain = Keychain(Arc::clone(&runner) as _);
        let known = keychain.ask("pass", "get", b"ghcr.io").unwrap();
        assert!(known.is_success && known.output == b"{}");
        let unknown = keychain.ask("pass", "get", b"quay.io").unwrap();
        assert!(!unknown.is_success && unknown.output == b"not found");
        assert_eq!(runner.lines(), ["docker-credential-pass get"; 2]);
        assert!(keychain.ask("absent", "get", b"ghcr.io").is_err());
    }
}
