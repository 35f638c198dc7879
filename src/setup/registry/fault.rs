//! What can be wrong with a container of ours, in words, and what mends it. What the engine can change
//! in place is changed in place; all else by another container, with the same store.

use super::super::Finding;
use super::super::config::PORT;
use super::super::engine::{Container, Publication};
use super::super::ingest::{FOLDERS, MOUNTED};
use super::store::{self, ROOT};
use super::wanted::{CONTAINERS_STORAGE, SECRET, STORAGE, Shown, Wanted};

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It stands still.
    Stopped,
    /// It is not on the network.
    OffNetwork,
    /// It is there without its name.
    NoAlias,
    /// It was not born on a bridge, as rootless containers are not, and cannot be connected to one.
    NoBridge {
        /// The kind of its network.
        mode: String,
    },
    /// It is of another image.
    OtherImage {
        /// The image's name.
        has: String,
    },
    /// It has no port on the host.
    NoPort,
    /// It has another one.
    OtherPort {
        /// Which.
        has: u16,
    },
    /// Its port is open to other machines.
    Exposed,
    /// Nothing keeps its images.
    NoStore,
    /// It does not see the engine's store, or sees it wrongly.
    NoIngest,
    /// It sees the engine's store, and shall not.
    UnwantedIngest,
    /// It was given another secret than the one in the user's file.
    OtherSecret,
    /// The engine's secret is not what its name says.
    SecretRefused,
    /// It stays down when it ends, or the machine starts anew.
    NoRestart,
    /// All looks well, and yet it does not answer.
    Unreachable,
}

/// What mends a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mend {
    /// Its ports are made anew, and it is started anew if that does not help.
    Wake,
    /// It is started.
    Start,
    /// It is connected to the network by its name.
    Connect,
    /// Another container takes its place, with its store.
    Replace,
}

impl Fault {
    /// Everything that is wrong with a container, as far as the engine knows.
    pub fn all(container: &Container, wanted: &Wanted) -> Vec<Self> {
        let mut faults = Vec::new();
        faults.extend(Self::of_image(container, wanted));
        faults.extend(Self::of_network(container, wanted));
        faults.extend(Self::of_port(container.publications(PORT), wanted.port));
        faults.extend(store::of(container).is_none().then_some(Self::NoStore));
        faults.extend(Self::of_ingest(container, wanted.ingest.as_ref()));
        faults.extend((container.restart_policy != "always").then_some(Self::NoRestart));
        faults.extend((!container.is_running).then_some(Self::Stopped));
        faults
    }

    fn of_image(container: &Container, wanted: &Wanted) -> Option<Self> {
        let is_same = match &wanted.image_id {
            Some(id) => *id == container.image_id,
            None => wanted.image == container.image,
        };
        (!is_same).then(|| Self::OtherImage { has: container.image.clone() })
    }

    fn of_network(container: &Container, wanted: &Wanted) -> Option<Self> {
        let mode = container.network_mode.split(':').next().unwrap_or_default();
        match container.networks.get(&wanted.network) {
            Some(names) if names.contains(&wanted.name) => None,
            Some(_) => Some(Self::NoAlias),
            None if ["pasta", "slirp4netns", "host", "none", "container", "ns"].contains(&mode) => {
                Some(Self::NoBridge { mode: mode.to_owned() })
            }
            None => Some(Self::OffNetwork),
        }
    }

    fn of_port(published: &[Publication], port: u16) -> Option<Self> {
        let is_open = |it: &Publication| it.address.is_none_or(|address| !address.is_loopback());
        match published {
            [] => Some(Self::NoPort),
            all if all.iter().any(is_open) => Some(Self::Exposed),
            all if all.iter().any(|it| it.port == port) => None,
            [first, ..] => Some(Self::OtherPort { has: first.port }),
        }
    }

    fn of_ingest(container: &Container, shown: Option<&Shown>) -> Option<Self> {
        let is_on = container.variable(CONTAINERS_STORAGE).is_some();
        let Some(shown) = shown else { return is_on.then_some(Self::UnwantedIngest) };
        let sees = |folder: &str| {
            let mount = container.mount(&format!("{MOUNTED}/{folder}"));
            mount.is_some_and(|mount| !mount.is_writable)
        };
        let is_store = container.label(STORAGE) == Some(&shown.graph_root);
        if !is_on || !is_store || !FOLDERS.into_iter().all(sees) {
            return Some(Self::NoIngest);
        }
        (container.label(SECRET) != Some(&shown.secret)).then_some(Self::OtherSecret)
    }

    /// What mends it.
    pub fn mend(&self) -> Mend {
        match self {
            Self::Unreachable => Mend::Wake,
            Self::Stopped => Mend::Start,
            Self::OffNetwork | Self::NoAlias => Mend::Connect,
            _ => Mend::Replace,
        }
    }

    /// As it is told of a container.
    pub fn finding(&self, wanted: &Wanted) -> Finding {
        Finding::fault(&wanted.name, self.words(wanted)).mended_by(match self.mend() {
            Mend::Wake => "make its ports anew, start it anew if that does not help",
            Mend::Start => "start it",
            Mend::Connect => "connect it by its name",
            Mend::Replace => "put another container in its place, which goes on with its images",
        })
    }

    fn words(&self, wanted: &Wanted) -> String {
        let Wanted { name, network, port, image, .. } = wanted;
        match self {
            Self::Stopped => "does not run".into(),
            Self::OffNetwork => format!("is not on the network {network}"),
            Self::NoAlias => format!("is not called {name} on the network {network}"),
            Self::NoBridge { mode } => {
                format!(
                    "is on a network of the kind {mode}, from which it cannot be connected to {network}"
                )
            }
            Self::OtherImage { has } if has == image => "runs an older build of its image".into(),
            Self::OtherImage { has } => format!("runs {has}, not {image}"),
            Self::NoPort => "has no port on this machine".into(),
            Self::OtherPort { has } => {
                format!("is on the port {has} of this machine, not on {port}")
            }
            Self::Exposed => "can be reached from other machines, not from this one alone".into(),
            Self::NoStore => format!("has no volume at {ROOT}: its images would go with it"),
            Self::NoIngest => "does not see the engine's images, so it cannot take any in".into(),
            Self::UnwantedIngest => "sees the engine's images, which is not wanted".into(),
            Self::OtherSecret => "has another secret for ingest than this machine".into(),
            Self::SecretRefused => "refuses this machine's secret for ingest".into(),
            Self::NoRestart => "would not come back when the engine starts anew".into(),
            Self::Unreachable => format!("runs, but does not answer on 127.0.0.1:{port}"),
        }
    }
}
