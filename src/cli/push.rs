//! `wharf push`: from the image that was just built to a registry, and the name to write into the
//! Kubernetes manifest on stdout.
//!
//! Here are the flags and what they mean together; `job` does the work, and the parts beside it each
//! decide one thing: where an image comes from (`finder`, beside this), where it goes (`destination`), by
//! which road (`road`).

pub mod destination;
mod error;
mod job;
mod journey;
mod outcome;
mod plan;
mod road;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use wharf_client::{AddressError, RegistryAddress};
use wharf_oci::ImageReference;
use wharf_pusher::layer::Compression;

use crate::cli::credentials::auth_files;
use crate::cli::finder::Finder;
use crate::cli::finder::origin::Origin;
use crate::cli::finder::surroundings::Surroundings;
use crate::cli::progress::layers::Shown;
use crate::cli::remote::TrustArgs;
use crate::cli::voice::Voice;
use crate::failure::Failure;
use crate::process::{Machine, Runner};
use crate::report::Report;
use destination::Registries;
use job::{Done, Job, Wanted};
use road::Via;

pub use error::PushError;

const EXAMPLES: &str = "\
Examples:
  wharf push moon-server:v1.0.0            to localhost:5000, from Podman's store
  wharf push app:1 worker:1                layers that both have are sent once
  wharf push app:1 --as team/app:stable    under another name
  wharf push ghcr.io/me/app:v1             to the registry in the name (wharf login ghcr.io)
  wharf push app:1 --registry host:5000    to this registry, whatever the name says
  wharf push oci:layout/:app:1             from an OCI layout
  docker save app:1 | wharf push -         from an archive, here on standard input
  kubectl set image deploy/app app=$(wharf push -q app:1)";

/// What to push, and where to.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct PushArgs {
    /// A name, id or digest of an image; a path or `oci:FOLDER[:NAME]`, `oci-archive:FILE[:NAME]`,
    /// `docker-archive:FILE[:NAME]`; or `-` for an archive on standard input
    #[arg(value_name = "IMAGE", required_unless_present = "archive")]
    images: Vec<String>,

    /// The registry to push to, whatever the names say; also `WHARF_REGISTRY`, which leaves names alone
    /// that have a registry of their own [default: localhost:5000]
    #[arg(long, value_name = "HOST:PORT")]
    registry: Option<RegistryAddress>,

    // What is wrong with it is said by the name of the variable.
    #[arg(
        long,
        hide = true,
        value_name = "WHARF_REGISTRY",
        env = "WHARF_REGISTRY",
        default_value = "localhost:5000"
    )]
    local_registry: RegistryAddress,

    /// What pods call the local registry
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "WHARF_POD_REGISTRY",
        default_value = "kind-registry:5000",
        value_parser = pod_registry
    )]
    pod_registry: String,

    /// Push under another name; for one image
    #[arg(long = "as", value_name = "NAME:TAG", value_parser = new_name)]
    name: Option<ImageReference>,

    /// Take the images out of this archive, however it is called; without IMAGE, its only one
    #[arg(long, value_name = "FILE")]
    archive: Option<PathBuf>,

    /// Podman's store, where it is not where its settings say
    #[arg(long, value_name = "FOLDER")]
    storage_root: Option<PathBuf>,

    /// Take this road, or fail [default: ingest where the registry offers it, else stream]
    #[arg(long, value_name = "ROAD")]
    via: Option<Via>,

    /// The secret that lets a registry on this machine take images in
    /// [default: ~/.config/wharf/ingest-secret]
    #[arg(long, value_name = "FILE", env = "WHARF_INGEST_SECRET_FILE")]
    ingest_secret: Option<PathBuf>,

    /// The form of layers that are not compressed yet: `none`, `zstd[:LEVEL]` or `gzip[:LEVEL]`
    /// [default: none to this machine, gzip to others]
    #[arg(long, value_name = "FORM")]
    compression: Option<Compression>,

    #[command(flatten)]
    trust: TrustArgs,

    /// The file of credentials, instead of those of Podman and Docker
    #[arg(long, value_name = "FILE", env = "REGISTRY_AUTH_FILE")]
    authfile: Option<PathBuf>,

    /// How many layers go at once
    #[arg(long, value_name = "N", default_value_t = wharf_pusher::PARALLEL)]
    jobs: NonZeroUsize,

    /// Only show what would move
    #[arg(long)]
    dry_run: bool,

    /// Say nothing but the result
    #[arg(long, short, conflicts_with = "verbose")]
    quiet: bool,

    /// Say why things are done as they are: which source, which road
    #[arg(long, short)]
    verbose: bool,
}

/// A name for `--as`.
///
/// # Errors
/// It is none, or one by digest.
pub fn new_name(text: &str) -> Result<ImageReference, String> {
    let name: ImageReference = text.parse().map_err(|error| format!("{error}"))?;
    match name.digest {
        Some(_) => Err("a new name is a tag: its digest follows from the image".into()),
        None => Ok(name),
    }
}

/// What pods call a registry: a host and a port, as it begins an image's name.
fn pod_registry(text: &str) -> Result<String, AddressError> {
    text.parse().map(|address: RegistryAddress| address.name().to_owned())
}

/// Pushes, and reports what came of it.
pub fn run(args: PushArgs, report: &Report) -> Result<(), Failure> {
    let shown = Shown::of(report, args.quiet || args.dry_run);
    let job = job(args, *report)?;
    let origins: Vec<_> = job.wanted.iter().map(|wanted| &wanted.origin).collect();
    let done =
        job.finder.reading(&origins, |finder| job.with(finder).run(shown), PushError::of_finding);
    match done? {
        Done::Planned(plans) => Ok(report.data(&plans)?),
        Done::Pushed(outcomes) => {
            outcomes.words().into_iter().for_each(|words| job.finder.voice.say(words));
            Ok(report.data(&outcomes)?)
        }
    }
}

/// What the flags mean together.
fn job(args: PushArgs, report: Report) -> Result<Job, PushError> {
    let surroundings = Surroundings::read();
    let registries =
        Registries { local: args.local_registry, forced: args.registry, pods: args.pod_registry };
    let secret = match args.via {
        Some(Via::Stream) => None,
        _ => road::secret(args.ingest_secret.as_deref(), surroundings.ingest_secret().as_deref())?,
    };
    let runner: Arc<dyn Runner> = Arc::new(Machine);
    let credentials = Arc::new(auth_files(args.authfile, &runner));
    let voice = Voice { report, quiet: args.quiet, verbose: args.verbose };
    let wanted = wanted(args.images, args.archive, args.name)?;
    let finder = Finder {
        surroundings,
        storage_root: args.storage_root,
        leaves_store: None,
        registries,
        runner,
        voice,
    };
    Ok(Job {
        wanted,
        finder,
        trust: args.trust.trust(),
        credentials: Some(credentials),
        asked: args.via,
        secret,
        compression: args.compression,
        parallel: args.jobs,
        dry_run: args.dry_run,
    })
}

fn wanted(
    images: Vec<String>,
    archive: Option<PathBuf>,
    name: Option<ImageReference>,
) -> Result<Vec<Wanted>, PushError> {
    let wanted = Origin::all(images, archive.as_deref());
    if let (Some(_), count @ 2..) = (&name, wanted.len()) {
        return Err(PushError::OneName { count });
    }
    let renamed = |(typed, origin)| Wanted { typed, origin, renamed: name.clone() };
    Ok(wanted.into_iter().map(renamed).collect())
}
