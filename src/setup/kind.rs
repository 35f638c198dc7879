//! The Kind cluster, made by the `kind` command where it is missing.

use super::{Finding, SetupError, Site, Step};

/// TheCluster as a step.
#[derive(Debug)]
pub struct TheCluster;

impl Step for TheCluster {
    fn name(&self) -> &'static str {
        "cluster"
    }

    fn check(&self, _site: &Site) -> Result<Vec<Finding>, SetupError> {
        Ok(Vec::new())
    }

    fn apply(&self, _site: &Site) -> Result<(), SetupError> {
        Ok(())
    }
}
