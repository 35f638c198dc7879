//! The secret that lets `wharf push`, and nobody else, have the registry take images in.

use super::{Finding, SetupError, Site, Step};

/// IngestSecret as a step.
#[derive(Debug)]
pub struct IngestSecret;

impl Step for IngestSecret {
    fn name(&self) -> &'static str {
        "ingest-secret"
    }

    fn check(&self, _site: &Site) -> Result<Vec<Finding>, SetupError> {
        Ok(Vec::new())
    }

    fn apply(&self, _site: &Site) -> Result<(), SetupError> {
        Ok(())
    }
}
