//! The Kind cluster, made by the `kind` command where it is missing. A cluster that is not ours is never
//! touched; one of ours that a killed run left half-made is made anew.
//!
//! Without the command all else stands nevertheless: what is left is said.

mod blueprint;
mod failure;
mod volumes;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::config::{CLUSTER, Cluster, NETWORK, NewCluster};
use super::engine::Kind;
use super::error::how_to_get;
use super::hand;
use super::node::{self, Inside, Node, Role};
use super::proxy;
use super::receipt::Made;
use super::site::PROVIDER;
use super::{Finding, SetupError, Site, Step};
use crate::process::{Program, RunError};
use blueprint::Blueprint;

/// How long a cluster that was stopped may take to know its nodes again.
const WAKING_MAX: Duration = Duration::from_secs(90);
/// How often it is asked meanwhile.
const WAKING_POLL: Duration = Duration::from_secs(1);

/// The step.
#[derive(Debug)]
pub struct TheCluster;

impl Step for TheCluster {
    fn name(&self) -> &'static str {
        "cluster"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        Ok(match plan(site)? {
            Plan::Stands(clusters) if clusters.is_empty() => {
                vec![Finding::note("cluster", "there is none").left_to_you("`wharf up` makes one")]
            }
            Plan::Stands(clusters) => {
                clusters.into_iter().map(|name| Finding::ok(name, "is there")).collect()
            }
            Plan::Tell(name) => vec![
                Finding::fault(
                    name,
                    "stands, but was made by a run that ended before kubectl knew",
                )
                .mended_by("have kind tell kubectl"),
            ],
            Plan::Make(name, _) if version(site)?.is_none() => vec![
                Finding::note(
                    name,
                    "there is no such cluster, and no program kind, which makes it",
                )
                .left_to_you(format!(
                    "install kind ({}) and run `wharf up` again",
                    how_to_get("kind").unwrap_or_default()
                )),
            ],
            Plan::Make(name, _) => {
                vec![
                    Finding::fault(name, "there is no such cluster").mended_by("make it with kind"),
                ]
            }
            Plan::Wake(name) => vec![
                Finding::fault(name, "stands still, and was made by a run that was interrupted")
                    .mended_by("start its nodes, and see whether it is whole"),
            ],
            Plan::Remake(name, _) => vec![
                Finding::fault(name, "is half-made: a run that made it was interrupted")
                    .mended_by("delete it and make it anew"),
            ],
        })
    }

    fn apply(&self, site: &Site) -> Result<(), SetupError> {
        match plan(site)? {
            Plan::Stands(_) => Ok(()),
            Plan::Make(..) if version(site)?.is_none() => Ok(()),
            Plan::Make(name, new) => make(site, &name, new),
            Plan::Wake(name) => {
                wake(site, &name)?;
                match site.hand().is_dry() {
                    true => Ok(()),
                    false => self.apply(site),
                }
            }
            Plan::Remake(name, new) => {
                delete(site, &name)?;
                make(site, &name, new)
            }
            Plan::Tell(name) => {
                site.hand().show(&kind(site, &["export", "kubeconfig", "--name", &name]))?;
                complete(site, &name)
            }
        }
    }

    fn undo(&self, site: &Site) -> Result<(), SetupError> {
        if !site.config.removal.clusters {
            return Ok(());
        }
        for made in site.receipt.made() {
            let Made::Cluster { name } = &made else { continue };
            let nodes = of_cluster(site, name)?;
            match is_same(site, name, &nodes) {
                _ if nodes.is_empty() => {}
                true => delete(site, name)?,
                false => site.hand().say(format_args!(
                    "The cluster {name} stays: it was made anew since, not by wharf."
                )),
            }
            for inside in site.receipt.made().iter().filter(|it| is_inside(it, name, &nodes)) {
                site.strike(inside)?;
            }
            let begun = Made::ClusterBegun { name: name.clone() };
            if site.receipt.has(&begun) {
                volumes::remove_left(site, name)?;
            }
            site.strike(&begun)?;
            site.strike(&made)?;
        }
        Ok(())
    }
}

/// What is to be done about the cluster.
enum Plan<'a> {
    /// Nothing: these are there.
    Stands(Vec<String>),
    /// It is missing.
    Make(String, &'a NewCluster),
    /// A killed run of ours made it, or a part of it, and it was stopped since.
    Wake(String),
    /// A killed run of ours left a part of it.
    Remake(String, &'a NewCluster),
    /// It stands, but the killed run that made it could not say so.
    Tell(String),
}

fn plan(site: &Site) -> Result<Plan<'_>, SetupError> {
    let nodes = node::all(site)?;
    let mut clusters: Vec<_> = nodes.iter().map(|node| node.cluster.clone()).collect();
    clusters.dedup();
    let is_begun = |name: &str| site.receipt.has(&Made::ClusterBegun { name: name.to_owned() });
    let (name, new) = match &site.config.cluster {
        Cluster::Existing => return Ok(Plan::Stands(clusters)),
        Cluster::Named(name, new) => (name.clone(), new),
        Cluster::Any(new) => {
            let stated = match &new.config {
                Some(_) => blueprint_of(site, new)?.name,
                None => None,
            };
            let name = stated.unwrap_or_else(|| CLUSTER.to_owned());
            if !clusters.is_empty() && !is_begun(&name) {
                return Ok(Plan::Stands(clusters));
            }
            (name, new)
        }
    };
    Ok(match clusters.contains(&name) {
        false => Plan::Make(name, new),
        true if !is_begun(&name) => Plan::Stands(clusters),
        true if stopped(site, &name)?.next().is_some() => Plan::Wake(name),
        true if is_whole(site, &name)? => Plan::Tell(name),
        true => Plan::Remake(name, new),
    })
}

/// Deletes a cluster. Twice if need be: an engine that has just ended a container may still hold its files
/// (`device or resource busy`), and has let go of them by then.
fn delete(site: &Site, name: &str) -> Result<(), RunError> {
    let delete = kind(site, &["delete", "cluster", "--name", name]);
    site.hand().show(&delete).or_else(|_| site.hand().show(&delete))
}

/// The nodes of a cluster that ran once, and do not any more.
fn stopped(site: &Site, name: &str) -> Result<impl Iterator<Item = Node>, SetupError> {
    let is_stopped = |node: &Node| !node.container.is_running && !node.container.is_new;
    Ok(of_cluster(site, name)?.into_iter().filter(is_stopped))
}

/// Starts the nodes of a cluster, and gives its API server time to come back.
fn wake(site: &Site, name: &str) -> Result<(), SetupError> {
    for node in stopped(site, name)? {
        site.engine.start(&node.container)?;
    }
    if site.hand().is_dry() {
        return Ok(());
    }
    let begun = Instant::now();
    site.hand().forget();
    while !is_whole(site, name)? && begun.elapsed() < WAKING_MAX {
        std::thread::sleep(WAKING_POLL);
        site.hand().forget();
    }
    Ok(())
}

/// Whether a cluster that was begun came to stand: Kind makes all nodes first, and then has the API know
/// them one by one.
fn is_whole(site: &Site, name: &str) -> Result<bool, SetupError> {
    let nodes = of_cluster(site, name)?;
    if nodes.iter().any(|node| !node.container.is_running) {
        return Ok(false);
    }
    let run = node::on_each(&nodes, |node| Ok(Inside::read(site, node)?.is_containerd_running))?;
    let Some(head) = nodes.iter().find(|node| node.role == Role::ControlPlane) else {
        return Ok(false);
    };
    let get = ["kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "get", "nodes", "-o", "name"];
    let known = site.engine.look(head.name(), &get).map_or(0, |names| names.lines().count());
    Ok(run.into_iter().all(|runs| runs) && known >= nodes.len())
}

fn of_cluster(site: &Site, name: &str) -> Result<Vec<Node>, SetupError> {
    Ok(node::all(site)?.into_iter().filter(|node| node.cluster == name).collect())
}

/// Whether the thing went with a cluster.
fn is_inside(made: &Made, cluster: &str, nodes: &[Node]) -> bool {
    match made {
        Made::Hosts { node, .. } | Made::NodeFile { node, .. } | Made::NodeImage { node, .. } => {
            nodes.iter().any(|it| it.name() == node)
        }
        Made::Hosting { cluster: of, .. }
        | Made::ClusterNode { cluster: of, .. }
        | Made::InCluster { cluster: of }
        | Made::Claim { cluster: of } => of == cluster,
        _ => false,
    }
}

/// What the cluster is to be like.
fn blueprint_of(site: &Site, new: &NewCluster) -> Result<Blueprint, SetupError> {
    let Some(path) = &new.config else {
        return Ok(blueprint::draw(new, version(site)?.unwrap_or_default()));
    };
    let broken = |error: &dyn std::fmt::Display| SetupError::Broken {
        what: format!("cannot make a cluster of {}: {error}", path.display()),
        hint: "https://kind.sigs.k8s.io/docs/user/configuration/ says how such a file is written"
            .into(),
    };
    let text = hand::read_text(path).map_err(|error| broken(&error))?;
    blueprint::complete(&text, new, version(site)?.unwrap_or_default())
        .map_err(|error| broken(&error))
}

/// Notes that a cluster stands, and by what it can be told from a later one of its name.
fn complete(site: &Site, name: &str) -> Result<(), SetupError> {
    site.hand().forget();
    if let Some(first) = of_cluster(site, name)?.into_iter().find(|node| !node.is_planned()) {
        let (cluster, container) = (name.to_owned(), first.container.id);
        site.note(Made::ClusterNode { cluster, container })?;
    }
    site.strike(&Made::ClusterBegun { name: name.to_owned() })
}

/// Whether the nodes are those that we had Kind make, not of a cluster that was made since under the
/// same name. Of one that was never completed that cannot be told.
fn is_same(site: &Site, name: &str, nodes: &[Node]) -> bool {
    let mut noted = site.receipt.made().into_iter().filter_map(|made| match made {
        Made::ClusterNode { cluster, container } if cluster == name => Some(container),
        _ => None,
    });
    let is_there = |id: String| nodes.iter().any(|node| node.container.id == id);
    noted.next().is_none_or(is_there)
}

/// Makes the cluster, and shows what Kind says.
fn make(site: &Site, name: &str, new: &NewCluster) -> Result<(), SetupError> {
    let begun = Made::ClusterBegun { name: name.to_owned() };
    let made = Made::Cluster { name: name.to_owned() };
    let blueprint = blueprint_of(site, new)?;
    if site.receipt.has(&begun) {
        volumes::remove_left(site, name)?;
    }
    site.note(begun.clone())?;
    site.note(made.clone())?;
    let mut words = vec!["create", "cluster", "--name", name, "--config=-"];
    if let Some(image) = &new.node_image {
        words.extend(["--image", image]);
    }
    if site.hand().is_dry() {
        site.plan(node::planned(name, &blueprint.roles));
    }
    let failed = match site.hand().show_fed(&kind(site, &words), blueprint.text.as_bytes()) {
        Ok(()) => return complete(site, name),
        Err(failed) => failed,
    };
    site.hand().forget();
    if of_cluster(site, name)?.is_empty() {
        site.strike(&begun)?;
        site.strike(&made)?;
    }
    match failed {
        RunError::Failed { words, .. } => Err(SetupError::Broken {
            what: format!("kind could not make the cluster {name}"),
            hint: failure::hint(&words),
        }),
        other => Err(other.into()),
    }
}

/// A command of Kind's, for our engine and network.
fn kind(site: &Site, words: &[&str]) -> Program {
    let engine = site.engine.kind();
    let mut program = Program::new("kind", words.iter().copied()).with(PROVIDER, engine.program());
    if site.config.network != NETWORK {
        let variable = match engine {
            Kind::Podman => "KIND_EXPERIMENTAL_PODMAN_NETWORK",
            Kind::Docker => "KIND_EXPERIMENTAL_DOCKER_NETWORK",
        };
        program = program.with(variable, &site.config.network);
    }
    if words.first() == Some(&"create")
        && let Some(no_proxy) = no_proxy(&site.config.pod_name(), &std::env::vars().collect())
    {
        program = program.with("NO_PROXY", no_proxy);
    }
    program
}

/// `NO_PROXY` for the nodes, which inherit the proxy of the environment.
fn no_proxy(registry: &str, environment: &BTreeMap<String, String>) -> Option<String> {
    proxy::proxy_of(environment)?;
    proxy::extended(proxy::no_proxy_of(environment), registry)
}

/// Kind's version, as (0, 32); nothing without Kind.
fn version(site: &Site) -> Result<Option<(u32, u32)>, SetupError> {
    match site.hand().ask(&Program::new("kind", ["version"])) {
        Ok(answer) => Ok(Some(parsed(&String::from_utf8_lossy(&answer)))),
        Err(RunError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// (0, 32) of `kind v0.32.0 go1.25.1 linux/amd64`; of what is not understood the oldest.
fn parsed(line: &str) -> (u32, u32) {
    let word = line.split_whitespace().find_map(|word| word.strip_prefix('v')).unwrap_or_default();
    let mut numbers = word.split(['.', '-', '+']).map(|it| it.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests;
