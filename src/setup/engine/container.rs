//! A container of the engine's, as the setup needs to know it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

/// A container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Inspected")]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The name of its image, as it was given.
    pub image: String,
    /// The id of its image, 64 hexadecimal digits.
    pub image_id: String,
    /// Whether it runs.
    pub is_running: bool,
    /// Whether it is paused: its programs are there, and stand still.
    pub is_paused: bool,
    /// Whether it was only made, and never started.
    pub is_new: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Variables of its environment, `NAME=value`.
    pub environment: Vec<String>,
    /// The networks that it is on, each with the names that it has there.
    pub networks: BTreeMap<String, Vec<String>>,
    /// Its ports (`5000/tcp`) and where the host has them.
    pub ports: BTreeMap<String, Vec<Publication>>,
    /// What is mounted in it.
    pub mounts: Vec<Mount>,
    /// `always`, `no`, …; empty where it does not say.
    pub restart_policy: String,
    /// `bridge`, `pasta`, `slirp4netns`, `host`, …
    pub network_mode: String,
}

/// Where the host has a port of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The address; none means all of them.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
}

/// Where the bytes of a mount are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// In a volume.
    Volume,
    /// In a folder of the engine's machine.
    Bind,
    /// In memory, or wherever else.
    #[serde(other)]
    Other,
}

/// Something mounted in a container.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Mount {
    /// What kind it is.
    #[serde(rename = "Type")]
    pub kind: MountKind,
    /// The volume's name; empty for others.
    #[serde(default)]
    pub name: String,
    /// The folder in the engine's machine.
    #[serde(default)]
    pub source: String,
    /// Where it is in the container.
    pub destination: String,
    /// Whether it can be written.
    #[serde(default, rename = "RW")]
    pub is_writable: bool,
}

impl Container {
    /// The label of that name.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }

    /// Where the host has a port.
    pub fn publications(&self, port: u16) -> &[Publication] {
        self.ports.get(&format!("{port}/tcp")).map_or(&[], Vec::as_slice)
    }

    /// The mount at a place.
    pub fn mount(&self, destination: &str) -> Option<&Mount> {
        self.mounts.iter().find(|mount| mount.destination == destination)
    }

    /// The value of a variable of its environment.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let value = |line: &'_ String| line.split_once('=').is_some_and(|(key, _)| key == name);
        let line = self.environment.iter().find(|line| value(line))?;
        line.split_once('=').map(|(_, value)| value)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    name: String,
    #[serde(default)]
    image: String,
    #[serde(default)]
    image_name: Option<String>,
    state: State,
    config: Settings,
    #[serde(default)]
    network_settings: NetworkSettings,
    #[serde(default)]
    mounts: Vec<Mount>,
    #[serde(default)]
    host_config: HostConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    running: bool,
    #[serde(default)]
    paused: bool,
    #[serde(default)]
    status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Settings {
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    env: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    #[serde(default)]
    networks: Option<BTreeMap<String, Attachment>>,
    #[serde(default)]
    ports: Option<Ports>,
}

type Ports = BTreeMap<String, Option<Vec<HostPort>>>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attachment {
    #[serde(default)]
    aliases: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct HostPort {
    #[serde(default, rename = "HostIp")]
    ip: String,
    #[serde(default, rename = "HostPort")]
    port: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    #[serde(default)]
    restart_policy: RestartPolicy,
    #[serde(default)]
    network_mode: String,
    #[serde(default)]
    port_bindings: Option<Ports>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RestartPolicy {
    #[serde(default)]
    name: String,
}

impl From<Inspected> for Container {
    fn from(it: Inspected) -> Self {
        let is_paused = it.state.paused || it.state.status == "paused";
        let NetworkSettings { networks, ports } = it.network_settings;
        // Docker's stopped containers have none, but those that they will have.
        let ports = ports.filter(|ports| !ports.is_empty()).or(it.host_config.port_bindings);
        let published = |ports: Option<Vec<HostPort>>| {
            ports.unwrap_or_default().iter().filter_map(HostPort::publication).collect()
        };
        Self {
            id: it.id,
            // Docker writes it as a path.
            name: it.name.trim_start_matches('/').to_owned(),
            image: it.image_name.or(it.config.image).unwrap_or_default(),
            image_id: it.image.trim_start_matches("sha256:").to_owned(),
            // Docker says of a paused one that it runs, too.
            is_running: it.state.running && !is_paused,
            is_paused,
            is_new: matches!(it.state.status.as_str(), "created" | "configured" | "initialized"),
            labels: it.config.labels.unwrap_or_default(),
            environment: it.config.env.unwrap_or_default(),
            networks: networks
                .unwrap_or_default()
                .into_iter()
                .map(|(name, attachment)| (name, attachment.aliases.unwrap_or_default()))
                .collect(),
            ports: ports
                .unwrap_or_default()
                .into_iter()
                .map(|(port, hosts)| (port, published(hosts)))
                .collect(),
            mounts: it.mounts,
            restart_policy: it.host_config.restart_policy.name,
            network_mode: it.host_config.network_mode,
        }
    }
}

impl HostPort {
    fn publication(&self) -> Option<Publication> {
        let address = self.ip.parse().ok().filter(|ip: &IpAddr| !ip.is_unspecified());
        Some(Publication { address, port: self.port.parse().ok()? })
    }
}
