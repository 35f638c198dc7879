//! `wharf doctor`: every check, what it found, and what mends it.

use crate::cli::setup_args::SetupArgs;
use crate::failure::Failure;
use crate::report::Report;

/// What to do.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    setup: SetupArgs,
}

/// Does it.
pub fn run(args: DoctorArgs, report: &Report) -> Result<(), Failure> {
    let _site = args.setup.site(args.setup.config(), false, report)?;
    Ok(())
}
