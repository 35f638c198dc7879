//! `wharf bench requests`: small requests, again and again.

use std::num::NonZeroUsize;
use std::time::Duration;

use wharf_load::{Operation, Size};

use super::shared::{SharedArgs, blob_size, blobs, clients, seconds};
use crate::bench::Trial;
use crate::bench::requests::SmallRequests;
use crate::failure::Failure;
use crate::report::Report;

const OPERATIONS: [Operation; 4] =
    [Operation::GetManifest, Operation::HeadManifest, Operation::GetBlob, Operation::HeadBlob];

/// Which requests, and how many.
#[derive(Debug, clap::Args)]
pub struct RequestsArgs {
    /// Connections at once, each with one request under way; several, separated by commas
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "16", value_parser = clients)]
    connections: Vec<NonZeroUsize>,

    /// How long requests are sent, in seconds
    #[arg(long, value_name = "S", default_value = "3", value_parser = seconds)]
    seconds: Duration,

    /// Requests at most, in each measurement
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    requests_max: usize,

    /// The size of the small blob; several, separated by commas
    #[arg(long, value_name = "SIZE", value_delimiter = ',', default_value = "1KiB", value_parser = blob_size)]
    blob_size: Vec<Size>,

    #[command(flatten)]
    shared: SharedArgs,
}

/// Measures the four small requests.
pub fn run(args: RequestsArgs, report: &Report) -> Result<(), Failure> {
    let limits = args.shared.limits();
    let (_folder, made) = blobs(&args.blob_size)?;
    let mut trials: Vec<Box<dyn Trial>> = Vec::new();
    for blobs in &made {
        for connections in &args.connections {
            trials.extend(OPERATIONS.map(|operation| {
                Box::new(SmallRequests {
                    operation,
                    blobs: blobs.clone(),
                    connections: connections.get(),
                    time: args.seconds.min(limits.time_max),
                    count_max: args.requests_max,
                    limits,
                }) as Box<dyn Trial>
            }));
        }
    }
    args.shared.run(trials, report)
}
