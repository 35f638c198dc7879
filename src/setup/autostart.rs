//! What brings the registry back after a reboot, where it is asked for.

use super::{Finding, SetupError, Site, Step};

/// Autostart as a step.
#[derive(Debug)]
pub struct Autostart;

impl Step for Autostart {
    fn name(&self) -> &'static str {
        "autostart"
    }

    fn check(&self, _site: &Site) -> Result<Vec<Finding>, SetupError> {
        Ok(Vec::new())
    }

    fn apply(&self, _site: &Site) -> Result<(), SetupError> {
        Ok(())
    }
}
