//! Deploying a project: its manifests, copied, with the pushed images put in by kustomize, applied by
//! kubectl, and waited for. No file of the user's is changed.
//!
//! The parts each do one thing: `gathering` copies, `kustomization` is the text that maps images,
//! `image` asks the registry, `kubectl` is whichever there is, `rollout` waits, and `pod`, `pull`,
//! `evidence` and `reason` find out why a pod does not start.

mod error;
mod evidence;
mod gathering;
pub mod image;
pub mod kubectl;
mod kustomization;
mod pod;
mod pull;
mod reason;
mod rollout;
mod workload;

use std::fs;
use std::path::Path;
use std::time::Duration;

use wharf_oci::Digest;

use crate::process::RunError;
use crate::project::Project;
use crate::project::manifest::Object;
pub use error::DeployError;
use gathering::{Gathered, LeftOut};
use image::Meant;
use kubectl::{Kubectl, Stage};
use kustomization::Mapping;
pub use reason::Reason;
pub use rollout::End;
use rollout::Rollout;
pub use workload::Workload;

/// The file by which kustomize knows the copies.
const KUSTOMIZATION: &str = "kustomization.yaml";

/// A project, ready to be deployed.
#[derive(Debug)]
pub struct Deployment {
    kubectl: Kubectl,
    folder: tempfile::TempDir,
    gathered: Gathered,
    namespace: Option<String>,
    takes_folders_as_resources: bool,
    mappings: Vec<Mapping>,
}

impl Deployment {
    /// Copies the manifests of a project.
    ///
    /// # Errors
    /// There are none, or they cannot be read.
    pub fn new(project: &Project, kubectl: Kubectl) -> Result<Self, DeployError> {
        if project.manifests.is_empty() {
            return Err(DeployError::NoManifests { file: project.file.clone() });
        }
        let folder = tempfile::Builder::new().prefix("wharf-deploy-").tempdir();
        let folder = folder.map_err(DeployError::Folder)?;
        let gathered = gathering::gather(&project.manifests, folder.path())?;
        Ok(Self {
            takes_folders_as_resources: kubectl.takes_folders_as_resources()?,
            kubectl,
            folder,
            gathered,
            namespace: project.namespace.clone(),
            mappings: Vec::new(),
        })
    }

    /// What lies among the manifests and is not taken.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.gathered.left_out
    }

    /// The images of the project that the manifests name.
    ///
    /// # Errors
    /// kustomize does not take the manifests.
    pub fn named<'a>(&self, images: &'a [Meant]) -> Result<Vec<&'a Meant>, DeployError> {
        let objects = read(&self.render()?)?;
        let written: Vec<_> = objects.iter().flat_map(Object::images).collect();
        let named: Vec<_> =
            images.iter().filter(|it| written.iter().any(|name| it.is_written(name))).collect();
        for image in &named {
            let mut same = named.iter().filter(|other| other.repository() == image.repository());
            if same.by_ref().count() > 1 {
                let same = named.iter().filter(|other| other.repository() == image.repository());
                return Err(DeployError::Ambiguous {
                    repository: image.repository(),
                    names: same.map(|image| image.name.to_string()).collect(),
                });
            }
        }
        Ok(named)
    }

    /// Puts images in, each with its digest.
    pub fn put_in(&mut self, images: &[(&Meant, Digest)]) {
        self.mappings = images.iter().map(|(image, digest)| image.mapping(*digest)).collect();
    }

    /// What would be applied, as YAML.
    ///
    /// # Errors
    /// kustomize does not take the manifests.
    pub fn render(&self) -> Result<Vec<u8>, DeployError> {
        let stage = self.stage()?;
        let rendered = self.kubectl.ask(&["kustomize", stage.path()]);
        rendered.map_err(|error| DeployError::Kustomize(self.with_own_paths(error, stage.path())))
    }

    /// Applies it, and gives what can be waited for. What kubectl says goes to stderr. The copies are gone
    /// then, so that whoever ends the wait leaves none behind.
    ///
    /// # Errors
    /// The cluster cannot be reached, or does not take it.
    pub fn apply(self) -> Result<Applied, DeployError> {
        let workloads = Workload::of(&read(&self.render()?)?);
        let stage = self.stage()?;
        let program = self.kubectl.program(["apply", "-k", stage.path()]);
        self.kubectl.runner().show(&program).map_err(|source| DeployError::Apply {
            context: self.kubectl.context.clone(),
            source,
        })?;
        Ok(Applied { kubectl: self.kubectl, workloads })
    }

    /// The failure of kubectl, with the user's own paths in its words.
    fn with_own_paths(&self, error: RunError, at: &str) -> RunError {
        match error {
            RunError::Failed { program, words } => {
                RunError::Failed { program, words: self.gathered.with_own_paths(&words, at) }
            }
            other => other,
        }
    }

    /// The folder of copies, with the kustomization as it is now, where kubectl reads it.
    fn stage(&self) -> Result<Stage, DeployError> {
        let text = kustomization::text(
            &self.gathered.parts,
            &self.mappings,
            self.namespace.as_deref(),
            self.takes_folders_as_resources,
        );
        let path = self.folder.path().join(KUSTOMIZATION);
        fs::write(&path, text).map_err(DeployError::Folder)?;
        self.kubectl.stage(self.folder.path())
    }
}

/// A project that was applied.
#[derive(Debug)]
pub struct Applied {
    kubectl: Kubectl,
    /// What can be waited for.
    pub workloads: Vec<Workload>,
}

impl Applied {
    /// Waits until all of it runs, and tells how far it is.
    ///
    /// # Errors
    /// kubectl does not answer.
    pub fn wait(&self, timeout: Duration, say: &dyn Fn(&str)) -> Result<End, DeployError> {
        Rollout { kubectl: &self.kubectl, timeout, say }.wait(&self.workloads)
    }
}

/// The objects in what kustomize gives.
fn read(rendered: &[u8]) -> Result<Vec<Object>, DeployError> {
    let text = String::from_utf8_lossy(rendered);
    gathering::read_objects(Path::new("kubectl kustomize"), &text)
}
