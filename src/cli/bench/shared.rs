//! The flags of every benchmark, and what they mean together: which registries are measured, by whose
//! name, how far it may go, and where the results are written.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tempfile::TempDir;
use wharf_client::{AddressError, Options, RegistryAddress, RegistryClient};
use wharf_load::content::Blobs;
use wharf_load::{ServerProcess, Size, Source, Stop};

use crate::bench::report::{self, ReportOptions};
use crate::bench::{self, BenchError, Limits, Plan, Site, Trial, interrupt};
use crate::cli::credentials::auth_files;
use crate::cli::finder::surroundings::Surroundings;
use crate::cli::push::destination::Registries;
use crate::cli::registries::by_rules;
use crate::cli::remote::{RemoteError, TrustArgs};
use crate::cli::setup_args::set_up;
use crate::cli::voice::Voice;
use crate::failure::Failure;
use crate::process::{Machine, Program, Runner};
use crate::report::Report;

/// The flags of every measurement.
#[derive(Debug, Args)]
pub struct SharedArgs {
    /// The registry to measure, with a name for the results if that is wanted
    /// [default: the one of `wharf up`, else localhost:5000]
    #[arg(long, value_name = "[NAME=]HOST:PORT", env = "WHARF_REGISTRY")]
    pub registry: Option<Aim>,

    /// Another registry, measured in turn with the first, round by round; can be repeated
    #[arg(long, value_name = "[NAME=]HOST:PORT")]
    against: Vec<Aim>,

    /// Rounds that count; one more comes before them, to warm up
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// Do not check what comes against its digest, which takes more CPU than a good server does; `loop`
    /// always checks, as a node does
    #[arg(long)]
    no_verify: bool,

    /// The server's process on this machine, for its CPU time and memory; repeated in the order of the
    /// registries
    #[arg(long, value_name = "PID", conflicts_with = "server_container")]
    server_pid: Vec<u32>,

    /// The container that the server runs in, instead of its process
    #[arg(long, value_name = "NAME")]
    server_container: Vec<String>,

    /// Aim at an address that is not on this machine's loopback
    #[arg(long)]
    yes: bool,

    /// Give up a measurement that takes longer, in seconds
    #[arg(long, value_name = "S", default_value = "120", value_parser = seconds)]
    seconds_max: Duration,

    /// Move no more in one measurement of one registry: bytes, or with KiB, MiB, GiB
    #[arg(long, value_name = "SIZE", default_value = "16GiB")]
    bytes_max: Size,

    #[command(flatten)]
    trust: TrustArgs,

    /// The file of credentials, instead of those of Podman and Docker
    #[arg(long, value_name = "FILE", env = "REGISTRY_AUTH_FILE")]
    authfile: Option<PathBuf>,

    /// Write the results as CSV, too
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Draw the results as SVG, too
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,

    /// Say nothing but the result
    #[arg(long, short)]
    quiet: bool,
}

/// A registry to measure, and its name in the results.
#[derive(Debug, Clone)]
pub struct Aim {
    label: String,
    address: RegistryAddress,
}

impl From<RegistryAddress> for Aim {
    fn from(address: RegistryAddress) -> Self {
        Self { label: address.name().to_owned(), address }
    }
}

impl std::str::FromStr for Aim {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((label, address)) => {
                Ok(Self { label: label.to_owned(), address: address.parse()? })
            }
            None => text.parse().map(RegistryAddress::into),
        }
    }
}

impl SharedArgs {
    /// How far a measurement may go.
    pub fn limits(&self) -> Limits {
        let Size(bytes_max) = self.bytes_max;
        Limits { bytes_max, time_max: self.seconds_max, verify: !self.no_verify }
    }

    /// Measures by these trials, and shows what came of it.
    pub fn run(self, trials: Vec<Box<dyn Trial>>, report: &Report) -> Result<(), Failure> {
        let voice = Voice { report: *report, quiet: self.quiet, verbose: false };
        let stop = Stop::default();
        let sites = self.sites(&stop)?;
        interrupt::listen(stop, &sites, voice)?;
        let measured = bench::run(Plan { sites, trials, rounds: self.rounds }, &voice)?;
        let options = ReportOptions { json: report.json(), csv: self.csv, plot: self.plot };
        Ok(report::show(&measured, &options)?)
    }

    /// The registries, in their order.
    fn sites(&self, stop: &Stop) -> Result<Vec<Site>, BenchError> {
        let default = || Registries::of(None, None, None, set_up()).local.into();
        let first = self.registry.clone().unwrap_or_else(default);
        let aims = std::iter::once(first).chain(self.against.iter().cloned());
        aims.enumerate()
            .map(|(index, Aim { label, address })| {
                let (client, server) = (self.client(address)?, self.server(index)?);
                Site::new(label, client, server, stop.clone(), self.yes)
            })
            .collect()
    }

    /// A client of a registry, by the same rules as `wharf push` has.
    fn client(&self, address: RegistryAddress) -> Result<RegistryClient, RemoteError> {
        let mut trust = self.trust.clone().trust();
        let address = by_rules(address, &mut trust)?;
        let credentials = auth_files(self.authfile.clone(), &(Arc::new(Machine) as _));
        let credentials = Some(Arc::new(credentials) as _);
        Ok(RegistryClient::connect(address, Options { trust, credentials, ..Options::default() })?)
    }

    /// The process of the registry with this number, where it was named.
    fn server(&self, index: usize) -> Result<Option<ServerProcess>, BenchError> {
        let pid = match (self.server_pid.get(index), self.server_container.get(index)) {
            (Some(pid), _) => *pid,
            (None, Some(name)) => process_of(name, &Machine)?,
            (None, None) => return Ok(None),
        };
        ServerProcess::find(pid).map(Some).map_err(own)
    }
}

/// The process that a container runs, as Podman tells it.
fn process_of(name: &str, runner: &dyn Runner) -> Result<u32, BenchError> {
    let program = Program::new("podman", ["inspect", "--format", "{{.State.Pid}}", name]);
    let failed = |source| BenchError::Container { name: name.to_owned(), source };
    let answer = runner.answer(&program).map_err(|error| failed(Some(error)))?;
    let pid = String::from_utf8_lossy(&answer).trim().parse().ok();
    // The process of a container that does not run is 0.
    pid.filter(|pid| *pid > 0).ok_or_else(|| failed(None))
}

/// What is pushed: one file on this machine, from which the blobs of every size are made. It lasts as
/// long as the folder.
pub fn blobs(sizes: &[Size]) -> Result<(TempDir, Vec<Blobs>), BenchError> {
    let folder = tempfile::tempdir_in(Surroundings::read().spool).map_err(BenchError::Spool)?;
    let most = sizes.iter().max().map_or(0, |Size(bytes)| *bytes);
    let source = Source::create(&folder.path().join("source"), most).map_err(own)?;
    let run = getrandom::u64().map_err(BenchError::Random)?;
    let made = sizes.iter().map(|Size(bytes)| source.blobs(*bytes, run).map_err(own));
    Ok((folder, made.collect::<Result<_, _>>()?))
}

/// A failure that no registry is to blame for.
fn own(source: wharf_load::LoadError) -> BenchError {
    BenchError::Load { server: "this machine".to_owned(), source }
}

/// Seconds, whole or not.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|it| Duration::try_from_secs_f64(it).ok());
    seconds.filter(|it| !it.is_zero()).ok_or_else(|| "give seconds, as in 3 or 0.5".to_owned())
}

/// The size of a blob: large enough to differ from every other.
pub fn blob_size(text: &str) -> Result<Size, String> {
    let size: Size = text.parse()?;
    match size.0 >= wharf_load::content::MARK_BYTES {
        true => Ok(size),
        false => {
            Err("a blob has 32 bytes or more, so that each differs from all others".to_owned())
        }
    }
}

/// Clients at once, of which there are as many as this machine has threads for.
pub fn clients(text: &str) -> Result<NonZeroUsize, String> {
    let clients = text.parse::<NonZeroUsize>().ok().filter(|clients| clients.get() <= CLIENTS_MAX);
    clients.ok_or_else(|| format!("give a number from 1 to {CLIENTS_MAX}"))
}

/// The most clients at once.
const CLIENTS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::recorded::Recorded;

    #[test]
    fn a_registry_may_have_a_name_of_its_own() {
        let aim: Aim = "wharf=localhost:5000".parse().unwrap();
        assert_eq!((aim.label.as_str(), aim.address.name()), ("wharf", "localhost:5000"));
        let aim: Aim = "localhost:5000".parse().unwrap();
        assert_eq!(aim.label, "localhost:5000");
        assert!("wharf=".parse::<Aim>().is_err());
    }

    #[test]
    fn a_container_is_its_process() {
        let asked = |answer: &str| {
            let runner = Recorded::new([Ok(answer.into())]);
            let pid = process_of("kind-registry", &runner);
            assert_eq!(runner.lines(), ["podman inspect --format {{.State.Pid}} kind-registry"]);
            pid
        };
        assert_eq!(asked("4711\n").unwrap(), 4711);
        assert!(asked("0\n").is_err() && asked("").is_err());
    }

    #[test]
    fn bounds_are_read_and_kept() {
        assert!(blob_size("31").is_err() && blob_size("1MiB").is_ok());
        assert!(clients("0").is_err() && clients("1025").is_err() && clients("64").is_ok());
        assert!(seconds("0").is_err() && seconds("-1").is_err() && seconds("0.5").is_ok());
    }
}
