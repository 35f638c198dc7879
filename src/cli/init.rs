//! `wharf init`: writes wharf.toml from what it finds in the folder.

use crate::failure::Failure;
use crate::report::Report;

/// What to do.
#[derive(Debug, clap::Args)]
pub struct InitArgs {}

/// Does it.
pub fn run(_args: InitArgs, _report: &Report) -> Result<(), Failure> {
    Ok(())
}
