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
    /// It is paused.
    Paused,
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
        faults.extend(match (container.is_running, container.is_paused) {
            (true, _) => None,
            (false, true) => Some(Self::Paused),
            (false, false) => Some(Self::Stopped),
        });
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
            Self::Stopped | Self::Paused => Mend::Start,
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
            Mend::Replace if *self == Self::NoStore => {
                "put another container in its place, with a volume: what was pushed to this one is lost"
            }
            Mend::Replace => "put another container in its place, which goes on with its images",
        })
    }

    fn words(&self, wanted: &Wanted) -> String {
        let Wanted { name, network, port, image, .. } = wanted;
        match self {
            Self::Stopped => "does not run".into(),
            Self::Paused => "is paused".into(),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What Podman 4.3.1 says of a registry that is as it shall be; what is not read is left out.
    const SOUND: &str = r#"{"Id":"e2c597da","Image":"b5e66910","ImageName":"localhost/wharf:1.0.0",
        "Name":"kind-registry","State":{"Running":true,"Status":"running"},
        "Mounts":[
            {"Type":"volume","Name":"kind-registry-data","Source":"/v/_data","Destination":"/var/lib/registry","RW":true},
            {"Type":"bind","Source":"/s/overlay-images","Destination":"/containers/overlay-images","RW":false},
            {"Type":"bind","Source":"/s/overlay-layers","Destination":"/containers/overlay-layers","RW":false},
            {"Type":"bind","Source":"/s/overlay","Destination":"/containers/overlay","RW":false}],
        "NetworkSettings":{"Ports":{"5000/tcp":[{"HostIp":"127.0.0.1","HostPort":"5000"}]},
            "Networks":{"kind":{"Aliases":["kind-registry","e2c597daafe1"]}}},
        "Config":{"Env":["WHARF_SERVE_CONTAINERS_STORAGE=/containers"],"Labels":{"wharf.setup":"1.0.0",
            "wharf.setup.storage":"/s","wharf.setup.secret":"kind-registry-ingest-1a2b3c4d"}},
        "HostConfig":{"NetworkMode":"bridge","RestartPolicy":{"Name":"always"}}}"#;

    fn wanted() -> Wanted {
        Wanted {
            name: "kind-registry".into(),
            network: "kind".into(),
            port: 5000,
            image: "localhost/wharf:1.0.0".into(),
            image_id: Some("b5e66910".into()),
            store: "kind-registry-data".into(),
            ingest: Some(Shown {
                graph_root: "/s".into(),
                secret: "kind-registry-ingest-1a2b3c4d".into(),
            }),
            has_selinux: false,
        }
    }

    fn faults(json: &str, wanted: &Wanted) -> Vec<Fault> {
        Fault::all(&serde_json::from_str(json).unwrap(), wanted)
    }

    #[test]
    fn each_fault_is_told_from_all_others() {
        assert_eq!(faults(SOUND, &wanted()), []);
        let aliases = r#"["kind-registry","e2c597daafe1"]"#;
        let published = r#"[{"HostIp":"127.0.0.1","HostPort":"5000"}]"#;
        let mode = |mode: &str| format!(r#""NetworkMode":"{mode}""#);
        let off = SOUND.replace(r#""kind":{"Aliases""#, r#""podman":{"Aliases""#);
        for (json, fault, mend) in [
            (SOUND.replace("\"Running\":true", "\"Running\":false"), Fault::Stopped, Mend::Start),
            // As Docker says it, and as Podman does.
            (
                SOUND.replace("\"Running\":true", "\"Running\":true,\"Paused\":true"),
                Fault::Paused,
                Mend::Start,
            ),
            (
                SOUND.replace("\"Running\":true", "\"Running\":false,\"Paused\":true"),
                Fault::Paused,
                Mend::Start,
            ),
            (off.clone(), Fault::OffNetwork, Mend::Connect),
            (SOUND.replace(aliases, r#"["e2c597daafe1"]"#), Fault::NoAlias, Mend::Connect),
            (
                off.replace(&mode("bridge"), &mode("slirp4netns")),
                Fault::NoBridge { mode: "slirp4netns".into() },
                Mend::Replace,
            ),
            (
                SOUND.replace("b5e66910", "0ld").replace("wharf:1.0.0", "wharf:0.9.0"),
                Fault::OtherImage { has: "localhost/wharf:0.9.0".into() },
                Mend::Replace,
            ),
            (SOUND.replace(published, "null"), Fault::NoPort, Mend::Replace),
            (
                SOUND.replace("\"HostPort\":\"5000\"", "\"HostPort\":\"5001\""),
                Fault::OtherPort { has: 5001 },
                Mend::Replace,
            ),
            (SOUND.replace("\"127.0.0.1\"", "\"\""), Fault::Exposed, Mend::Replace),
            (SOUND.replace("\"127.0.0.1\"", "\"0.0.0.0\""), Fault::Exposed, Mend::Replace),
            (SOUND.replace("\"/var/lib/registry\"", "\"/x\""), Fault::NoStore, Mend::Replace),
            (SOUND.replace("\"volume\"", "\"tmpfs\""), Fault::NoStore, Mend::Replace),
            (SOUND.replace("/containers/overlay\"", "/x\""), Fault::NoIngest, Mend::Replace),
            (SOUND.replace("\"RW\":false}],", "\"RW\":true}],"), Fault::NoIngest, Mend::Replace),
            (SOUND.replace("\"/s\"", "\"/elsewhere\""), Fault::NoIngest, Mend::Replace),
            (SOUND.replace("1a2b3c4d", "5e6f7a8b"), Fault::OtherSecret, Mend::Replace),
            (SOUND.replace("\"always\"", "\"no\""), Fault::NoRestart, Mend::Replace),
        ] {
            assert_ne!(json, SOUND, "{fault:?}");
            let found = faults(&json, &wanted());
            assert_eq!(found, std::slice::from_ref(&fault), "{json}");
            assert_eq!(fault.mend(), mend);
            let finding = fault.finding(&wanted());
            assert!(finding.is_fault() && finding.mendable && !finding.words.is_empty());
        }
    }

    #[test]
    fn a_stopped_container_of_dockers_has_the_ports_that_it_will_have() {
        let stopped = SOUND
            .replace("\"Running\":true", "\"Running\":false")
            .replace(r#""Ports":{"5000/tcp":[{"HostIp":"127.0.0.1","HostPort":"5000"}]}"#, r#""Ports":{}"#)
            .replace(
                "\"HostConfig\":{",
                r#""HostConfig":{"PortBindings":{"5000/tcp":[{"HostIp":"127.0.0.1","HostPort":"5000"}]},"#,
            );
        assert_eq!(faults(&stopped, &wanted()), [Fault::Stopped]);
    }

    #[test]
    fn an_image_of_another_build_is_told_by_its_id_and_by_its_name_alone_where_there_is_none() {
        let newer = Wanted { image_id: Some("n3w".into()), ..wanted() };
        let older = Fault::OtherImage { has: "localhost/wharf:1.0.0".into() };
        assert!(older.finding(&newer).words.contains("older build"));
        assert_eq!(faults(SOUND, &newer), [older]);
        assert_eq!(faults(SOUND, &Wanted { image_id: None, ..wanted() }), []);
    }

    #[test]
    fn without_ingest_the_engines_images_are_not_to_be_seen() {
        assert_eq!(faults(SOUND, &Wanted { ingest: None, ..wanted() }), [Fault::UnwantedIngest]);
    }
}
