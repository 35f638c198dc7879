//! `wharf bench requests`: small requests, again and again.

use std::time::Duration;

use wharf_load::{Operation, Source};

use super::{SharedArgs, seconds};
use crate::bench::requests::SmallRequests;
use crate::bench::{BenchError, Trial};
use crate::cli::finder::surroundings::Surroundings;
use crate::failure::Failure;
use crate::report::Report;

/// The small blob, in bytes.
const BLOB_BYTES: u64 = 1024;

/// Which requests, and how many.
#[derive(Debug, clap::Args)]
pub struct RequestsArgs {
    /// Connections at once, each with one request under way
    #[arg(long, value_name = "N", default_value_t = 16)]
    connections: usize,

    /// How long requests are sent, in seconds
    #[arg(long, value_name = "S", default_value = "3", value_parser = seconds)]
    seconds: Duration,

    /// Requests at most, in each measurement
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    requests_max: usize,

    #[command(flatten)]
    shared: SharedArgs,
}

/// Measures the four small requests.
pub fn run(args: RequestsArgs, report: &Report) -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(Surroundings::read().spool).map_err(BenchError::Spool)?;
    let own = |source| BenchError::Load { server: "this machine".to_owned(), source };
    let source = Source::create(&folder.path().join("source"), BLOB_BYTES).map_err(own)?;
    let run = getrandom::u64().map_err(BenchError::Random)?;
    let blobs = source.blobs(BLOB_BYTES, run).map_err(own)?;
    let operations =
        [Operation::GetManifest, Operation::HeadManifest, Operation::GetBlob, Operation::HeadBlob];
    let trials = operations.map(|operation| {
        Box::new(SmallRequests {
            operation,
            blobs: blobs.clone(),
            connections: args.connections,
            time: args.seconds,
            count_max: args.requests_max,
        }) as Box<dyn Trial>
    });
    args.shared.run(trials.into(), report)
}
