//! Wharf's own image in the engine: the one of this very program.

use super::{Finding, SetupError, Site, Step};

/// OwnImage as a step.
#[derive(Debug)]
pub struct OwnImage;

impl Step for OwnImage {
    fn name(&self) -> &'static str {
        "image"
    }

    fn check(&self, _site: &Site) -> Result<Vec<Finding>, SetupError> {
        Ok(Vec::new())
    }

    fn apply(&self, _site: &Site) -> Result<(), SetupError> {
        Ok(())
    }
}
