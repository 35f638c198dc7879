//! The nodes of all Kind clusters of the engine, by Kind's labels, without Kind.

pub mod containerd;
pub mod images;
pub mod inside;
pub mod keeping;

use serde::Serialize;

use super::engine::{Container, EngineError};
use super::{Finding, SetupError, Site};
use crate::failure::told;

pub use images::{NodeImage, images};
pub use inside::Inside;

/// Kind's label with the cluster's name.
pub const CLUSTER_LABEL: &str = "io.x-k8s.kind.cluster";
/// Kind's label with the node's role.
pub const ROLE_LABEL: &str = "io.x-k8s.kind.role";

/// What a node is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Runs the API server, and pods.
    ControlPlane,
    /// Runs pods.
    Worker,
}

/// A node: a container with a containerd in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The cluster that it belongs to.
    pub cluster: String,
    /// What it is for.
    pub role: Role,
    /// The container.
    pub container: Container,
}

impl Node {
    /// Its name, on its network too.
    pub fn name(&self) -> &str {
        &self.container.name
    }

    /// Whether it is one that a dry run has only told of.
    pub fn is_planned(&self) -> bool {
        self.container.id.is_empty()
    }

    /// The node that a container is; none if it is something else of Kind's, as a load balancer.
    fn of(container: Container) -> Option<Self> {
        let role = match container.label(ROLE_LABEL)? {
            "control-plane" => Role::ControlPlane,
            "worker" => Role::Worker,
            _ => return None,
        };
        let cluster = container.label(CLUSTER_LABEL)?.to_owned();
        Some(Self { cluster, role, container })
    }
}

/// Every node of every cluster, running or not, by name; in a dry run also those that it told of.
///
/// # Errors
/// The engine cannot be asked.
pub fn all(site: &Site) -> Result<Vec<Node>, EngineError> {
    let standing = site.engine.labelled(CLUSTER_LABEL)?.into_iter().filter_map(Node::of);
    Ok(standing.chain(site.planned()).collect())
}

/// The nodes that Kind makes for a new cluster, by the names that it gives them.
pub fn planned(cluster: &str, roles: &[Role]) -> Vec<Node> {
    let mut numbers = [0, 0];
    let planned = roles.iter().map(|role| {
        let number = &mut numbers[*role as usize];
        *number += 1;
        let kind = match role {
            Role::ControlPlane => "control-plane",
            Role::Worker => "worker",
        };
        let suffix = if *number == 1 { String::new() } else { number.to_string() };
        let name = format!("{cluster}-{kind}{suffix}");
        let container = Container { name, is_running: true, ..Container::default() };
        Node { cluster: cluster.to_owned(), role: *role, container }
    });
    planned.collect()
}

/// Those that run, which alone can be looked into, without those that were given up.
///
/// # Errors
/// The engine cannot be asked.
pub fn running(site: &Site) -> Result<Vec<Node>, EngineError> {
    let counts = |node: &Node| node.container.is_running && !site.is_given_up(node.name());
    Ok(all(site)?.into_iter().filter(counts).collect())
}

/// What was seen in the nodes that can be looked into, and a fault for each of the others.
#[derive(Debug)]
pub struct Looked<T> {
    /// The nodes, each with what was seen in it.
    pub seen: Vec<(Node, T)>,
    /// The others' faults.
    pub faults: Vec<Finding>,
}

/// Looks into every running node, all at once. One that cannot be looked into, whatever is wrong with it,
/// is given up, and keeps nobody from the others.
///
/// # Errors
/// The engine cannot be asked.
pub fn look_into_each<T: Send>(
    site: &Site,
    look: impl Fn(&Node) -> Result<T, SetupError> + Sync,
) -> Result<Looked<T>, SetupError> {
    let nodes = running(site)?;
    let looked = on_each(&nodes, |node| Ok(look(node)))?;
    let mut all = Looked { seen: Vec::new(), faults: Vec::new() };
    for (node, seen) in nodes.into_iter().zip(looked) {
        match seen {
            Ok(seen) => all.seen.push((node, seen)),
            Err(error) if error.is_of_container() => all.faults.push(unseen(site, &node, &error)),
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// Gives a node up that cannot be looked into.
fn unseen(site: &Site, node: &Node, error: &SetupError) -> Finding {
    let (name, engine) = (node.name(), site.engine.kind().program());
    let words = format!("cannot be looked into: {}", told(error));
    site.give_up(name, words.clone());
    Finding::fault(name, words).left_to_you(format!(
        "see what ails it: `{engine} exec {name} true`, `{engine} logs --tail 20 {name}`; `{engine} restart \
         {name}` may help. If it is no node of Kind's, take its label {CLUSTER_LABEL} away"
    ))
}

/// The node of a name, running or not.
///
/// # Errors
/// The engine cannot be asked.
pub fn find(site: &Site, name: &str) -> Result<Option<Node>, EngineError> {
    Ok(all(site)?.into_iter().find(|node| node.name() == name))
}

/// `1 node`, `3 nodes`.
pub fn count(nodes: usize) -> String {
    format!("{nodes} node{}", if nodes == 1 { "" } else { "s" })
}

/// Changes several nodes at once; one after the other in a dry run, which tells of it in their order. One
/// that cannot be changed is given up.
///
/// # Errors
/// The first error of a node, in their order; the work on the others is done nevertheless.
pub fn change_each(
    site: &Site,
    nodes: &[Node],
    change: impl Fn(&Node) -> Result<(), SetupError> + Sync,
) -> Result<(), SetupError> {
    let changed = match site.hand().is_dry() {
        true => nodes.iter().map(change).collect(),
        false => on_each(nodes, |node| Ok(change(node)))?,
    };
    let failures = nodes.iter().zip(changed).filter_map(|(node, it)| Some((node, it.err()?)));
    let mut failures: Vec<_> =
        failures.map(|(node, error)| unchanged(site, node.name(), error)).collect();
    // What is nobody's in particular comes first: there is no going on after it.
    failures.sort_by_key(|error| matches!(error, SetupError::OfNode { .. }));
    failures.into_iter().next().map_or(Ok(()), Err)
}

/// Gives a node up that cannot be changed, and tells why; unless it is not the node's fault.
pub fn unchanged(site: &Site, node: &str, error: SetupError) -> SetupError {
    if !error.is_of_container() {
        return error;
    }
    site.give_up(node, format!("cannot be changed: {}", told(&error)));
    SetupError::OfNode { node: node.to_owned(), source: Box::new(error) }
}

/// Does the same on several nodes at once: most of the time on each is the engine's.
///
/// # Errors
/// The first error of a node, in their order; the work on the others is done nevertheless.
pub fn on_each<T: Send>(
    nodes: &[Node],
    work: impl Fn(&Node) -> Result<T, SetupError> + Sync,
) -> Result<Vec<T>, SetupError> {
    let work = &work;
    std::thread::scope(|scope| {
        let running: Vec<_> = nodes.iter().map(|node| scope.spawn(move || work(node))).collect();
        let joined = running.into_iter().map(|thread| match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planned_nodes_have_the_names_that_kind_gives() {
        let roles = [Role::ControlPlane, Role::Worker, Role::Worker, Role::ControlPlane];
        let planned = planned("dev", &roles);
        let names: Vec<_> = planned.iter().map(Node::name).collect();
        let kinds = ["dev-control-plane", "dev-worker", "dev-worker2", "dev-control-plane2"];
        assert_eq!(names, kinds);
        assert!(planned.iter().all(Node::is_planned));
    }
}
