//! containerd's `config_path` on every node, without which hosts.toml is never read.

use super::{Finding, SetupError, Site, Step};

/// ConfigPath as a step.
#[derive(Debug)]
pub struct ConfigPath;

impl Step for ConfigPath {
    fn name(&self) -> &'static str {
        "config-path"
    }

    fn check(&self, _site: &Site) -> Result<Vec<Finding>, SetupError> {
        Ok(Vec::new())
    }

    fn apply(&self, _site: &Site) -> Result<(), SetupError> {
        Ok(())
    }
}
