//! Whether every node finds the registry by its name and gets an answer, asked from inside the node; and
//! if not, which part of the way is broken.

use std::time::{Duration, Instant};

use crate::setup::engine::{Container, Kind};
use crate::setup::node::{self, Node};
use crate::setup::registry::Standing;
use crate::setup::{Finding, SetupError, Site, Step};
use crate::setup::{hosts, in_cluster};

/// The way from the nodes as a check.
#[derive(Debug)]
pub struct Reach;

/// How long a way that was made anew may take: the engine's name server lags behind it.
const WAY_MAX: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(200);
/// What curl says where the name server says nothing at all.
const SILENCE: &str = "Resolving timed out";
/// How often a node is asked again while that is so: five seconds each.
const SILENCES_MAX: usize = 3;

impl Step for Reach {
    fn name(&self) -> &'static str {
        "node-reach"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let mut looked = node::look_into_each(site, |node| way(site, node))?;
        let all = looked.seen.len();
        looked.seen.retain(|(_, way)| !matches!(way, Way::Clear));
        let cause = match looked.seen.is_empty() {
            true => Cause::Unknown,
            false => Cause::find(site)?,
        };
        if cause == Cause::Unknown {
            outwait(site, &mut looked.seen)?;
        }
        if looked.seen.is_empty() {
            let words = format!("answers {}", node::count(all));
            let clear = (all > 0).then(|| Finding::ok(site.config.pod_name(), words));
            return Ok(clear.into_iter().chain(looked.faults).collect());
        }
        let broken = looked.seen.iter().map(|(node, way)| finding(site, node, way, &cause));
        Ok(broken.chain(looked.faults).collect())
    }

    /// What is wrong with the container itself, its step has mended by now.
    fn apply(&self, site: &Site) -> Result<(), SetupError> {
        let registry = &site.config.registry;
        let is_on = matches!(Cause::find(site)?, Cause::Unknown);
        let nodes = node::running(site)?;
        if !is_on || is_clear(site, &nodes)? {
            return Ok(());
        }
        if site.engine.kind() == Kind::Podman {
            site.engine.act(["network", "reload", registry])?;
            if clears(site, &nodes)? {
                return Ok(());
            }
        }
        site.engine.act(["restart", registry])?;
        clears(site, &nodes).map(drop)
    }
}

/// What a node meets on its way to the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    /// The registry answers.
    Clear,
    /// Its name is not known there.
    NoName(String),
    /// Its name is known, and leads to nothing that answers.
    NoAnswer(String),
    /// Something else answers.
    Other(String),
    /// The node has no program to ask with.
    Unknown,
}

/// What is wrong at the registry's end.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cause {
    Missing,
    /// Somebody's container has its name, and is not ours to start anew.
    Foreign,
    Stopped,
    OffNetwork,
    NoNames,
    /// It is in a cluster, whose objects are the matter of their own step.
    Inside,
    /// All looks right: the engine's name server or its rules are not as they should be.
    Unknown,
}

impl Cause {
    fn find(site: &Site) -> Result<Self, SetupError> {
        if in_cluster::cluster(site).is_some() {
            return Ok(Self::Inside);
        }
        let Some(standing) = Standing::read(site)? else { return Ok(Self::Missing) };
        if !standing.is_ours {
            return Ok(Self::Foreign);
        }
        let network = site.engine.network(&site.config.network)?;
        let has_names = network.is_none_or(|network| network.dns_enabled);
        Ok(Self::of(&standing.container, &site.config.network, has_names))
    }

    fn of(container: &Container, network: &str, has_names: bool) -> Self {
        match container {
            it if !it.is_running => Self::Stopped,
            it if !it.networks.contains_key(network) => Self::OffNetwork,
            _ if !has_names => Self::NoNames,
            _ => Self::Unknown,
        }
    }
}

/// Asks from inside a node; twice before the way counts as broken, as the engine's name server is away
/// for a moment whenever a container comes or goes.
fn way(site: &Site, node: &Node) -> Result<Way, SetupError> {
    match ask(site, node)? {
        Way::NoName(_) | Way::NoAnswer(_) => ask(site, node),
        way => Ok(way),
    }
}

/// Asks again where the name server says nothing at all, though nothing is wrong at the registry's end: it
/// may be starting anew. Keeps those that do not reach the registry in the end.
fn outwait(site: &Site, seen: &mut Vec<(Node, Way)>) -> Result<(), SetupError> {
    for (node, way) in seen.iter_mut() {
        for _ in 0..SILENCES_MAX {
            if !matches!(way, Way::NoName(words) if words.contains(SILENCE)) {
                break;
            }
            *way = ask(site, node)?;
        }
    }
    seen.retain(|(_, way)| !matches!(way, Way::Clear));
    Ok(())
}

/// Asks past any proxy: that is another check's matter.
fn ask(site: &Site, node: &Node) -> Result<Way, SetupError> {
    let url = format!("{}/v2/", hosts::target(site, node));
    let script = format!(
        "command -v curl >/dev/null || {{ echo none; exit 0; }}; \
         curl -sS --noproxy '*' --max-time 5 -o /dev/null -D - {url} 2>&1 || true"
    );
    let program = site.engine.program(["exec", node.name(), "sh", "-c", &script]);
    let answer = site.hand().ask_anew(&program)?;
    Ok(judge(&String::from_utf8_lossy(&answer)))
}

fn judge(answer: &str) -> Way {
    let answer = answer.trim();
    let last = answer.lines().last().unwrap_or_default().to_owned();
    let head = answer.to_lowercase();
    if head.contains("docker-distribution-api-version:") {
        Way::Clear
    } else if answer == "none" {
        Way::Unknown
    } else if answer.contains("curl: (6)") || answer.contains(SILENCE) {
        Way::NoName(last)
    } else if head.starts_with("http/") {
        Way::Other(answer.lines().next().unwrap_or_default().to_owned())
    } else {
        Way::NoAnswer(last)
    }
}

fn finding(site: &Site, node: &Node, way: &Way, cause: &Cause) -> Finding {
    let target = hosts::target(site, node);
    let name = target.trim_start_matches("http://");
    let host = name.rsplit_once(':').map_or(name, |(host, _)| host);
    let said = match way {
        Way::Unknown => {
            let words = "has no curl, so it cannot be seen whether it reaches the registry";
            return Finding::note(node.name(), words);
        }
        Way::Clear => return Finding::ok(node.name(), format!("reaches {name}")),
        Way::NoName(words) => format!("does not know the name {host}: {words}"),
        Way::NoAnswer(words) => format!("gets no answer from {name}: {words}"),
        Way::Other(words) => format!("is answered by something else at {name}: {words}"),
    };
    let (registry, network) = (&site.config.registry, &site.config.network);
    let told = |why: &str| Finding::fault(node.name(), format!("{said}{why}"));
    match cause {
        Cause::Missing => told(&format!(" ({registry} is missing)")).mended_by("run it"),
        Cause::Foreign => told(&format!(" (the container {registry} is not wharf's)"))
            .left_to_you("decide about that container, as the check `registry` says"),
        Cause::Stopped => told(&format!(" ({registry} does not run)")).mended_by("start it"),
        Cause::OffNetwork => {
            told(&format!(" ({registry} is not on the network {network})")).mended_by("connect it")
        }
        Cause::NoNames => told(&format!(" (the network {network} has no DNS)"))
            .left_to_you("make the network anew, as the check `network` says"),
        Cause::Inside => told(" (the registry is in the cluster)")
            .left_to_you("see what the check `in-cluster` says"),
        Cause::Unknown => told("").mended_by(
            "reload the registry's network, and start it anew if that does not help; if names still \
             fail, aardvark-dns is missing: install it",
        ),
    }
}

fn is_clear(site: &Site, nodes: &[Node]) -> Result<bool, SetupError> {
    Ok(node::on_each(nodes, |node| way(site, node))?.iter().all(|way| *way == Way::Clear))
}

/// Whether the way clears soon.
fn clears(site: &Site, nodes: &[Node]) -> Result<bool, SetupError> {
    let begun = Instant::now();
    loop {
        match is_clear(site, nodes)? {
            false if begun.elapsed() < WAY_MAX => std::thread::sleep(PAUSE),
            is_clear => return Ok(is_clear),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_curl_says_in_a_node_is_understood() {
        let clear = "HTTP/1.1 200 OK\r\nDocker-Distribution-API-Version: registry/2.0\r\n\r\n";
        assert_eq!(judge(clear), Way::Clear);
        for no_name in [
            "curl: (6) Could not resolve host: kind-registry",
            "curl: (28) Resolving timed out after 5000 milliseconds",
        ] {
            assert_eq!(judge(&format!("{no_name}\n")), Way::NoName(no_name.into()));
        }
        for no_answer in [
            "curl: (7) Failed to connect to kind-registry port 5000: Connection refused",
            "curl: (28) Connection timed out after 5001 milliseconds",
        ] {
            assert_eq!(judge(&format!("{no_answer}\n")), Way::NoAnswer(no_answer.into()));
        }
        let other = "HTTP/1.1 502 Bad Gateway\r\nserver: squid\r\n\r\n";
        assert_eq!(judge(other), Way::Other("HTTP/1.1 502 Bad Gateway".into()));
        assert_eq!(judge("none\n"), Way::Unknown);
    }

    #[test]
    fn the_registrys_end_is_looked_at_from_near_to_far() {
        let container = |is_running, network: &str| Container {
            is_running,
            networks: BTreeMap::from([(network.to_owned(), Vec::new())]),
            ..Container::default()
        };
        for (container, has_names, cause) in [
            (container(false, "kind"), true, Cause::Stopped),
            (container(true, "podman"), true, Cause::OffNetwork),
            (container(true, "kind"), false, Cause::NoNames),
            (container(true, "kind"), true, Cause::Unknown),
        ] {
            assert_eq!(Cause::of(&container, "kind", has_names), cause);
        }
    }
}
