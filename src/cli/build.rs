//! `wharf build`: builds the project's images.

use crate::failure::Failure;
use crate::report::Report;

/// What to do.
#[derive(Debug, clap::Args)]
pub struct BuildArgs {}

/// Does it.
pub fn run(_args: BuildArgs, _report: &Report) -> Result<(), Failure> {
    Ok(())
}
