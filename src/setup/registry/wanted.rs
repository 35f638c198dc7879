//! The registry's container as it shall be, and the command line that makes it so.

use super::super::config::PORT;
use super::super::engine::Info;
use super::super::ingest::{FOLDERS, Ingest, MOUNTED};
use super::super::{SetupError, Site, secret};
use super::store::{self, ROOT};

/// The label of every container that the setup makes; its value is the wharf that made it.
pub const OURS: &str = "wharf.setup";
/// The label with the graph root of the store that it sees.
pub const STORAGE: &str = "wharf.setup.storage";
/// The label with the engine's secret that it was given.
pub const SECRET: &str = "wharf.setup.secret";
/// The variable that turns ingest on.
pub const CONTAINERS_STORAGE: &str = "WHARF_SERVE_CONTAINERS_STORAGE";
/// The file of the secret in the container, below `/run/secrets`.
const SECRET_FILE: &str = "ingest-secret";

/// The container that shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name, on the network too.
    pub name: String,
    /// The network.
    pub network: String,
    /// Its port on the host.
    pub port: u16,
    /// The name of its image.
    pub image: String,
    /// The id of that image; none while the engine does not have it.
    pub image_id: Option<String>,
    /// Where its images are: a volume, or a folder of the engine's machine.
    pub store: String,
    /// The engine's store that it sees.
    pub ingest: Option<Shown>,
    /// Whether the engine's machine has `SELinux`.
    pub has_selinux: bool,
}

/// What a container is given for ingest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Where the store lies in the engine's machine.
    pub graph_root: String,
    /// The engine's secret.
    pub secret: String,
}

impl Wanted {
    /// What the site wants, with the store that the registry had so far.
    ///
    /// # Errors
    /// The engine cannot be asked, or the secret is not known.
    pub fn read(site: &Site) -> Result<Self, SetupError> {
        let config = &site.config;
        let ingest = match Ingest::wanted(site)? {
            Some(Ingest { graph_root }) => {
                let secret = secret::name(site, secret::held(site)?.as_ref());
                Some(Shown { graph_root, secret })
            }
            None => None,
        };
        let Info { has_selinux, .. } = site.engine.info()?;
        Ok(Self {
            name: config.registry.clone(),
            network: config.network.clone(),
            port: config.port,
            image: config.image.to_string(),
            image_id: site.engine.image_id(&config.image.to_string())?,
            store: store::known(site),
            ingest,
            has_selinux,
        })
    }

    /// The words that run it.
    pub fn run(&self) -> Vec<String> {
        self.words(&["run", "--detach"], &self.name)
    }

    /// The words that make it under another name, not started.
    pub fn create(&self, name: &str) -> Vec<String> {
        self.words(&["create"], name)
    }

    fn words(&self, verb: &[&str], name: &str) -> Vec<String> {
        let mut words: Vec<String> = verb.iter().map(|it| (*it).to_owned()).collect();
        let mut add = |option: &str, value: String| words.extend([option.to_owned(), value]);
        add("--name", name.to_owned());
        add("--hostname", self.name.clone());
        add("--network", self.network.clone());
        add("--network-alias", self.name.clone());
        // Never on all addresses: anyone in the user's network could push.
        add("--publish", format!("127.0.0.1:{}:{PORT}", self.port));
        add("--volume", format!("{}:{ROOT}", self.store));
        add("--restart", "always".to_owned());
        add("--label", format!("{OURS}={}", env!("CARGO_PKG_VERSION")));
        if let Some(shown) = &self.ingest {
            // One by one, see `ingest`. Read by root of the container, which under rootless Podman is the
            // user, whose container can read what the store has of the ids mapped to it, too.
            for folder in FOLDERS {
                add(
                    "--volume",
                    format!("{}/{folder}:{MOUNTED}/{folder}:ro,bind", shown.graph_root),
                );
            }
            add("--secret", format!("{},target={SECRET_FILE},mode=0400", shown.secret));
            add("--env", format!("{CONTAINERS_STORAGE}={MOUNTED}"));
            add("--env", format!("WHARF_SERVE_INGEST_SECRET=/run/secrets/{SECRET_FILE}"));
            add("--label", format!("{STORAGE}={}", shown.graph_root));
            add("--label", format!("{SECRET}={}", shown.secret));
        }
        // The labels of the store, and of a folder that another container had, are not to be changed.
        if self.has_selinux && (self.ingest.is_some() || store::is_folder(&self.store)) {
            add("--security-opt", "label=disable".to_owned());
        }
        words.push(self.image.clone());
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::receipt::Made;
    use crate::setup::site::tests::site;

    const INFO: &str = r#"{"host":{"arch":"amd64","security":{"selinuxEnabled":SELINUX}},
        "store":{"graphRoot":"/s","graphDriverName":"DRIVER"},"version":{"Version":"5.4.0"}}"#;

    /// The command line on a machine of which Podman says that.
    fn line(driver: &str, selinux: bool, taken_over: Option<&str>) -> String {
        let info = INFO.replace("DRIVER", driver).replace("SELINUX", &selinux.to_string());
        let (site, _) = site([
            ("podman info", Ok(info.into_bytes())),
            ("podman image inspect", Err("Error: no such image".into())),
        ]);
        if let Some(source) = taken_over {
            site.note(Made::TakenOver { source: source.into() }).unwrap();
        }
        Wanted::read(&site).unwrap().run().join(" ")
    }

    #[test]
    fn it_is_run_as_kinds_users_know_it() {
        let version = env!("CARGO_PKG_VERSION");
        let plain = format!(
            "run --detach --name kind-registry --hostname kind-registry --network kind --network-alias \
             kind-registry --publish 127.0.0.1:5000:5000 --volume kind-registry-data:/var/lib/registry \
             --restart always --label wharf.setup={version}"
        );
        assert_eq!(line("vfs", true, None), format!("{plain} localhost/wharf:1.0.0"));
        let ingest = "--volume /s/overlay:/containers/overlay:ro,bind \
             --volume /s/overlay-images:/containers/overlay-images:ro,bind \
             --volume /s/overlay-layers:/containers/overlay-layers:ro,bind \
             --secret kind-registry-ingest-HASH,target=ingest-secret,mode=0400 \
             --env WHARF_SERVE_CONTAINERS_STORAGE=/containers \
             --env WHARF_SERVE_INGEST_SECRET=/run/secrets/ingest-secret \
             --label wharf.setup.storage=/s --label wharf.setup.secret=kind-registry-ingest-HASH";
        assert_eq!(line("overlay", false, None), format!("{plain} {ingest} localhost/wharf:1.0.0"));
    }

    #[test]
    fn labels_are_left_alone_where_they_would_be_in_the_way() {
        let is_disabled = |line: String| line.contains("--security-opt label=disable");
        assert!(is_disabled(line("overlay", true, None)));
        assert!(!is_disabled(line("vfs", true, Some("6b1f"))));
        assert!(is_disabled(line("vfs", true, Some("/srv/registry"))));
    }

    #[test]
    fn the_images_of_a_registry_that_was_taken_over_are_gone_on_with() {
        assert!(line("vfs", false, Some("6b1f")).contains("--volume 6b1f:/var/lib/registry"));
        assert!(line("vfs", false, Some("/srv/r")).contains("--volume /srv/r:/var/lib/registry"));
    }
}
