//! What looking for images takes from its environment: whose store, which folders, which programs. Read once, so
//! that everything below is told and asks nobody.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use wharf_storage_reader::Lookup;

/// Where temporary files go that may be large: seldom in memory, as `/tmp` often is.
const LARGE_FILES: &str = "/var/tmp";

/// Values of the environment.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The user; inside Podman's user namespace the one outside of it.
    pub uid: u32,
    /// Whether this runs under `podman unshare`, where the files of a rootless store can be read.
    pub is_unshared: bool,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, or where it is by default.
    pub config: Option<PathBuf>,
    /// `XDG_CACHE_HOME`, or where it is by default.
    pub cache: Option<PathBuf>,
    /// `XDG_DATA_HOME`.
    pub data: Option<PathBuf>,
    /// `CONTAINERS_STORAGE_CONF`.
    pub storage_conf: Option<PathBuf>,
    /// `STORAGE_OPTS`.
    pub storage_opts: Option<String>,
    /// `PATH`.
    pub path: Option<OsString>,
    /// Where layers wait that cannot be read twice.
    pub spool: PathBuf,
}

impl Surroundings {
    /// Reads them.
    pub fn read() -> Self {
        let folder = |name| env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
        let home = folder("HOME");
        let below_home = |path| home.as_ref().map(|home| home.join(path));
        // Podman sets both for what it runs by `unshare`.
        let outside = env::var("_CONTAINERS_ROOTLESS_UID").ok().and_then(|uid| uid.parse().ok());
        let is_unshared = env::var_os("_CONTAINERS_USERNS_CONFIGURED").is_some();
        let own = rustix::process::geteuid().as_raw();
        let large = PathBuf::from(LARGE_FILES);
        Self {
            uid: outside.filter(|_| is_unshared).unwrap_or(own),
            is_unshared,
            config: folder("XDG_CONFIG_HOME").or_else(|| below_home(".config")),
            cache: folder("XDG_CACHE_HOME").or_else(|| below_home(".cache")),
            data: folder("XDG_DATA_HOME"),
            storage_conf: folder("CONTAINERS_STORAGE_CONF"),
            storage_opts: env::var("STORAGE_OPTS").ok().filter(|it| !it.is_empty()),
            path: env::var_os("PATH"),
            spool: folder("TMPDIR")
                .or_else(|| large.is_dir().then_some(large))
                .unwrap_or_else(env::temp_dir),
            home,
        }
    }

    /// Where to look for Podman's store.
    pub fn lookup(&self, root: Option<PathBuf>) -> Lookup {
        Lookup {
            root,
            storage_conf: self.storage_conf.clone(),
            storage_opts: self.storage_opts.clone(),
            home: self.home.clone(),
            xdg_data_home: self.data.clone(),
            xdg_config_home: self.config.clone(),
            uid: self.uid,
        }
    }

    /// Where the setup puts the secret for ingest.
    pub fn ingest_secret(&self) -> Option<PathBuf> {
        self.config.as_ref().map(|config| config.join("wharf/ingest-secret"))
    }

    /// Whether a store that cannot be read may be readable under `podman unshare`.
    pub fn can_unshare(&self) -> bool {
        cfg!(target_os = "linux") && self.uid != 0 && !self.is_unshared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rootless_user_can_unshare_once() {
        let user = Surroundings { uid: 1000, ..Surroundings::default() };
        assert_eq!(user.can_unshare(), cfg!(target_os = "linux"));
        let inside = Surroundings { is_unshared: true, ..user };
        assert!(!inside.can_unshare());
        assert!(!Surroundings::default().can_unshare());
    }

    #[test]
    fn the_secret_lies_with_the_settings() {
        let config = Some(PathBuf::from("/home/me/.config"));
        let surroundings = Surroundings { config, ..Surroundings::default() };
        let path = surroundings.ingest_secret().unwrap();
        assert_eq!(path, PathBuf::from("/home/me/.config/wharf/ingest-secret"));
    }
}
