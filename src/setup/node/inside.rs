//! What is found inside a node, all of it in one look: starting a program in a container takes a tenth
//! of a second, and there are many questions.

use std::collections::BTreeMap;

use super::Node;
use crate::setup::Site;
use crate::setup::engine::EngineError;

/// A node from inside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inside {
    /// The text of each `/etc/containerd/certs.d/HOST/hosts.toml`, by the folder's name.
    pub hosts: BTreeMap<String, String>,
    /// Other files in those folders, as `HOST/ca.crt`.
    pub certificates: Vec<String>,
    /// What `containerd config dump` says; empty if it fails.
    pub config: String,
    /// The file `/etc/containerd/config.toml`.
    pub config_file: String,
    /// containerd's version, as `1.6.20`.
    pub containerd_version: String,
    /// The environment of the running containerd; empty if it does not run.
    pub environment: BTreeMap<String, String>,
    /// Whether containerd runs.
    pub is_containerd_running: bool,
}

impl Inside {
    /// Looks into a running node.
    ///
    /// # Errors
    /// Nothing can be started in it.
    pub fn read(_site: &Site, _node: &Node) -> Result<Self, EngineError> {
        Ok(Self::default())
    }
}
