//! `wharf down`: takes away what `wharf up` made, and nothing else.

use crate::cli::setup_args::SetupArgs;
use crate::failure::Failure;
use crate::report::Report;

/// What to do.
#[derive(Debug, clap::Args)]
pub struct DownArgs {
    #[command(flatten)]
    setup: SetupArgs,
}

/// Does it.
pub fn run(args: DownArgs, report: &Report) -> Result<(), Failure> {
    let _site = args.setup.site(args.setup.config(), false, report)?;
    Ok(())
}
