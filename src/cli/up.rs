//! `wharf up`: from nothing to a cluster whose pods pull from the registry. Walks through the steps of
//! the setup, in order, and mends what each finds; where it changed something, a real pull proves that
//! it works.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};

use crate::cli::setup_args::SetupArgs;
use crate::cli::status::Standing;
use crate::failure::Failure;
use crate::report::Report;
use crate::setup::config::{Cluster, NewCluster, PORT};
use crate::setup::diagnosis::reach::Reach;
use crate::setup::proof::{self, Proof};
use crate::setup::receipt::Made;
use crate::setup::walk::walk;
use crate::setup::{Config, SetupError, Site, Step, in_cluster, node, steps_of};

const EXAMPLES: &str = "\
Examples:
  wharf up                          a registry, and a cluster if there is none; all wired
  wharf up --workers 2              the same with three nodes
  wharf up --name dev               the cluster of this name, made if it is missing
  wharf up --no-cluster             wires the clusters that there are, and makes none
  wharf up --port 5001              where port 5000 is taken; pods notice nothing
  wharf up --replace-registry       takes the place of a registry:2, with its images
  wharf up --in-cluster             the registry as a Deployment, on a port of every node
  wharf up --in-cluster --print     its objects, to read or to keep
  wharf up --dry-run                the commands, and nothing else";

/// What to set up.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct UpArgs {
    #[command(flatten)]
    setup: SetupArgs,

    /// The cluster that there shall be [default: those that exist; if none does, mcp-cluster]
    #[arg(long, value_name = "CLUSTER", conflicts_with = "no_cluster", value_parser = cluster_name)]
    name: Option<String>,

    /// Make no cluster; those that exist are wired
    #[arg(long)]
    no_cluster: bool,

    /// How many workers a new cluster has beside its control plane
    #[arg(long, value_name = "N", default_value_t = 0)]
    workers: u16,

    /// The image of a new cluster's nodes, instead of Kind's default
    #[arg(long, value_name = "IMAGE")]
    node_image: Option<String>,

    /// A Kind configuration for a new cluster; what the registry needs is added to it
    #[arg(long, value_name = "FILE", conflicts_with = "workers")]
    kind_config: Option<PathBuf>,

    /// The registry's port on this machine's loopback [default: the one it has, or 5000]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,

    /// Do not let the registry see Podman's store: `wharf push` then streams layers to it
    #[arg(long)]
    no_ingest: bool,

    /// Let a plain `podman push` speak HTTP to the registry, by a file in registries.conf.d
    #[arg(long)]
    podman_push: bool,

    /// Bring the registry back after a reboot
    #[arg(long)]
    autostart: bool,

    /// Take the place of a container of the registry's name that wharf did not make, and its volume
    #[arg(long)]
    replace_registry: bool,

    /// Run the registry inside the cluster, which a new cluster is made ready for
    #[arg(long, conflicts_with_all = ["no_ingest", "autostart", "replace_registry"])]
    in_cluster: bool,

    /// Only print the Kubernetes objects of the registry inside the cluster
    #[arg(long, requires = "in_cluster")]
    print: bool,

    /// Print every command that would change something, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// A name that Kind takes.
fn cluster_name(text: &str) -> Result<String, String> {
    let is_word = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || ".-".contains(it);
    let is_end = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
    let has_ends = text.starts_with(is_end) && text.ends_with(is_end);
    match text.len() <= 50 && text.chars().all(is_word) && has_ends {
        true => Ok(text.to_owned()),
        false => Err("a cluster's name has lower case letters, digits, hyphens and dots".into()),
    }
}

/// Sets up, proves, and tells what stands.
pub fn run(args: UpArgs, report: &Report) -> Result<(), Failure> {
    if args.print {
        let port = args.port.unwrap_or(PORT);
        let objects = in_cluster::objects(&Config { port, ..args.config() });
        return Ok(report.data(&Objects(objects))?);
    }
    let _turn = (!args.dry_run).then(|| args.setup.turn(report));
    let mut site = args.setup.site(args.config(), args.dry_run, report)?;
    if let Some(port) = args.port {
        site.config.port = port;
    }
    if args.in_cluster {
        in_cluster::begin(&site)?;
    }
    in_cluster::publish(&mut site);
    let walked = walk(&site, &steps_of(&site))?;
    if args.dry_run {
        return Ok(whole(&site)?);
    }
    let proof = prove(&site)?;
    walked.notes.iter().for_each(|note| report.say(format_args!("note: {note}")));
    let mut standing = Standing::read(&site)?;
    standing.changes = Some(walked.changes);
    standing.proof = proof;
    report.data(&standing)?;
    Ok(whole(&site)?)
}

/// Kubernetes objects as YAML, and as JSON a list of them, which `kubectl apply` takes as well.
struct Objects(String);

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Objects {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let documents = yaml_serde::Deserializer::from_str(&self.0);
        let items: Result<Vec<_>, _> = documents.map(serde_json::Value::deserialize).collect();
        let items = items.map_err(serde::ser::Error::custom)?;
        serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items})
            .serialize(serializer)
    }
}

/// Whether every node was set up. What was done on the others stands.
fn whole(site: &Site) -> Result<(), SetupError> {
    let given_up = site.given_up();
    let told: Vec<_> = given_up.iter().map(|(node, why)| format!("{node} {why}")).collect();
    match told.is_empty() {
        true => Ok(()),
        false => Err(SetupError::Broken {
            what: format!("not every node was set up: {}", told.join("; ")),
            hint: "`wharf doctor` looks at these nodes; `wharf up` again goes on with them".into(),
        }),
    }
}

/// A real pull on every node, where something changed since the last one and there is a node.
fn prove(site: &Site) -> Result<Option<Proof>, SetupError> {
    if !site.receipt.has(&Made::Unproven) {
        return Ok(None);
    }
    let proof = match node::running(site)?.is_empty() || in_cluster::is_out_of_reach(site)? {
        true => None,
        false => Some(proof_after_repair(site)?),
    };
    site.strike(&Made::Unproven)?;
    Ok(proof)
}

/// A run that was killed may leave the engine's names or forwards broken, though every container
/// stands: they are made anew, once.
fn proof_after_repair(site: &Site) -> Result<Proof, SetupError> {
    let proof = proof::prove(site)?;
    if proof.pulls.iter().all(|pull| pull.failure.is_none()) {
        return Ok(proof);
    }
    Reach.apply(site)?;
    proof::prove(site)?.whole()
}

impl UpArgs {
    fn config(&self) -> Config {
        let new = NewCluster {
            workers: self.workers,
            node_image: self.node_image.clone(),
            config: self.kind_config.clone(),
            port_mapping: None,
        };
        Config {
            cluster: match &self.name {
                _ if self.no_cluster => Cluster::Existing,
                Some(name) => Cluster::Named(name.clone(), new),
                None => Cluster::Any(new),
            },
            ingest: !self.no_ingest,
            drop_in: self.podman_push,
            autostart: self.autostart,
            replace_registry: self.replace_registry,
            ..self.setup.config()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::in_cluster::NODE_PORT;

    #[test]
    fn objects_are_a_list_in_json() {
        let text = format!("kind: A\nport: {NODE_PORT}\n---\nkind: B\n");
        let list = serde_json::to_value(Objects(text)).unwrap();
        assert_eq!(list["kind"], "List");
        assert_eq!(list["items"][0]["port"], NODE_PORT);
        assert_eq!(list["items"][1]["kind"], "B");
    }

    #[test]
    fn a_cluster_has_a_name_that_kind_takes() {
        assert!(["mcp-cluster", "kind", "a.b", "1"].iter().all(|name| cluster_name(name).is_ok()));
        for bad in ["", "Dev", "-a", "a-", "a.", "a b", "a/b", &"a".repeat(51)] {
            assert!(cluster_name(bad).is_err(), "{bad}");
        }
    }
}
