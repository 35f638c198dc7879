//! `wharf up`: from nothing to a cluster whose pods pull from the registry.

use crate::cli::setup_args::SetupArgs;
use crate::failure::Failure;
use crate::report::Report;

/// What to do.
#[derive(Debug, clap::Args)]
pub struct UpArgs {
    #[command(flatten)]
    setup: SetupArgs,
}

/// Does it.
pub fn run(args: UpArgs, report: &Report) -> Result<(), Failure> {
    let _site = args.setup.site(args.setup.config(), false, report)?;
    Ok(())
}
