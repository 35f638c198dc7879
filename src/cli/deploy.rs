//! `wharf deploy`: applies the project's manifests with the images that were pushed, and waits until
//! they run. What was rolled out goes to stdout; how far it is, and why a pod does not start, to stderr.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use wharf_client::{Options, RegistryAddress, RegistryClient, Trust};
use wharf_oci::Digest;

use crate::cli::credentials::{auth_files, there};
use crate::cli::project_args::ProjectArgs;
use crate::cli::push::destination::{Registries, pod_registry};
use crate::cli::registries::by_rules;
use crate::cli::remote::{RemoteError, TrustArgs, ask};
use crate::cli::setup_args::set_up;
use crate::config::value;
use crate::deploy::image::Meant;
use crate::deploy::kubectl::{Aim, Kubectl};
use crate::deploy::{DeployError, Deployment, End, Reason, Workload};
use crate::failure::Failure;
use crate::process::{Machine, Runner};
use crate::project::Project;
use crate::report::Report;
use crate::setup::engine::Engine;
use crate::setup::hand::{Hand, Manner};
use crate::setup::site;

const EXAMPLES: &str = "\
Examples:
  wharf deploy                         apply the manifests that wharf.toml names, and wait
  wharf deploy --dry-run               only show what would be applied
  wharf deploy --timeout 10m           wait longer for the pods
  wharf deploy --cluster other         to another Kind cluster
  wharf deploy --context staging       to whatever cluster kubectl knows by that name";

/// What to deploy, and where to.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DeployArgs {
    #[command(flatten)]
    project: ProjectArgs,

    /// The Kind cluster [default: that of wharf.toml, else mcp-cluster, else the only one there is]
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,

    /// The context of kubectl, for a cluster that is not Kind's
    #[arg(long, value_name = "NAME", conflicts_with = "cluster")]
    context: Option<String>,

    /// The file in which kubectl finds its contexts
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// The namespace for everything [default: as the manifests say]
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,

    /// How long all pods together may take to start
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = time)]
    timeout: Duration,

    /// Do not wait for the pods
    #[arg(long)]
    no_wait: bool,

    /// Only show what would be applied, on stdout
    #[arg(long)]
    dry_run: bool,

    /// The registry that was pushed to [default: that of wharf.toml, or of `wharf up`, else localhost:5000]
    #[arg(long, value_name = "HOST:PORT", env = "WHARF_REGISTRY")]
    registry: Option<RegistryAddress>,

    /// What pods call it [default: that of wharf.toml, or of `wharf up`, else kind-registry:5000]
    #[arg(long, value_name = "HOST:PORT", env = "WHARF_POD_REGISTRY", value_parser = pod_registry)]
    pod_registry: Option<String>,

    /// The file of credentials, instead of those of Podman and Docker
    #[arg(long, value_name = "FILE", env = "REGISTRY_AUTH_FILE", value_parser = there())]
    authfile: Option<PathBuf>,

    #[command(flatten)]
    trust: TrustArgs,
}

fn time(text: &str) -> Result<Duration, String> {
    value::time(text).ok_or_else(|| "a time has units, as 90s or 10m".to_owned())
}

/// What came of it. Its `Display` form is what was rolled out, one a line.
#[derive(Debug, Serialize)]
struct Deployed {
    context: String,
    images: Vec<DeployedImage>,
    workloads: Vec<Workload>,
    /// Whether all of it runs; nothing where nobody waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    ready: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<Reason>,
}

/// An image that was put in.
#[derive(Debug, Serialize)]
struct DeployedImage {
    name: String,
    pod_reference: String,
}

impl fmt::Display for Deployed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.workloads.iter().try_for_each(|workload| writeln!(f, "{}", workload.argument()))
    }
}

/// Applies, waits, and tells.
pub fn run(args: DeployArgs, report: &Report) -> Result<(), Failure> {
    let mut project = args.project.project()?;
    if let Some(namespace) = &args.namespace {
        project.namespace = Some(namespace.clone());
    }
    let runner: Arc<dyn Runner> = Arc::new(Machine);
    let kubectl = args.kubectl(&project, &runner, report)?;
    let mut deployed = Deployed {
        context: kubectl.context.clone(),
        images: Vec::new(),
        workloads: Vec::new(),
        ready: None,
        reasons: Vec::new(),
    };
    if let Some(node) = kubectl.node() {
        report.say(format_args!("With the kubectl in {node}, as there is none here for it."));
    }
    let mut deployment = Deployment::new(&project, kubectl)?;
    deployment.left_out().iter().for_each(|it| report.say(it));
    let registries =
        Registries::of(args.registry.clone(), args.pod_registry.clone(), Some(&project), set_up());
    let meant = project.images.iter().map(|image| Meant::of(&image.name, &registries));
    let meant: Vec<_> = meant.collect::<Result<_, _>>().map_err(RemoteError::Address)?;
    let named = deployment.named(&meant)?;
    for image in meant.iter().filter(|it| !named.iter().any(|named| named.name == it.name)) {
        report.say(format_args!("{}: no manifest names it", image.name));
    }
    let digests = args.digests(&named, &project, &runner)?;
    for (image, digest) in &digests {
        let (name, pod_reference) = (image.name.to_string(), image.in_a_pod(digest));
        report.say(format_args!("{name} is {pod_reference}"));
        deployed.images.push(DeployedImage { name, pod_reference });
    }
    deployment.put_in(&digests);
    if args.dry_run {
        return Ok(report.bytes(&deployment.render()?)?);
    }
    report.say(format_args!("Applying to {} …", deployed.context));
    let applied = deployment.apply()?;
    deployed.workloads.clone_from(&applied.workloads);
    if args.no_wait {
        return Ok(report.data(&deployed)?);
    }
    match applied.wait(args.timeout, &|words| report.say(words))? {
        End::Ready => {
            deployed.ready = Some(true);
            Ok(report.data(&deployed)?)
        }
        End::Stuck { workload, reasons, timed_out } => {
            reasons.iter().for_each(|reason| report.say(reason));
            (deployed.ready, deployed.reasons) = (Some(false), reasons);
            if report.json() {
                report.data(&deployed)?;
            }
            Err(DeployError::NotReady { workload, timed_out }.into())
        }
    }
}

impl DeployArgs {
    fn kubectl(
        &self,
        project: &Project,
        runner: &Arc<dyn Runner>,
        report: &Report,
    ) -> Result<Kubectl, DeployError> {
        let aim = Aim {
            context: self.context.clone(),
            kubeconfig: self.kubeconfig.clone(),
            cluster: self.cluster.clone().or_else(|| project.cluster.clone()),
        };
        let hand = Hand::new(Arc::clone(runner), Manner::Quiet, *report);
        let engine = site::kind_of_engine().map(|kind| Engine::new(kind, hand));
        Kubectl::find(&aim, std::env::var_os("PATH").as_deref(), engine.as_ref(), runner)
    }

    /// What each image is in its registry.
    fn digests<'a>(
        &self,
        images: &[&'a Meant],
        project: &Project,
        runner: &Arc<dyn Runner>,
    ) -> Result<Vec<(&'a Meant, Digest)>, DeployError> {
        let trust = self.trust.clone().trust();
        let credentials = Arc::new(auth_files(self.authfile.clone(), runner));
        let mut digests = Vec::new();
        for &image in images {
            let options = Options {
                trust: trust.clone(),
                credentials: Some(Arc::clone(&credentials) as _),
                ..Options::default()
            };
            let destination = &image.destination;
            let client = connect(destination.registry.clone(), options)?;
            let asked = client.head_manifest(&destination.name, &destination.reference);
            let found = ask(async { Ok(asked.await?) })?;
            let digest = found.map(|it| it.digest).ok_or_else(|| DeployError::NotPushed {
                image: image.name.to_string(),
                registry: client.address().to_string(),
                // The other form goes to the usual registry.
                command: match project.registry {
                    None => format!("wharf push {}", image.name),
                    Some(_) => "wharf push".to_owned(),
                },
            })?;
            digests.push((image, digest));
        }
        Ok(digests)
    }
}

/// A client of a registry: one on this machine needs no rules.
fn connect(
    mut address: RegistryAddress,
    mut options: Options,
) -> Result<RegistryClient, RemoteError> {
    let trust: &mut Trust = &mut options.trust;
    if !address.is_local() {
        address = by_rules(address, trust)?;
    }
    Ok(RegistryClient::connect(address, options)?)
}
