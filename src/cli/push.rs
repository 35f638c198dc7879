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

use wharf_client::RegistryAddress;
use wharf_oci::ImageReference;
use wharf_pusher::layer::Compression;

use crate::cli::credentials::{auth_files, there};
use crate::cli::finder::Finder;
use crate::cli::finder::origin::Origin;
use crate::cli::finder::surroundings::Surroundings;
use crate::cli::progress::layers::Shown;
use crate::cli::project_args::ProjectArgs;
use crate::cli::remote::TrustArgs;
use crate::cli::setup_args::set_up;
use crate::cli::voice::Voice;
use crate::failure::Failure;
use crate::process::{Machine, Runner};
use crate::project::Project;
use crate::report::Report;
use destination::{Registries, pod_registry};
use job::{Done, Job, Wanted};
use road::Via;

pub use error::PushError;

const EXAMPLES: &str = "\
Examples:
  wharf push                               the images of wharf.toml
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
    /// [default: the images of wharf.toml]
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,

    /// The registry to push to, whatever the names say; also `WHARF_REGISTRY`, which leaves names alone
    /// that have a registry of their own [default: the one of `wharf up`, else localhost:5000]
    #[arg(long, value_name = "HOST:PORT")]
    registry: Option<RegistryAddress>,

    // What is wrong with it is said by the name of the variable.
    #[arg(long, hide = true, value_name = "WHARF_REGISTRY", env = "WHARF_REGISTRY")]
    local_registry: Option<RegistryAddress>,

    /// What pods call the local registry [default: as `wharf up` says, else kind-registry:5000]
    #[arg(long, value_name = "HOST:PORT", env = "WHARF_POD_REGISTRY", value_parser = pod_registry)]
    pod_registry: Option<String>,

    #[command(flatten)]
    project: ProjectArgs,

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
    #[arg(long, value_name = "FILE", env = "REGISTRY_AUTH_FILE", value_parser = there())]
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
fn job(args: PushArgs, report: Report) -> Result<Job, Failure> {
    let surroundings = Surroundings::read();
    let of_project = args.images.is_empty() && args.archive.is_none();
    let project =
        (of_project || args.project.is_named()).then(|| args.project.project()).transpose()?;
    let registries = Registries {
        forced: args.registry,
        ..Registries::of(args.local_registry, args.pod_registry, project.as_ref(), set_up())
    };
    let secret = match args.via {
        Some(Via::Stream) => None,
        _ => road::secret(args.ingest_secret.as_deref(), surroundings.ingest_secret().as_deref())
            .map_err(PushError::from)?,
    };
    let runner: Arc<dyn Runner> = Arc::new(Machine);
    let credentials = Arc::new(auth_files(args.authfile, &runner));
    let voice = Voice { report, quiet: args.quiet, verbose: args.verbose };
    let wanted = match project.filter(|_| args.archive.is_none()) {
        Some(project) => wanted_of(&project, &args.images, args.name)?,
        None => wanted(args.images, args.archive, args.name)?,
    };
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

/// The images of the project, or those of them that were typed: each by its name in the engine.
fn wanted_of(
    project: &Project,
    typed: &[String],
    renamed: Option<ImageReference>,
) -> Result<Vec<Wanted>, Failure> {
    let names = project.chosen(typed)?.into_iter().map(|image| image.name.to_string());
    let wanted: Vec<_> = names
        .map(|typed| Wanted {
            origin: Origin::Engine(typed.clone()),
            typed,
            renamed: renamed.clone(),
        })
        .collect();
    match (renamed, wanted.len()) {
        (Some(_), count @ 2..) => Err(PushError::OneName { count }.into()),
        _ => Ok(wanted),
    }
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
