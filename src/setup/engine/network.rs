//! A network of the engine's.

use serde::Deserialize;
use std::collections::BTreeMap;

/// What `network inspect` says, from Podman and from Docker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Network {
    /// Its name.
    #[serde(alias = "Name")]
    pub name: String,
    /// `bridge`, mostly.
    #[serde(default, alias = "Driver")]
    pub driver: String,
    /// Whether containers on it find each other by name. Docker always does on a network of its own.
    #[serde(default = "yes")]
    pub dns_enabled: bool,
    /// Whether it leads nowhere else.
    #[serde(default, alias = "Internal")]
    pub internal: bool,
    /// Whether it has IPv6.
    #[serde(default, alias = "EnableIPv6")]
    pub ipv6_enabled: bool,
    /// Its labels.
    #[serde(default, alias = "Labels")]
    pub labels: Option<BTreeMap<String, String>>,
}

fn yes() -> bool {
    true
}
