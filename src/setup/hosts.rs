//! hosts.toml on every running node, for both names of the registry. It is read by containerd at every
//! pull: nothing is started anew.
//!
//! A file that leads elsewhere in a folder of ours is kept beside the new one, and put back by `undo`.

pub mod file;
#[cfg(test)]
mod tests;

use super::in_cluster;
use super::node::inside::CERTS_D;
use super::node::{self, Inside, Node};
use super::receipt::Made;
use super::{Finding, SetupError, Site, Step};
use file::Verdict;

/// The step.
#[derive(Debug)]
pub struct Hosts;

impl Step for Hosts {
    fn name(&self) -> &'static str {
        "hosts-toml"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let looked = node::look_into_each(site, |node| faults(site, node))?;
        let all = looked.seen.len();
        let found = looked.seen.into_iter().flat_map(|(_, faults)| faults);
        let faults: Vec<_> = found.chain(looked.faults).collect();
        Ok(match all {
            _ if !faults.is_empty() => faults,
            0 => Vec::new(),
            count => vec![Finding::ok(
                "hosts.toml",
                format!("leads to the registry on {}", node::count(count)),
            )],
        })
    }

    fn apply(&self, site: &Site) -> Result<(), SetupError> {
        node::change_each(site, &node::running(site)?, |node| wire(site, node))
    }

    fn undo(&self, site: &Site) -> Result<(), SetupError> {
        let mut undone = Ok(());
        for made in site.receipt.made() {
            let Made::Hosts { node, host } = &made else { continue };
            // A node that cannot be changed keeps its own file, and no other.
            let of_this = take_back(site, &made, node, host);
            undone = undone.and(of_this.map_err(|error| node::unchanged(site, node, error)));
        }
        undone
    }
}

/// Takes away what was written of a name on a node, unless that stands still.
fn take_back(site: &Site, made: &Made, node: &str, host: &str) -> Result<(), SetupError> {
    match node::find(site, node)? {
        Some(found) if !found.container.is_running => {
            site.hand()
                .say(format_args!("{node} stands still: hosts.toml for {host} stays in it."));
            return Ok(());
        }
        Some(found) => unwire(site, &found, host)?,
        None => {}
    }
    site.strike(made)
}

/// The names under which nodes know the registry: the pods' own, and the host's, which tools put in
/// pods that know no other.
pub fn names(site: &Site) -> Vec<String> {
    let mut names = vec![site.config.pod_name(), site.config.host_name()];
    names.extend(in_cluster::cluster(site).map(|_| format!("localhost:{}", in_cluster::NODE_PORT)));
    names
}

/// Where a node finds the registry, as a URL.
pub fn target(site: &Site, node: &Node) -> String {
    in_cluster::target(site, node).unwrap_or_else(|| format!("http://{}", site.config.pod_name()))
}

/// What pulls of a name meet on a node.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Right,
    Missing,
    Broken(String),
    Elsewhere(String),
}

/// Judges the file for a name.
fn state(inside: &Inside, host: &str, server: &str) -> State {
    let Some(text) = inside.hosts.get(host) else { return State::Missing };
    match file::judge(text, server, inside.is_containerd((2, 2))) {
        Verdict::Right => State::Right,
        Verdict::Broken(words) => State::Broken(words),
        Verdict::Elsewhere(place) => State::Elsewhere(place),
    }
}

/// The folder that containerd looks into before the one of `host`: `localhost_5000_`.
fn shadow(host: &str) -> Option<String> {
    host.rsplit_once(':').map(|(name, port)| format!("{name}_{port}_"))
}

/// Such a folder, if it is there and does not lead to the registry itself.
fn shadowed(inside: &Inside, host: &str, server: &str) -> Option<String> {
    let shadow = shadow(host).filter(|folder| inside.folders.contains(folder))?;
    (state(inside, &shadow, server) != State::Right).then_some(shadow)
}

fn faults(site: &Site, node: &Node) -> Result<Vec<Finding>, SetupError> {
    let (inside, server) = (Inside::read(site, node)?, target(site, node));
    let mut found = Vec::new();
    let mut fault = |words: String, fix: &str| {
        found.push(Finding::fault(node.name(), words).mended_by(fix));
    };
    for host in names(site) {
        match state(&inside, &host, &server) {
            State::Right => {}
            State::Missing => fault(format!("hosts.toml for {host} is missing"), "write it"),
            State::Broken(words) => {
                fault(format!("hosts.toml for {host} {words}"), "write it anew")
            }
            State::Elsewhere(place) => fault(
                format!("hosts.toml for {host} leads to {place}"),
                "write it anew, and keep the old one beside it as hosts.toml.before-wharf",
            ),
        }
        if let Some(shadow) = shadowed(&inside, &host, &server) {
            fault(
                format!("the folder {CERTS_D}/{shadow} hides the one for {host}"),
                "rename that folder",
            );
        }
    }
    Ok(found)
}

/// Has a node find the registry by both names.
fn wire(site: &Site, node: &Node) -> Result<(), SetupError> {
    let (inside, server) = (Inside::read(site, node)?, target(site, node));
    for host in names(site) {
        if let Some(shadow) = shadowed(&inside, &host, &server) {
            note(site, node, &host)?;
            site.engine.exec(node.name(), &script(ASIDE, &[&shadow]), &[])?;
            site.hand().say(format_args!(
                "On {}, {CERTS_D}/{shadow} is {shadow}.before-wharf now: it hid hosts.toml for {host}.",
                node.name()
            ));
        }
        let keep = match state(&inside, &host, &server) {
            State::Right => continue,
            State::Elsewhere(place) => {
                site.hand().say(format_args!(
                    "On {}, {host} led to {place}: that is kept in hosts.toml.before-wharf.",
                    node.name()
                ));
                true
            }
            State::Missing | State::Broken(_) => false,
        };
        write(site, node, &host, &file::text(&server), keep)?;
    }
    Ok(())
}

/// Writes the hosts.toml of a name in one step. One that is there is kept beside it if it is to be.
///
/// # Errors
/// The receipt or the file cannot be written.
pub fn write(
    site: &Site,
    node: &Node,
    host: &str,
    text: &str,
    keep: bool,
) -> Result<(), SetupError> {
    note(site, node, host)?;
    let mut words = script(WRITE, &[host]);
    if keep {
        words.push("keep");
    }
    Ok(site.engine.exec(node.name(), &words, text.as_bytes())?)
}

fn note(site: &Site, node: &Node, host: &str) -> Result<(), SetupError> {
    site.note(Made::Hosts { node: node.name().to_owned(), host: host.to_owned() })
}

/// Takes away the file of a name, and puts back what was there. One that leads elsewhere by now is
/// not ours any more.
fn unwire(site: &Site, node: &Node, host: &str) -> Result<(), SetupError> {
    let inside = Inside::read(site, node)?;
    // Under the names of other registries are the mirrors that we turned into files.
    let is_ours = host.starts_with("localhost:") || host == site.config.pod_name();
    if is_ours && matches!(state(&inside, host, &target(site, node)), State::Elsewhere(_)) {
        return Ok(());
    }
    let shadow = shadow(host).unwrap_or_default();
    Ok(site.engine.exec(node.name(), &script(REMOVE, &[host, &shadow]), &[])?)
}

/// A shell's script with its arguments.
fn script<'a>(script: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    [&["sh", "-ec", script, "sh"], arguments].concat()
}

/// What is moved aside is never lost: where something was before, that gets a number. A folder that is a
/// link is somebody's who shares it: what it leads to is not written into.
const WRITE: &str = r#"cd /etc/containerd
mkdir -p certs.d
cd certs.d
[ ! -L "$1" ] || mv -T --backup=numbered "$1" "$1.before-wharf"
mkdir -p "$1"
cd "$1"
cat >.hosts.toml.new
[ -z "$2" ] || [ ! -e hosts.toml ] || mv -T --backup=numbered hosts.toml hosts.toml.before-wharf
mv -T .hosts.toml.new hosts.toml"#;

const ASIDE: &str = r#"cd /etc/containerd/certs.d
mv -T --backup=numbered "$1" "$1.before-wharf""#;

const REMOVE: &str = r#"cd /etc/containerd/certs.d || exit 0
if [ -d "$1" ] && [ ! -L "$1" ]; then
    rm -f "$1/hosts.toml" "$1/.hosts.toml.new"
    [ ! -e "$1/hosts.toml.before-wharf" ] || mv -T "$1/hosts.toml.before-wharf" "$1/hosts.toml"
    rmdir --ignore-fail-on-non-empty "$1"
fi
for name in "$1" "$2"; do
    if [ -n "$name" ] && [ ! -e "$name" ] && [ ! -L "$name" ] && ls -d "$name.before-wharf" >/dev/null 2>&1; then
        mv -T "$name.before-wharf" "$name"
    fi
done"#;
