//! Why the setup does not stand, and what to do about it.

use thiserror::Error;

use super::engine::EngineError;
use super::hand::FileError;
use super::image::OwnImageError;
use super::proof::ProofError;
use super::receipt::ReceiptError;
use super::secret::HeldError;
use crate::process::RunError;

/// Everything that setting up, checking and taking down can end with.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The engine cannot be asked, or refuses.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Another program cannot be started, or fails.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file of this machine cannot be written or removed.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not known what was set up.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// There is no image of wharf for the engine.
    #[error(transparent)]
    Image(#[from] OwnImageError),
    /// The secret for ingest is not known.
    #[error(transparent)]
    Secret(#[from] HeldError),
    /// It cannot be tried whether nodes pull.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// Nothing can be asked of the registry from here.
    #[error("cannot start the runtime that asks the registry")]
    Asking(#[source] std::io::Error),
    /// The registry does not answer as one.
    #[error(transparent)]
    Client(#[from] wharf_client::Error),
    /// There is no engine.
    #[error("neither podman nor docker is on the PATH")]
    NoEngine,
    /// There is no home folder, so no place for what belongs to the user.
    #[error("neither HOME nor XDG_CONFIG_HOME is set")]
    NoHome,
    /// Something is in the way that we did not make. What is in the way, and what to do about it.
    #[error("{what}")]
    InTheWay {
        /// What is in the way.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// Something stays broken, although all that wharf can do was done.
    #[error("{what}")]
    Broken {
        /// What is broken.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// A node cannot be changed; it is left alone, and the others are not.
    #[error("{node} is left as it is")]
    OfNode {
        /// The node.
        node: String,
        /// Why.
        #[source]
        source: Box<Self>,
    },
    /// There are faults; they were told already.
    #[error("{count} {} found", if *count == 1 { "fault was" } else { "faults were" })]
    Faults {
        /// How many.
        count: usize,
    },
}

impl SetupError {
    /// Whether it is the failure of something in one container, which is no obstacle for others.
    pub fn is_of_container(&self) -> bool {
        let is_of_program =
            |error: &RunError| matches!(error, RunError::Failed { .. } | RunError::Late { .. });
        match self {
            Self::Engine(EngineError::Run(error)) | Self::Run(error) => is_of_program(error),
            Self::Engine(EngineError::Answer { .. })
            | Self::Broken { .. }
            | Self::OfNode { .. } => true,
            _ => false,
        }
    }

    /// Whether what was asked for cannot be, whatever the machine is like.
    pub fn is_misuse(&self) -> bool {
        false
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Engine(EngineError::Run(RunError::Failed { words, .. }))
                if words.to_lowercase().contains("connect") =>
            {
                Some("`wharf doctor` says why the engine does not answer".into())
            }
            Self::Engine(EngineError::Run(error)) | Self::Run(error) => of_run(error),
            Self::OfNode { source, .. } => source.hint(),
            Self::NoEngine => Some(no_engine()),
            Self::Image(error) => Some(error.hint()),
            Self::Secret(HeldError::NoSecret { file, .. } | HeldError::Read { file, .. }) => {
                Some(format!("remove {file}, and `wharf up` makes another"))
            }
            Self::NoHome => Some("set HOME to your home folder".into()),
            Self::InTheWay { hint, .. } | Self::Broken { hint, .. } => Some(hint.clone()),
            Self::Receipt(
                ReceiptError::Content { path, .. } | ReceiptError::Stray { path, .. },
            ) => Some(format!(
                "remove {} if nothing is set up, or look at it: `wharf down` needs it",
                path.display()
            )),
            Self::Receipt(ReceiptError::Newer { .. }) => Some("use that wharf".into()),
            _ => None,
        }
    }
}

/// What to do about a program that is missing or fails.
pub fn of_run(error: &RunError) -> Option<String> {
    match error {
        RunError::Missing { program } => how_to_get(program),
        RunError::Late { .. } => Some(
            "try that command by hand: what hangs is the engine, its virtual machine (`podman machine \
             stop`, then `podman machine start`), or its service (`systemctl restart docker`)"
                .into(),
        ),
        _ => None,
    }
}

/// What to do where there is no engine.
pub fn no_engine() -> String {
    let machine = match cfg!(target_os = "macos") {
        true => "; then run `podman machine init`",
        false => "",
    };
    format!("install Podman: {}{machine}", how_to_get("podman").unwrap_or_default())
}

/// How to get a program of the field.
pub fn how_to_get(program: &str) -> Option<String> {
    let (linux, macos, page) = match program {
        "podman" => ("apt install podman", "brew install podman", "podman.io/docs/installation"),
        "docker" => ("apt install docker.io", "brew install docker", "docs.docker.com/engine"),
        "kind" => (
            "go install sigs.k8s.io/kind@latest",
            "brew install kind",
            "kind.sigs.k8s.io/docs/user/quick-start/#installation",
        ),
        "kubectl" => (
            "apt install kubernetes-client",
            "brew install kubectl",
            "kubernetes.io/docs/tasks/tools",
        ),
        _ => return None,
    };
    let command = if cfg!(target_os = "macos") { macos } else { linux };
    Some(format!("`{command}`, or see https://{page}"))
}
