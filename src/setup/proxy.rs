//! `NO_PROXY` of containerd on every node: the registry is never asked through a proxy, which could
//! not find it.
//!
//! A node gets its proxy from the environment in which `kind create cluster` ran, and containerd keeps
//! the one it was started with.

use std::collections::BTreeMap;

use super::hosts;
use super::node::{self, Inside, Node, containerd, keeping};
use super::{Finding, SetupError, Site, Step};

/// The step.
#[derive(Debug)]
pub struct NoProxy;

/// Our drop-in for containerd's service.
const DROP_IN: &str = "/etc/systemd/system/containerd.service.d/wharf-no-proxy.conf";

impl Step for NoProxy {
    fn name(&self) -> &'static str {
        "no-proxy"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let looked = node::look_into_each(site, |node| missing(site, node))?;
        let faults = looked.seen.iter().filter_map(|(node, missing)| {
            let Missing { proxy, host, .. } = missing.as_ref()?;
            Some(
                Finding::fault(
                    node.name(),
                    format!("containerd has {proxy} set, and NO_PROXY does not name {host}"),
                )
                .mended_by(format!("add {host} to NO_PROXY of its service and start it anew")),
            )
        });
        let faults: Vec<_> = faults.chain(looked.faults).collect();
        Ok(match looked.seen.len() {
            _ if !faults.is_empty() => faults,
            0 => Vec::new(),
            count => vec![Finding::ok(
                "NO_PROXY",
                format!("no proxy is between the registry and {}", node::count(count)),
            )],
        })
    }

    fn apply(&self, site: &Site) -> Result<(), SetupError> {
        node::change_each(site, &node::running(site)?, |node| {
            let Some(missing) = missing(site, node)? else { return Ok(()) };
            keeping::write(site, node, DROP_IN, None, &drop_in(&missing.no_proxy))?;
            containerd::reload(site, node)
        })
        .map(drop)
    }

    fn undo(&self, site: &Site) -> Result<(), SetupError> {
        keeping::put_back(site, DROP_IN, |node| containerd::reload(site, node))
    }
}

/// What containerd's environment lacks.
#[derive(Debug)]
struct Missing {
    /// The variable that names a proxy.
    proxy: &'static str,
    /// The registry's host.
    host: String,
    /// What `NO_PROXY` has to be.
    no_proxy: String,
}

fn missing(site: &Site, node: &Node) -> Result<Option<Missing>, SetupError> {
    let target = hosts::target(site, node);
    let authority = target.split_once("://").map_or(target.as_str(), |(_, rest)| rest);
    let environment = Inside::read(site, node)?.environment;
    let Some(proxy) = proxy_of(&environment) else { return Ok(None) };
    Ok(extended(no_proxy_of(&environment), authority).map(|no_proxy| {
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_owned();
        Missing { proxy, host, no_proxy }
    }))
}

/// The variable that names a proxy, if one does.
pub fn proxy_of(environment: &BTreeMap<String, String>) -> Option<&'static str> {
    let is_set = |name: &&str| environment.get(*name).is_some_and(|value| !value.is_empty());
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"].into_iter().find(is_set)
}

/// What needs no proxy, as Go's programs read it: the first of the two names that says something.
pub fn no_proxy_of(environment: &BTreeMap<String, String>) -> &str {
    let value = |name| environment.get(name).map(String::as_str).filter(|it| !it.is_empty());
    value("NO_PROXY").or_else(|| value("no_proxy")).unwrap_or_default()
}

/// `NO_PROXY` with a registry (`host:port`) added; nothing if it is in it already.
pub fn extended(no_proxy: &str, authority: &str) -> Option<String> {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let mut entries = no_proxy.split(',').map(str::trim).filter(|it| !it.is_empty());
    let covers = |entry: &str| {
        let entry = entry.trim_start_matches('*');
        let is_below = |domain: &str| host.strip_suffix(domain).is_some_and(|it| it.ends_with('.'));
        entry.is_empty()
            || entry.eq_ignore_ascii_case(host)
            || entry.eq_ignore_ascii_case(authority)
            || is_below(entry.trim_start_matches('.'))
    };
    if entries.clone().any(covers) {
        return None;
    }
    let all: Vec<_> = entries.by_ref().chain([host]).collect();
    Some(all.join(","))
}

/// The drop-in, by the quoting of systemd.exec(5).
fn drop_in(no_proxy: &str) -> String {
    let value = no_proxy.replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%");
    format!(
        "# Written by wharf: the registry is asked directly.\n[Service]\n\
         Environment=\"NO_PROXY={value}\" \"no_proxy={value}\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTRY: &str = "kind-registry:5000";

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn a_list_that_covers_the_registry_stays() {
        for list in
            ["kind-registry", "a, kind-registry:5000", "*", "10.0.0.0/8,Kind-Registry", ".a,*"]
        {
            assert_eq!(extended(list, REGISTRY), None, "{list}");
        }
        assert_eq!(extended(".example.com", "registry.example.com:5000"), None);
        assert_eq!(extended("example.com", "registry.example.com:5000"), None);
    }

    #[test]
    fn a_list_that_does_not_is_kept_and_made_longer() {
        for (list, longer) in [
            ("", "kind-registry"),
            (" , ", "kind-registry"),
            ("10.0.0.0/8, .svc", "10.0.0.0/8,.svc,kind-registry"),
            ("kind-registry:80", "kind-registry:80,kind-registry"),
            ("registry", "registry,kind-registry"),
        ] {
            assert_eq!(extended(list, REGISTRY).as_deref(), Some(longer), "{list}");
        }
    }

    #[test]
    fn the_variables_are_read_as_go_reads_them() {
        assert_eq!(proxy_of(&environment(&[("HTTP_PROXY", ""), ("NO_PROXY", "a")])), None);
        assert_eq!(proxy_of(&environment(&[("https_proxy", "http://p")])), Some("https_proxy"));
        assert_eq!(no_proxy_of(&environment(&[("NO_PROXY", ""), ("no_proxy", "b")])), "b");
        assert_eq!(no_proxy_of(&environment(&[("NO_PROXY", "a"), ("no_proxy", "b")])), "a");
    }

    #[test]
    fn the_drop_in_says_what_systemd_reads() {
        let text = drop_in("a%b,kind-registry");
        assert!(text.ends_with(
            "[Service]\nEnvironment=\"NO_PROXY=a%%b,kind-registry\" \"no_proxy=a%%b,kind-registry\"\n"
        ));
    }
}
