//! Other containers that want the registry's port of this machine. One that runs has it; one that does
//! not will fail to start, and on Podman before 4.4 its attempt takes away the registry's own forward.

use std::collections::BTreeSet;

use crate::setup::{Finding, SetupError, Site, Step, in_cluster, node};

/// The rivals as a check.
#[derive(Debug)]
pub struct Rivals;

impl Step for Rivals {
    fn name(&self) -> &'static str {
        "port-rivals"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        if in_cluster::is_out_of_reach(site)? {
            return Ok(Vec::new()); // it has no port of this machine, and needs none
        }
        let format = "{{.Names}}\t{{.State}}\t{{.Ports}}";
        let program = site.engine.program(["ps", "--all", "--format", format]);
        let answer = site.hand().ask(&program)?;
        let own = own(site)?;
        Ok(judge(site, &String::from_utf8_lossy(&answer), &own))
    }

    fn apply(&self, _: &Site) -> Result<(), SetupError> {
        Ok(()) // a container of somebody else's
    }
}

/// The containers that have the port for the registry: its own, the one that wharf puts in its place for a
/// moment, and the nodes of the cluster that it is in.
fn own(site: &Site) -> Result<BTreeSet<String>, SetupError> {
    let registry = &site.config.registry;
    let mut own = BTreeSet::from([registry.clone(), format!("{registry}-next")]);
    if let Some(cluster) = in_cluster::cluster(site) {
        let nodes = node::all(site)?.into_iter().filter(|node| node.cluster == cluster);
        own.extend(nodes.map(|node| node.name().to_owned()));
    }
    Ok(own)
}

fn judge(site: &Site, list: &str, own: &BTreeSet<String>) -> Vec<Finding> {
    let port = site.config.port;
    let rows = list.lines().filter_map(|line| {
        let mut columns = line.splitn(3, '\t');
        Some((columns.next()?, columns.next()?, columns.next()?))
    });
    let wants = |ports: &str| ports.split(", ").any(|it| publishes(it, port));
    let rivals: Vec<_> = rows
        .filter(|(name, _, ports)| !own.contains(*name) && wants(ports))
        .map(|(name, state, _)| told(site, name, state))
        .collect();
    match rivals.is_empty() {
        true => vec![Finding::ok(format!("port {port}"), "no other container wants it")],
        false => rivals,
    }
}

fn told(site: &Site, name: &str, state: &str) -> Finding {
    let (engine, port) = (site.engine.kind().program(), site.config.port);
    let fix = format!("`{engine} rm --force {name}`, or give it another port");
    // Docker's word, and Podman's for people.
    if state == "running" || state.starts_with("Up ") {
        let words = format!("has the port {port} of this machine, which the registry needs");
        return Finding::fault(name, words).left_to_you(fix);
    }
    let words = format!(
        "wants the port {port} of this machine, too: it cannot start, and where it tries, the \
         registry may be cut off"
    );
    Finding { fix: Some(fix), ..Finding::note(name, words) }
}

/// Whether a publication as engines list it has a port of the host: `127.0.0.1:5000->5000/tcp`,
/// `0.0.0.0:4000-5100->80-1180/tcp`.
fn publishes(published: &str, port: u16) -> bool {
    let Some((host, inside)) = published.split_once("->") else { return false };
    let ports = host.rsplit(':').next().unwrap_or(host);
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) => !inside.ends_with("/udp") && (first..=last).contains(&port),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::Level;
    use crate::setup::site::tests::site;

    #[test]
    fn a_publication_is_read_as_engines_write_it() {
        for (published, has) in [
            ("127.0.0.1:5000->5000/tcp", true),
            ("0.0.0.0:4000-5100->80-1180/tcp", true),
            ("[::]:5000->80/tcp", true),
            ("127.0.0.1:5001->5000/tcp", false),
            ("0.0.0.0:5000->5000/udp", false),
            ("5000/tcp", false),
            ("", false),
        ] {
            assert_eq!(publishes(published, 5000), has, "{published}");
        }
    }

    #[test]
    fn containers_on_the_same_port_are_named() {
        let list = "kind-registry\texited\t127.0.0.1:5000->5000/tcp\n\
            old\tcreated\t127.0.0.1:5000->80/tcp\n\
            new\tUp 2 minutes ago\t0.0.0.0:80->80/tcp, 0.0.0.0:5000->81/tcp\n\
            docker\trunning\t0.0.0.0:5000->81/tcp\n\
            other\trunning\t\n";
        let (site, _) = site([("podman ps --all", Ok(list.into()))]);
        let found = Rivals.check(&site).unwrap();
        let shown: Vec<_> = found.iter().map(|it| (it.about.as_str(), it.level)).collect();
        let levels = [("old", Level::Note), ("new", Level::Fault), ("docker", Level::Fault)];
        assert_eq!(shown, levels);
    }

    #[test]
    fn the_registry_is_no_rival_of_itself() {
        let list = "kind-registry\trunning\t127.0.0.1:5000->5000/tcp\n";
        let (site, _) = site([("podman ps --all", Ok(list.into()))]);
        assert_eq!(Rivals.check(&site).unwrap()[0].level, Level::Ok);
    }
}
