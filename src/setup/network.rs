//! The network that the registry shares with the nodes, made as Kind makes it.

use super::{Finding, SetupError, Site, Step};

/// TheNetwork as a step.
#[derive(Debug)]
pub struct TheNetwork;

impl Step for TheNetwork {
    fn name(&self) -> &'static str {
        "network"
    }

    fn check(&self, _site: &Site) -> Result<Vec<Finding>, SetupError> {
        Ok(Vec::new())
    }

    fn apply(&self, _site: &Site) -> Result<(), SetupError> {
        Ok(())
    }
}
