//! The ConfigMap `local-registry-hosting` of every cluster (KEP-1755), from which Tilt, Skaffold and others learn of the registry.

use super::{Finding, SetupError, Site, Step};

/// Hosting as a step.
#[derive(Debug)]
pub struct Hosting;

impl Step for Hosting {
    fn name(&self) -> &'static str {
        "hosting"
    }

    fn check(&self, _site: &Site) -> Result<Vec<Finding>, SetupError> {
        Ok(Vec::new())
    }

    fn apply(&self, _site: &Site) -> Result<(), SetupError> {
        Ok(())
    }
}
