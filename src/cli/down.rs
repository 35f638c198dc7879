//! `wharf down`: takes away what `wharf up` made, and nothing else.

use crate::cli::setup_args::SetupArgs;
use crate::failure::Failure;
use crate::report::Report;
use crate::setup::config::Removal;
use crate::setup::{Config, steps};

const EXAMPLES: &str = "\
Examples:
  wharf down                          the registry and its wiring; its volume and the clusters stay
  wharf down --delete-cluster         the clusters that `wharf up` made, too
  wharf down --data                   the registry's volume, too, with all images in it
  wharf down --delete-cluster --data --image    everything, as if wharf had never been";

/// What to take down.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DownArgs {
    #[command(flatten)]
    setup: SetupArgs,

    /// Delete the registry's volume, too: all images in it are lost
    #[arg(long)]
    data: bool,

    /// Delete the clusters that `wharf up` made, too
    #[arg(long)]
    delete_cluster: bool,

    /// Remove wharf's own image from the engine, too
    #[arg(long)]
    image: bool,

    /// Print every command that would change something, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Takes down, last step first.
pub fn run(args: DownArgs, report: &Report) -> Result<(), Failure> {
    let removal = Removal { data: args.data, clusters: args.delete_cluster, image: args.image };
    let config = Config { removal, ..args.setup.config() };
    let site = args.setup.site(config, args.dry_run, report)?;
    for step in steps().iter().rev() {
        step.undo(&site)?;
    }
    Ok(())
}
