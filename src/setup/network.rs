//! The network on which the registry and the nodes find each other by name.
//!
//! Made exactly as Kind would make it, since Kind takes the one that is there. One that is there, of
//! whoever, is used as it is: it is not touched while anything is on it.

use sha1::{Digest, Sha1};

use super::engine::{EngineError, Kind, Network};
use super::receipt::Made;
use super::{Finding, SetupError, Site, Step, node};
use crate::process::RunError;

/// How many subnets are tried where others are taken; Kind's number.
const ATTEMPTS: i32 = 5;

/// The network as a step.
#[derive(Debug)]
pub struct TheNetwork;

impl Step for TheNetwork {
    fn name(&self) -> &'static str {
        "network"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let name = &site.config.network;
        let about = format!("network {name}");
        let Some(network) = site.engine.network(name)? else {
            return Ok(vec![Finding::fault(about, "is missing").mended_by("make it")]);
        };
        let finding = match (Fault::of(&network), site.engine.on_network(name)?) {
            (None, _) => Finding::ok(about, "is there, and has names"),
            (Some(Fault::NoNames), on) if on.is_empty() && is_ours(site) => {
                Finding::fault(about, Fault::NoNames.words(&network)).mended_by("make it anew")
            }
            (Some(fault), on) => Finding::fault(about, fault.words(&network))
                .left_to_you(fault.remedy(site, name, &on)),
        };
        Ok(vec![finding])
    }

    fn apply(&self, site: &Site) -> Result<(), SetupError> {
        let name = &site.config.network;
        match site.engine.network(name)? {
            None => create(site, has_ipv6()),
            Some(network) => match Fault::of(&network) {
                Some(Fault::NoNames)
                    if is_ours(site) && site.engine.on_network(name)?.is_empty() =>
                {
                    site.engine.act(["network", "rm", name])?;
                    create(site, has_ipv6())
                }
                Some(fault) => Err(SetupError::InTheWay {
                    what: format!("the network {name} {}", fault.words(&network)),
                    hint: fault.remedy(site, name, &site.engine.on_network(name)?),
                }),
                None => Ok(()),
            },
        }
    }

    fn undo(&self, site: &Site) -> Result<(), SetupError> {
        let name = &site.config.network;
        let made = Made::Network { name: name.clone() };
        if !site.receipt.has(&made) {
            return Ok(());
        }
        if site.engine.network(name)?.is_some() {
            let on = left_on(site, name)?;
            if !on.is_empty() {
                site.hand().say(format_args!("the network {name} stays: {} on it", are(&on)));
                return Ok(());
            }
            site.engine.act(["network", "rm", name])?;
        }
        site.strike(&made)
    }
}

/// What is wrong with a network that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Containers on it do not find each other by name.
    NoNames,
    /// It is no bridge: nothing is published from it.
    NoBridge,
    /// It leads nowhere else: neither a published port nor the internet is reached.
    Internal,
}

impl Fault {
    fn of(network: &Network) -> Option<Self> {
        match network {
            _ if network.driver != "bridge" => Some(Self::NoBridge),
            _ if network.internal => Some(Self::Internal),
            _ if !network.dns_enabled => Some(Self::NoNames),
            _ => None,
        }
    }

    fn words(self, network: &Network) -> String {
        match self {
            Self::NoNames => "has DNS turned off: no node can find the registry by its name".into(),
            Self::NoBridge => {
                format!("is of the kind {:?}, and has to be a bridge", network.driver)
            }
            Self::Internal => "is internal: no port of it reaches this machine".into(),
        }
    }

    fn remedy(self, site: &Site, name: &str, on: &[String]) -> String {
        let remove =
            format!("`{} network rm {name}`, then `wharf up`", site.engine.kind().program());
        match on {
            [] => remove,
            on => format!("remove what is on it ({}), then {remove}", on.join(", ")),
        }
    }
}

/// Whether we made it: another's is not removed unasked, not even an empty one.
fn is_ours(site: &Site) -> bool {
    site.receipt.has(&Made::Network { name: site.config.network.clone() })
}

/// What keeps the network after `down`. Where nothing is really removed, what would have been is on it yet.
fn left_on(site: &Site, name: &str) -> Result<Vec<String>, SetupError> {
    let mut on = site.engine.on_network(name)?;
    if site.hand().is_dry() {
        let ours = |cluster: &str| site.receipt.has(&Made::Cluster { name: cluster.to_owned() });
        let nodes = if site.config.removal.clusters { node::all(site)? } else { Vec::new() };
        let goes = |name: &String| {
            *name == site.config.registry
                || nodes.iter().any(|node| node.name() == name && ours(&node.cluster))
        };
        on.retain(|name| !goes(name));
    }
    Ok(on)
}

fn are(names: &[String]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

/// Whether this machine has IPv6. An engine elsewhere has a machine of its own, whose kernel says so itself.
fn has_ipv6() -> bool {
    cfg!(not(target_os = "linux")) || std::path::Path::new("/proc/net/if_inet6").exists()
}

/// Makes the network as Kind does: with both protocols, in a subnet that its name determines; the next
/// one where that is taken; without IPv6 where there is none.
fn create(site: &Site, has_ipv6: bool) -> Result<(), SetupError> {
    let name = &site.config.network;
    site.note(Made::Network { name: name.clone() })?;
    let mut words: Vec<String> = ["network", "create", "-d=bridge"].map(str::to_owned).to_vec();
    if site.engine.kind() == Kind::Docker {
        words.extend(docker_options(site)?);
    }
    for attempt in 0..if has_ipv6 { ATTEMPTS } else { 0 } {
        let subnet = subnet(name, attempt);
        let with = ["--ipv6".into(), "--subnet".into(), subnet, name.clone()];
        match site.engine.act(words.iter().cloned().chain(with)) {
            Err(EngineError::Run(RunError::Failed { words, .. })) if is_overlap(&words) => {}
            Err(EngineError::Run(RunError::Failed { words, .. })) if is_no_ipv6(&words) => break,
            done => return Ok(done?),
        }
    }
    words.push(name.clone());
    Ok(site.engine.act(words)?)
}

/// Docker's options: Kind gives the network the frame size of Docker's own bridge.
fn docker_options(site: &Site) -> Result<Vec<String>, SetupError> {
    let format = "{{ index .Options \"com.docker.network.driver.mtu\" }}";
    let asked = site.engine.program(["network", "inspect", "bridge", "-f", format]);
    let answer = site.hand().ask(&asked).unwrap_or_default();
    let mtu = String::from_utf8_lossy(&answer).trim().parse().unwrap_or(0_u32);
    let mut options = vec!["com.docker.network.bridge.enable_ip_masquerade=true".to_owned()];
    if mtu > 0 {
        options.push(format!("com.docker.network.driver.mtu={mtu}"));
    }
    Ok(options.into_iter().flat_map(|option| ["-o".to_owned(), option]).collect())
}

/// The IPv6 subnet that Kind gives a network of that name at its N-th attempt.
fn subnet(name: &str, attempt: i32) -> String {
    let hash = Sha1::new().chain_update(name).chain_update(attempt.to_le_bytes()).finalize();
    let mut octets = [0; 16];
    octets[0] = 0xfc;
    octets[2..8].copy_from_slice(&hash[2..8]);
    format!("{}/64", std::net::Ipv6Addr::from(octets))
}

/// Whether an engine says that a subnet is taken. Docker's, Podman's and CNI's words.
fn is_overlap(words: &str) -> bool {
    [
        "is already used on the host",
        "is being used by a network interface",
        "is already being used by a cni configuration",
        "Pool overlaps with other one",
        "networks have overlapping",
    ]
    .iter()
    .any(|overlap| words.contains(overlap))
}

/// Whether an engine says that there is no IPv6.
fn is_no_ipv6(words: &str) -> bool {
    ["is ipv6 enabled in the kernel", "Cannot read IPv6 setup for bridge", "unknown flag: --ipv6"]
        .iter()
        .any(|missing| words.contains(missing))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::process::recorded::{Answer, Recorded};
    use crate::setup::site::tests::{site, site_of};

    const FIRST: &str = "network create -d=bridge --ipv6 --subnet fc00:f853:ccd:e793::/64 kind";

    fn made() -> Answer {
        Ok(b"kind\n".to_vec())
    }

    #[test]
    fn a_subnet_is_the_one_that_kind_takes() {
        // As `podman network inspect kind` gives it on machines where Kind made the network.
        assert_eq!(subnet("kind", 0), "fc00:f853:ccd:e793::/64");
        assert_ne!(subnet("kind", 1), subnet("kind", 0));
        assert_ne!(subnet("other", 0), subnet("kind", 0));
    }

    #[test]
    fn a_subnet_that_is_taken_is_not_the_last() {
        let overlap = "Error: subnet fc00:f853:ccd:e793::/64 is already used on the host or by another \
             config";
        let second = format!("network create -d=bridge --ipv6 --subnet {} kind", subnet("kind", 1));
        let (first, second) = (format!("podman {FIRST}"), format!("podman {second}"));
        let (site, recorded) = site([(&*first, Err(overlap.into())), (&*second, made())]);
        create(&site, true).unwrap();
        assert_eq!(recorded.lines(), [first.clone(), second.clone()]);
        assert!(site.receipt.has(&Made::Network { name: "kind".into() }));
    }

    #[test]
    fn where_there_is_no_ipv6_there_is_ipv4() {
        let plain = "podman network create -d=bridge kind";
        let (site, recorded) = site([(plain, made())]);
        create(&site, false).unwrap();
        assert_eq!(recorded.lines(), [plain]);

        let plain = "docker network create -d=bridge -o com.docker.network.bridge.enable_ip_masquerade=true \
             -o com.docker.network.driver.mtu=1450";
        let none =
            "Error response from daemon: Cannot read IPv6 setup for bridge br-1: no such file";
        let recorded = Arc::new(Recorded::transcript([
            ("docker network inspect bridge", Ok(b"1450\n".to_vec())),
            (&*format!("{plain} --ipv6"), Err(none.to_owned())),
            (plain, made()),
        ]));
        create(&site_of(Kind::Docker, &recorded), true).unwrap();
        let lines = recorded.lines();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[2], format!("{plain} kind"));
    }

    #[test]
    fn any_other_failure_ends_it() {
        let denied = "Error: permission denied";
        let (site, recorded) = site([("podman network create", Err(denied.into()))]);
        assert!(create(&site, true).unwrap_err().to_string().contains("permission denied"));
        assert_eq!(recorded.lines().len(), 1);
    }

    #[test]
    fn a_network_that_does_not_do_is_named_with_what_is_on_it() {
        for (network, on, words, mendable) in [
            (r#"{"name":"kind","driver":"bridge","dns_enabled":true}"#, "a\n", "", false),
            (r#"{"name":"kind","driver":"bridge","dns_enabled":false}"#, "", "DNS", true),
            (r#"{"name":"kind","driver":"bridge","dns_enabled":false}"#, "a\nb\n", "DNS", false),
            (r#"{"name":"kind","driver":"macvlan","dns_enabled":true}"#, "", "bridge", false),
            (r#"{"Name":"kind","Driver":"bridge","Internal":true}"#, "", "internal", false),
        ] {
            let (site, recorded) = site([
                ("podman network inspect kind", Ok(format!("[{network}]").into_bytes())),
                ("podman ps --all --filter network=kind", Ok(on.into())),
            ]);
            if mendable {
                // Somebody else's is left to its owner.
                assert!(!TheNetwork.check(&site).unwrap()[0].mendable, "{network}");
                site.note(Made::Network { name: "kind".into() }).unwrap();
            }
            let found = TheNetwork.check(&site).unwrap();
            assert_eq!(found[0].is_fault(), !words.is_empty(), "{network}");
            assert!(found[0].words.contains(words), "{:?}", found[0]);
            assert_eq!(found[0].mendable, mendable, "{:?}", found[0]);
            if found[0].is_fault() && !mendable {
                let error = TheNetwork.apply(&site).unwrap_err();
                assert!(error.hint().unwrap().contains(&on.trim().replace('\n', ", ")), "{error}");
            }
            assert!(!recorded.lines().iter().any(|line| line.contains("create")), "{network}");
        }
    }
}
