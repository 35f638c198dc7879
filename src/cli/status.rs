//! `wharf status`: what stands, on one screen.

use crate::cli::setup_args::SetupArgs;
use crate::failure::Failure;
use crate::report::Report;

/// What to do.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    #[command(flatten)]
    setup: SetupArgs,
}

/// Does it.
pub fn run(args: StatusArgs, report: &Report) -> Result<(), Failure> {
    let _site = args.setup.site(args.setup.config(), false, report)?;
    Ok(())
}
