//! `wharf bench push`: blobs that the registry has never seen.

use std::num::NonZeroUsize;

use wharf_load::Size;

use super::shared::{SharedArgs, blob_size, blobs, clients};
use crate::bench::Trial;
use crate::bench::pushes::BlobPushes;
use crate::failure::Failure;
use crate::report::Report;

/// What is pushed, and by how many.
#[derive(Debug, clap::Args)]
pub struct PushArgs {
    /// The size of each blob; several, separated by commas
    #[arg(long, value_name = "SIZE", value_delimiter = ',', default_value = "256MiB", value_parser = blob_size)]
    blob_size: Vec<Size>,

    /// Clients at once; several, separated by commas
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1", value_parser = clients)]
    clients: Vec<NonZeroUsize>,

    /// Blobs in each measurement [default: one for each client]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    count: Option<u64>,

    /// All clients push one and the same blob
    #[arg(long, conflicts_with = "count")]
    same: bool,

    #[command(flatten)]
    shared: SharedArgs,
}

/// Measures pushes.
pub fn run(args: PushArgs, report: &Report) -> Result<(), Failure> {
    let limits = args.shared.limits();
    let (_folder, made) = blobs(&args.blob_size)?;
    let mut trials: Vec<Box<dyn Trial>> = Vec::new();
    for blobs in made {
        for clients in &args.clients {
            let (blobs, clients, same) = (blobs.clone(), clients.get(), args.same);
            let count = args.count.unwrap_or(clients as u64);
            trials.push(Box::new(BlobPushes { blobs, clients, count, same, limits }));
        }
    }
    args.shared.run(trials, report)
}
