//! hosts.toml on every node, for both names of the registry.

use super::{Finding, SetupError, Site, Step};

/// Hosts as a step.
#[derive(Debug)]
pub struct Hosts;

impl Step for Hosts {
    fn name(&self) -> &'static str {
        "hosts-toml"
    }

    fn check(&self, _site: &Site) -> Result<Vec<Finding>, SetupError> {
        Ok(Vec::new())
    }

    fn apply(&self, _site: &Site) -> Result<(), SetupError> {
        Ok(())
    }
}
