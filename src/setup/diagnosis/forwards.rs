//! Whether the virtual machine of the engine still forwards ports to this one: after sleep, or a large
//! load, it may forward none, while all is well inside.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::setup::engine::Container;
use crate::setup::{Finding, SetupError, Site, Step, node};

/// The forwards as a check.
#[derive(Debug)]
pub struct Forwards;

/// How long a connection to this machine may take.
const CONNECT_MAX: Duration = Duration::from_secs(2);

impl Step for Forwards {
    fn name(&self) -> &'static str {
        "port-forwards"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let registry = site.engine.container(&site.config.registry)?;
        let nodes = node::running(site)?.into_iter().map(|node| node.container);
        let running: Vec<_> =
            registry.into_iter().filter(|it| it.is_running).chain(nodes).collect();
        let ports: Vec<_> = running.iter().flat_map(published).collect();
        let dead = ports.iter().filter(|port| !is_open(**port)).count();
        Ok(judge(site.engine.info()?.is_remote, dead, ports.len()).into_iter().collect())
    }

    fn apply(&self, _: &Site) -> Result<(), SetupError> {
        Ok(()) // all containers would stop
    }
}

/// The ports of this machine's loopback that lead to a container.
fn published(container: &Container) -> Vec<SocketAddr> {
    let published = container.ports.values().flatten();
    let at = |address: Option<IpAddr>| address.unwrap_or(Ipv4Addr::LOCALHOST.into());
    published.map(|it| SocketAddr::new(at(it.address), it.port)).collect()
}

fn is_open(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, CONNECT_MAX).is_ok()
}

/// One dead port is its container's matter, all of several are the machine's.
fn judge(is_remote: bool, dead: usize, all: usize) -> Option<Finding> {
    match (is_remote, dead) {
        (_, 0) if all == 0 => None,
        (_, 0) => {
            let words = match all {
                1 => "leads to its container by the one port that is published".to_owned(),
                _ => format!("leads to containers by each of the {all} ports that are published"),
            };
            Some(Finding::ok("this machine", words))
        }
        (true, dead) if dead == all && all > 1 => Some(
            Finding::fault(
                "the engine's machine",
                format!("forwards none of {all} ports of running containers to this one"),
            )
            .left_to_you("`podman machine stop`, then `podman machine start` and `wharf up`"),
        ),
        _ => Some(Finding::note(
            "this machine",
            format!("{dead} of {all} ports that lead to containers take no connection"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::Level;

    #[test]
    fn a_machine_that_forwards_nothing_is_started_anew() {
        let level = |is_remote, dead, all| judge(is_remote, dead, all).map(|it| it.level);
        assert_eq!(level(true, 0, 0), None);
        assert_eq!(level(true, 0, 3), Some(Level::Ok));
        assert_eq!(level(true, 3, 3), Some(Level::Fault));
        // Its own container's matter, or no machine at all.
        assert_eq!(level(true, 1, 1), Some(Level::Note));
        assert_eq!(level(true, 1, 3), Some(Level::Note));
        assert_eq!(level(false, 3, 3), Some(Level::Note));
        let fix = judge(true, 3, 3).and_then(|it| it.fix).unwrap();
        assert!(fix.contains("`podman machine stop`"), "{fix}");
    }
}
