//! `wharf status`: what stands, on one screen: the registry, its address on both sides, the disk it
//! uses, the clusters, and whether each node is wired.

use std::fmt;

use serde::Serialize;

use crate::cli::amount::Bytes;
use crate::cli::setup_args::{SetupArgs, WhichArgs};
use crate::cli::table::Table;
use crate::cli::usage::Usage;
use crate::failure::Failure;
use crate::report::Report;
use crate::setup::in_cluster;
use crate::setup::node::{self, Node, Role};
use crate::setup::walk::Change;
use crate::setup::{SetupError, Site, Step, proof::Proof};
use crate::setup::{config_path::ConfigPath, hosts::Hosts, proxy::NoProxy, registry};

/// What to show.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    #[command(flatten)]
    which: WhichArgs,
}

/// Shows it.
pub fn run(args: StatusArgs, report: &Report) -> Result<(), Failure> {
    let setup = SetupArgs::from(args.which);
    let site = setup.site(setup.config(), false, report)?;
    Ok(report.data(&Standing::read(&site)?)?)
}

/// What stands.
#[derive(Debug, Serialize)]
pub struct Standing {
    /// The registry, if its container is there.
    pub registry: Option<RegistryStanding>,
    /// The registry inside a cluster, in place of the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_cluster: Option<InClusterStanding>,
    /// Every node of every cluster.
    pub nodes: Vec<NodeStanding>,
    /// What `up` changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<Change>>,
    /// The pull that proved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

/// The registry's container.
#[derive(Debug, Serialize)]
pub struct RegistryStanding {
    /// Its name.
    pub container: String,
    /// Whether it runs.
    pub running: bool,
    /// Whether `wharf up` made it.
    pub ours: bool,
    /// Its image.
    pub image: String,
    /// Its name on this machine.
    pub host: String,
    /// Its name for pods.
    pub pods: String,
    /// The volume with its store.
    pub volume: Option<String>,
    /// What the store holds, if the registry runs and can say.
    pub usage: Option<Usage>,
    /// Whether it takes images out of Podman's store.
    pub ingest: bool,
}

/// The registry inside a cluster.
#[derive(Debug, Serialize)]
pub struct InClusterStanding {
    /// The cluster.
    pub cluster: String,
    /// Its name on this machine, if the cluster was made with a port for it.
    pub host: Option<String>,
    /// Its name for pods.
    pub pods: String,
}

/// A node.
#[derive(Debug, Serialize)]
pub struct NodeStanding {
    /// Its cluster.
    pub cluster: String,
    /// Its name.
    pub node: String,
    /// What it is for.
    pub role: Role,
    /// Whether it runs.
    pub running: bool,
    /// Whether it is paused.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Whether its pulls find the registry; unknown of one that stands still.
    pub wired: Option<bool>,
    /// Why not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
}

impl Standing {
    /// Looks at it.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn read(site: &Site) -> Result<Self, SetupError> {
        let faults = wiring_faults(site)?;
        let nodes = node::all(site)?;
        let faults: Vec<_> = faults.into_iter().chain(site.given_up()).collect();
        let nodes = nodes.iter().map(|node| NodeStanding::of(node, &faults)).collect();
        let registry = RegistryStanding::read(site)?;
        let in_cluster = InClusterStanding::read(site)?;
        Ok(Self { registry, in_cluster, nodes, changes: None, proof: None })
    }
}

/// What is wrong with the wiring of nodes: the node's name, and the words.
fn wiring_faults(site: &Site) -> Result<Vec<(String, String)>, SetupError> {
    let wiring: [&dyn Step; 3] = [&ConfigPath, &NoProxy, &Hosts];
    let mut faults = Vec::new();
    for step in wiring {
        let mut found = step.check(site)?;
        // What is given up is told once, whichever step came upon it.
        found.retain(|it| it.is_fault() && !site.is_given_up(&it.about));
        let found = found.into_iter();
        faults.extend(found.map(|finding| (finding.about, finding.words)));
    }
    Ok(faults)
}

impl InClusterStanding {
    fn read(site: &Site) -> Result<Option<Self>, SetupError> {
        let Some(cluster) = in_cluster::cluster(site) else { return Ok(None) };
        let host = in_cluster::host_port(site)?.map(|port| format!("localhost:{port}"));
        Ok(Some(Self { cluster, host, pods: site.config.pod_name() }))
    }
}

impl NodeStanding {
    fn of(node: &Node, faults: &[(String, String)]) -> Self {
        let running = node.container.is_running;
        let of_this = faults.iter().filter(|(about, _)| about == node.name());
        let why: Vec<_> = of_this.map(|(_, words)| words.clone()).collect();
        Self {
            cluster: node.cluster.clone(),
            node: node.name().to_owned(),
            role: node.role,
            running,
            paused: node.container.is_paused,
            wired: running.then_some(why.is_empty()),
            why,
        }
    }

    fn wiring(&self) -> String {
        match self.wired {
            Some(true) => "wired".into(),
            Some(false) => format!("not wired: {}", self.why.join("; ")),
            None => "unknown: `wharf up` starts it".into(),
        }
    }
}

impl RegistryStanding {
    fn read(site: &Site) -> Result<Option<Self>, SetupError> {
        let Some(found) = registry::Standing::read(site)? else { return Ok(None) };
        let container = found.container;
        let usage = container.is_running.then(|| usage(site, &container.name)).flatten();
        Ok(Some(Self {
            running: container.is_running,
            ours: found.is_ours,
            image: container.image,
            host: format!("localhost:{}", found.port.unwrap_or(site.config.port)),
            pods: site.config.pod_name(),
            volume: found.volume,
            usage,
            ingest: found.ingest,
            container: container.name,
        }))
    }
}

/// What the store holds; nothing where the container is not wharf's, or an older one.
fn usage(site: &Site, container: &str) -> Option<Usage> {
    let answer = site.engine.look(container, &["/wharf", "--json", "usage"]).ok()?;
    serde_json::from_str(&answer).ok()
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.registry, &self.in_cluster) {
            (Some(registry), _) => registry.fmt(f)?,
            (None, Some(registry)) => registry.fmt(f)?,
            (None, None) => writeln!(f, "There is no registry: `wharf up` makes it.")?,
        }
        writeln!(f)?;
        if self.nodes.is_empty() {
            return writeln!(f, "There is no Kind cluster.");
        }
        let mut table = Table::new(["CLUSTER", "NODE", "STATE", "PULLS FROM THE REGISTRY"]);
        for node in &self.nodes {
            let state = match (node.running, node.paused) {
                (true, _) => "running",
                (false, true) => "paused",
                (false, false) => "stopped",
            };
            table.push([node.cluster.clone(), node.node.clone(), state.into(), node.wiring()]);
        }
        table.fmt(f)?;
        match &self.proof {
            Some(proof) => writeln!(f, "\n{proof}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for InClusterStanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Registry  in the cluster {}", self.cluster)?;
        let host = self.host.as_deref().unwrap_or("no port of this machine leads to it");
        writeln!(f, "  push    {host}")?;
        writeln!(f, "  pods    {}", self.pods)
    }
}

impl fmt::Display for RegistryStanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.running, self.ours) {
            (true, true) => "running",
            (true, false) => "running, not made by `wharf up`",
            (false, true) => "stopped: `wharf up` starts it",
            (false, false) => "stopped, not made by `wharf up`",
        };
        writeln!(f, "Registry  {}, {}, {state}", self.container, self.image)?;
        writeln!(f, "  push    {}", self.host)?;
        writeln!(f, "  pods    {}", self.pods)?;
        let volume = self.volume.as_deref().unwrap_or("no volume: what is pushed goes with it");
        match &self.usage {
            Some(usage) => {
                let (held, free) = (Bytes(usage.blob_bytes), Bytes(usage.free_bytes));
                writeln!(f, "  store   {volume}: {held} in {} blobs, {free} free", usage.blobs)?;
            }
            None => writeln!(f, "  store   {volume}")?,
        }
        writeln!(f, "  ingest  {}", if self.ingest { "on" } else { "off" })
    }
}
