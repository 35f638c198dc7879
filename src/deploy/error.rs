//! Why a project is not deployed, and what to do about it.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::cli::remote::RemoteError;
use crate::process::RunError;
use crate::setup::config::CLUSTER;
use crate::setup::engine::EngineError;
use crate::setup::error::how_to_get;

/// Everything that a deployment can end with, but for success.
#[derive(Debug, Error)]
pub enum DeployError {
    /// The project names no manifests.
    #[error("{} names no manifests", file.display())]
    NoManifests {
        /// The project's file.
        file: PathBuf,
    },
    /// A manifest, or a folder of them, cannot be read, or not be copied.
    #[error("cannot take the manifests in {}", path.display())]
    Manifests {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is no YAML.
    #[error("cannot read the manifest {}: {reason}", path.display())]
    NoYaml {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// Among the objects of a file is something else.
    #[error("cannot take the manifest {}: {reason}", path.display())]
    Stray {
        /// The file.
        path: PathBuf,
        /// Which document it is, and what it lacks.
        reason: String,
    },
    /// There is nothing to apply.
    #[error("there is no Kubernetes object in {}", shown(manifests))]
    NoObjects {
        /// Where it was looked for.
        manifests: Vec<PathBuf>,
    },
    /// There is far more than manifests.
    #[error("there is too much beside the manifests, as {}", path.display())]
    TooMuch {
        /// The file that was too much.
        path: PathBuf,
    },
    /// There is no folder for the copies, or it takes none.
    #[error("cannot use a temporary folder")]
    Folder(#[source] io::Error),
    /// There is neither a kubectl here nor a node with one.
    #[error(
        "there is no kubectl on the PATH, and no running node of {} to use the one in it",
        cluster.as_deref().map_or("a Kind cluster".to_owned(), |it| format!("the cluster {it}"))
    )]
    NoKubectl {
        /// The cluster that was asked for.
        cluster: Option<String>,
    },
    /// There is a kubectl, and it knows no such cluster.
    #[error(
        "there is no cluster {}: kubectl has no context kind-{}, and no such node runs",
        .cluster.as_deref().unwrap_or(CLUSTER), .cluster.as_deref().unwrap_or(CLUSTER)
    )]
    NoCluster {
        /// The cluster that was asked for.
        cluster: Option<String>,
    },
    /// There are several clusters, and none was asked for.
    #[error("there are several clusters: {}", clusters.join(", "))]
    ManyClusters {
        /// Their names.
        clusters: Vec<String>,
    },
    /// The engine cannot be asked for nodes.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// kubectl cannot be started, or refuses.
    #[error(transparent)]
    Kubectl(#[from] RunError),
    /// kustomize does not take the manifests.
    #[error("kustomize does not take the manifests")]
    Kustomize(#[source] RunError),
    /// The cluster did not take them.
    #[error("the manifests are not applied to {context}")]
    Apply {
        /// kubectl's context.
        context: String,
        /// How it ended.
        #[source]
        source: RunError,
    },
    /// The registry cannot be asked.
    #[error(transparent)]
    Registry(#[from] RemoteError),
    /// An image was not pushed.
    #[error("{image} is not in the registry at {registry}")]
    NotPushed {
        /// The image, as the project calls it.
        image: String,
        /// The registry.
        registry: String,
        /// What pushes it.
        command: String,
    },
    /// Two images of the project that kustomize cannot tell apart.
    #[error("the manifests name {repository}, of which the project has {}", names.join(" and "))]
    Ambiguous {
        /// The repository.
        repository: String,
        /// The images.
        names: Vec<String>,
    },
    /// Pods do not start; it was told why.
    #[error("{workload} is applied, and does not start{}", if *timed_out { " in time" } else { "" })]
    NotReady {
        /// The first that does not.
        workload: String,
        /// Whether there may be hope.
        timed_out: bool,
    },
}

/// How the reader of YAML speaks of tabs, and of letters that mean something to it.
const NO_TOKEN: [&str; 2] = ["a tab character", "cannot start any token"];

fn shown(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl DeployError {
    /// Whether what was asked for cannot be, whatever the machine is like.
    pub fn is_misuse(&self) -> bool {
        matches!(
            self,
            Self::NoManifests { .. }
                | Self::NoObjects { .. }
                | Self::TooMuch { .. }
                | Self::ManyClusters { .. }
                | Self::Ambiguous { .. }
        )
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NoManifests { .. } => {
                "add a line: manifests = \"FOLDER\", before the first [[image]]"
            }
            Self::NoObjects { .. } | Self::TooMuch { .. } => {
                "let `manifests` in wharf.toml name the folder of the manifests alone"
            }
            Self::NoYaml { reason, .. } if NO_TOKEN.iter().any(|it| reason.contains(it)) => {
                "look at that line: YAML is indented by blanks and never by tabs, and a text that begins \
                 with %, @ or ` stands in quotes"
            }
            Self::NoYaml { .. } => {
                "wharf applies plain manifests and kustomizations; charts are for helm. What is no \
                 manifest can be left out by naming the files one by one: manifests = [\"a.yaml\"]"
            }
            Self::Stray { .. } => {
                "each document of a manifest has apiVersion and kind, and `---` stands between two"
            }
            Self::NoKubectl { .. } | Self::Kubectl(RunError::Missing { .. }) => {
                let get = how_to_get("kubectl").unwrap_or_default();
                return Some(format!("get kubectl: {get}; or start the cluster: wharf up"));
            }
            Self::NoCluster { cluster } => {
                let name = cluster.as_deref().unwrap_or(CLUSTER);
                return Some(format!(
                    "`wharf up` makes one; `kind export kubeconfig --name {name}` tells kubectl of one \
                     that is there; --context NAME takes any other"
                ));
            }
            Self::ManyClusters { .. } => {
                "say which by --cluster NAME, or in wharf.toml: [cluster] name = \"NAME\""
            }
            Self::Kustomize(_) => {
                "nothing was applied, and your files are as they were; `kubectl kustomize FOLDER` tries \
                 a kustomization by itself"
            }
            Self::Apply { .. } => {
                "what kubectl said stands above, and what it calls created or configured is applied; \
                 where a kind is not known yet, its definition may be among those: deploy again. \
                 `wharf status` shows whether the cluster runs"
            }
            Self::Registry(error) => return error.hint(),
            Self::NotPushed { command, .. } => return Some(format!("push it first: {command}")),
            Self::Ambiguous { .. } => {
                "give them repositories of their own, or leave one out of wharf.toml"
            }
            Self::NotReady { timed_out: true, .. } => "--timeout 10m waits longer",
            Self::NotReady { .. } => "when that is mended: wharf build, wharf push, wharf deploy",
            Self::Engine(EngineError::Run(RunError::Missing { program })) => {
                return how_to_get(program);
            }
            Self::Engine(_) => {
                "the engine was asked for the cluster's nodes, as kubectl has no context for it; \
                 --context NAME names one"
            }
            Self::Manifests { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "`manifests` in wharf.toml names it, by a path from the folder of that file"
            }
            Self::Manifests { .. } => {
                "what is no manifest can be left out by naming the files one by one: \
                 manifests = [\"a.yaml\"]"
            }
            Self::Folder(_) => "TMPDIR names another folder for temporary files",
            Self::Kubectl(_) => return None,
        };
        Some(text.to_owned())
    }
}
