//! The registry's container.

use super::{Finding, SetupError, Site, Step};

/// TheRegistry as a step.
#[derive(Debug)]
pub struct TheRegistry;

impl Step for TheRegistry {
    fn name(&self) -> &'static str {
        "registry"
    }

    fn check(&self, _site: &Site) -> Result<Vec<Finding>, SetupError> {
        Ok(Vec::new())
    }

    fn apply(&self, _site: &Site) -> Result<(), SetupError> {
        Ok(())
    }
}
