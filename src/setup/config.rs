//! What the user wants set up, once it is checked. The flags that say so are in `cli/up.rs` and
//! `cli/setup_args.rs`.

use std::path::PathBuf;

use wharf_oci::ImageReference;

/// The cluster that `up` makes where there is none.
pub const CLUSTER: &str = "mcp-cluster";
/// The registry's container, which is its name on the network too.
pub const REGISTRY: &str = "kind-registry";
/// The volume of the registry's store.
pub const VOLUME: &str = "kind-registry-data";
/// The network that Kind's nodes are on.
pub const NETWORK: &str = "kind";
/// The registry's port inside its container, and by default on the host.
pub const PORT: u16 = 5000;

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Config {
    /// The registry's container, and its name on the network.
    pub registry: String,
    /// The volume with its store.
    pub volume: String,
    /// The network that it shares with the nodes.
    pub network: String,
    /// Its port on the host's loopback. In its container it is always [`PORT`].
    pub port: u16,
    /// The name of wharf's own image in the engine, `localhost/wharf:VERSION`.
    pub image: ImageReference,
    /// Which cluster there shall be; all that exist are wired besides.
    pub cluster: Cluster,
    /// Whether the registry sees Podman's store, to take images in.
    pub ingest: bool,
    /// Whether a plain `podman push` shall find the registry by HTTP (registries.conf.d).
    pub drop_in: bool,
    /// Whether the registry shall come back after a reboot.
    pub autostart: bool,
    /// Whether a foreign container of the registry's name may be replaced.
    pub replace_registry: bool,
    /// What `undo` takes away besides wiring and containers.
    pub removal: Removal,
}

/// What goes only where it is asked for: it cannot be had back, or takes long to make again. Of all of
/// it only what the setup made, but for the data, which was asked for by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removal {
    /// The registry's volume, with all images in it, and what else holds data.
    pub data: bool,
    /// The clusters that the setup made.
    pub clusters: bool,
    /// Wharf's own image in the engine, and on nodes.
    pub image: bool,
}

/// Which cluster there shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cluster {
    /// The ones that there are; where there is none, [`CLUSTER`] is made.
    Any(NewCluster),
    /// The one of this name, which is made where it is missing.
    Named(String, NewCluster),
    /// Only those that there are: none is made.
    Existing,
}

/// How a cluster is made, where one is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewCluster {
    /// Nodes beside the control plane.
    pub workers: u16,
    /// The image of the nodes, if not Kind's default.
    pub node_image: Option<String>,
    /// A Kind configuration file of the user's, to which what we need is added.
    pub config: Option<PathBuf>,
    /// A port of the host's loopback that leads to a port on the control plane, for a registry inside
    /// the cluster: (host port, node port).
    pub port_mapping: Option<(u16, u16)>,
}

impl Config {
    /// The registry's name on the host: `localhost:5000`.
    pub fn host_name(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The registry's name for pods and nodes: `kind-registry:5000`.
    pub fn pod_name(&self) -> String {
        format!("{}:{PORT}", self.registry)
    }
}
