//! `wharf bench`: the flags that all measurements share, and what they mean together. Each subcommand
//! adds the flags of its own, and the trials that they ask for.

mod requests;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use wharf_client::RegistryAddress;
use wharf_load::{ServerProcess, Target};

use crate::bench::report::{self, ReportOptions};
use crate::bench::{self, BenchError, Guest, Plan, Site, Trial};
use crate::cli::push::destination::Registries;
use crate::cli::setup_args::set_up;
use crate::cli::voice::Voice;
use crate::failure::Failure;
use crate::report::Report;

const EXAMPLES: &str = "\
Examples:
  wharf bench requests                         small requests to the registry of `wharf up`
  wharf bench requests --against other=127.0.0.1:5001
                                               two registries in turn, and their ratio";

/// What to measure.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measure small requests: manifests by tag, HEADs, a small blob
    Requests(requests::RequestsArgs),
    /// Measure how long a developer waits: change a layer, push, pull
    Loop(SharedArgs),
}

/// The flags of every measurement.
#[derive(Debug, Args)]
pub struct SharedArgs {
    /// The registry to measure, by a name of its own if that is wanted
    /// [default: the one of `wharf up`, else localhost:5000]
    #[arg(long, value_name = "[NAME=]HOST:PORT", env = "WHARF_REGISTRY")]
    registry: Option<Aim>,

    /// Another registry, measured in turn with the first; can be repeated
    #[arg(long, value_name = "[NAME=]HOST:PORT")]
    against: Vec<Aim>,

    /// Rounds that count; one more comes before them, to warm up
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// Aim at an address that is not on this machine's loopback
    #[arg(long)]
    yes: bool,

    /// The process of the server, for its CPU time and memory; repeated in the order of the registries
    #[arg(long, value_name = "PID")]
    server_pid: Vec<u32>,

    /// Write the table as CSV, too
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Draw the table as SVG, too
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,

    /// Say nothing but the result
    #[arg(long, short)]
    quiet: bool,
}

/// A registry to measure, and its name in the results.
#[derive(Debug, Clone)]
struct Aim {
    label: String,
    address: RegistryAddress,
}

impl std::str::FromStr for Aim {
    type Err = wharf_client::AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (label, address) = match text.split_once('=') {
            Some((label, address)) => (Some(label.to_owned()), address.parse()?),
            None => (None, text.parse::<RegistryAddress>()?),
        };
        Ok(Self { label: label.unwrap_or_else(|| address.name().to_owned()), address })
    }
}

/// Measures, and shows what came of it.
pub fn run(args: BenchArgs, report: &Report) -> Result<(), Failure> {
    match args.what {
        What::Requests(args) => requests::run(args, report),
        What::Loop(_) => Err(BenchError::NoLoop.into()),
    }
}

impl SharedArgs {
    /// Measures by these trials, and shows what came of it.
    fn run(self, trials: Vec<Box<dyn Trial>>, report: &Report) -> Result<(), Failure> {
        let voice = Voice { report: *report, quiet: self.quiet, verbose: false };
        let plan = Plan { sites: self.sites()?, trials, rounds: self.rounds };
        let measured = bench::run(plan, &voice)?;
        let options = ReportOptions { json: report.json(), csv: self.csv, plot: self.plot };
        Ok(report::show(&measured, &options)?)
    }

    /// The registries, in their order.
    fn sites(&self) -> Result<Vec<Site>, BenchError> {
        let first = self.registry.clone().unwrap_or_else(|| {
            let address = Registries::of(None, None, None, set_up()).local;
            Aim { label: address.name().to_owned(), address }
        });
        let aims = std::iter::once(first).chain(self.against.iter().cloned());
        let sites = aims.enumerate().map(|(index, Aim { label, address })| {
            let failed = |source| match source {
                wharf_load::LoadError::NotLoopback { address } => {
                    BenchError::NotLoopback { address: address.to_string() }
                }
                source => BenchError::Load { server: label.clone(), source },
            };
            let target = Target::resolve(address.name(), self.yes).map_err(failed)?;
            let server = self.server_pid.get(index).copied();
            let server = server.map(ServerProcess::find).transpose().map_err(failed)?;
            Ok(Site { label, target, server, guest: Guest::new()? })
        });
        sites.collect()
    }
}

/// Seconds, whole or not.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|it| Duration::try_from_secs_f64(it).ok());
    seconds.filter(|it| !it.is_zero()).ok_or_else(|| "give seconds, as in 3 or 0.5".to_owned())
}
