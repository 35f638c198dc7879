//! The nodes run, and containerd on them: Kind has the engine start none again after a reboot.

use super::config::Cluster;
use super::node::{self, CLUSTER_LABEL, Inside, Node, ROLE_LABEL, containerd};
use super::{Finding, SetupError, Site, Step};
use crate::setup::engine::Container;

/// The step.
#[derive(Debug)]
pub struct RunningNodes;

/// The role of what Kind puts before several control planes. It is no node, but nothing goes without.
const LOAD_BALANCER: &str = "external-load-balancer";

impl Step for RunningNodes {
    fn name(&self) -> &'static str {
        "nodes"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let mut found = Vec::new();
        for container in standing(site)? {
            found.push(match is_wanted(site, &container) {
                true => Finding::fault(&container.name, "stands still").mended_by("start it"),
                false => Finding::note(
                    &container.name,
                    "stands still, and is of another cluster than the one asked for: it is not wired",
                ),
            });
        }
        let running = node::running(site)?;
        let looked = node::on_each(&running, |node| Ok(Inside::read(site, node)?))?;
        for (node, _) in
            running.iter().zip(&looked).filter(|(_, inside)| !inside.is_containerd_running)
        {
            found.push(
                Finding::fault(node.name(), "runs no containerd").mended_by("start containerd"),
            );
        }
        if found.is_empty() && !running.is_empty() {
            let words = format!("all run: {}", node::count(running.len()));
            found.push(Finding::ok("nodes", words));
        }
        Ok(found)
    }

    fn apply(&self, site: &Site) -> Result<(), SetupError> {
        let standing: Vec<_> =
            standing(site)?.into_iter().filter(|it| is_wanted(site, it)).collect();
        for container in &standing {
            site.engine.act(["start", &container.name])?;
        }
        let was_standing = |node: &Node| standing.iter().any(|it| it.name == node.name());
        node::on_each(&node::running(site)?, |node| match was_standing(node) {
            true => containerd::wait(site, node),
            false if Inside::read(site, node)?.is_containerd_running => Ok(()),
            false => containerd::reload(site, node),
        })?;
        // What was seen while they started is old.
        site.hand().forget();
        Ok(())
    }
}

/// What belongs to a cluster and does not run.
fn standing(site: &Site) -> Result<Vec<Container>, SetupError> {
    let of_cluster = site.engine.labelled(CLUSTER_LABEL)?;
    let counts = |it: &Container| {
        matches!(it.label(ROLE_LABEL), Some("control-plane" | "worker" | LOAD_BALANCER))
    };
    Ok(of_cluster.into_iter().filter(|it| !it.is_running && counts(it)).collect())
}

/// Whether a node is to run: where one cluster is named, others may have been stopped on purpose.
fn is_wanted(site: &Site, container: &Container) -> bool {
    match &site.config.cluster {
        Cluster::Named(name, _) => container.label(CLUSTER_LABEL) == Some(name),
        Cluster::Any(_) | Cluster::Existing => true,
    }
}
