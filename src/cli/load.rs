//! `wharf load`: images straight into the nodes, past any registry.

use crate::cli::setup_args::SetupArgs;
use crate::failure::Failure;
use crate::report::Report;

/// What to do.
#[derive(Debug, clap::Args)]
pub struct LoadArgs {
    #[command(flatten)]
    setup: SetupArgs,
}

/// Does it.
pub fn run(args: LoadArgs, report: &Report) -> Result<(), Failure> {
    let _site = args.setup.site(args.setup.config(), false, report)?;
    Ok(())
}
