//! What ends a benchmark before its end.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use wharf_load::{Cell, LoadError, Size};
use wharf_pusher::source::SourceError;

use crate::cli::remote::RemoteError;
use crate::process::RunError;
use crate::setup::engine::EngineError;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A measurement did not come to its end.
    #[error("{server}")]
    Load {
        /// The registry.
        server: String,
        /// How it failed.
        #[source]
        source: LoadError,
    },
    /// The address is not on this machine, and nobody said that this is meant.
    #[error("{address} is not on this machine's loopback")]
    NotLoopback {
        /// The address that was given.
        address: String,
    },
    /// More would be moved than is allowed.
    #[error("{cell}: that is {bytes}, and no more than {most} are allowed")]
    Bounds {
        /// What was to be measured.
        cell: Cell,
        /// What it takes at least.
        bytes: Size,
        /// What is allowed.
        most: Size,
    },
    /// The registry does not answer, or does not let in who is asking.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The process of a server's container is not known.
    #[error("cannot tell the process of the container {name}")]
    Container {
        /// The container.
        name: String,
        /// What its engine said.
        #[source]
        source: Option<RunError>,
    },
    /// The signals that end a benchmark cannot be waited for.
    #[error("cannot wait for the signals that end a benchmark")]
    Signals(#[source] io::Error),
    /// A person ended it.
    #[error("ended before there were figures")]
    Interrupted,
    /// There is no room for what is pushed.
    #[error("cannot make a temporary folder")]
    Spool(#[source] io::Error),
    /// The random name of a repository cannot be made.
    #[error("this machine gives no random numbers")]
    Random(#[source] getrandom::Error),
    /// The image of the loop cannot be written.
    #[error("cannot make an image to push")]
    Image(#[source] io::Error),
    /// The image of the loop cannot be read.
    #[error("cannot read the image that was made")]
    Source(#[source] SourceError),
    /// The runtime of pushes and pulls did not start.
    #[error("cannot start the runtime that talks to the registry")]
    Runtime(#[source] io::Error),
    /// An image is not pushed.
    #[error("{server}")]
    Push {
        /// The registry.
        server: String,
        /// How it failed.
        #[source]
        source: wharf_pusher::Error,
    },
    /// An image is not pulled.
    #[error("{server}")]
    Client {
        /// The registry.
        server: String,
        /// How it failed.
        #[source]
        source: wharf_client::Error,
    },
    /// The tag does not lead to what was pushed.
    #[error("{server}: the tag does not lead to the image that was just pushed")]
    Stale {
        /// The registry.
        server: String,
    },
    /// It took longer than is allowed.
    #[error("{server}: a push or a pull did not end within {} s", time_max.as_secs_f64())]
    Late {
        /// The registry, or the node.
        server: String,
        /// What is allowed.
        time_max: Duration,
    },
    /// There is no engine that a node could run in.
    #[error("neither Podman nor Docker is here, and a node is a container of theirs")]
    NoEngine,
    /// A node does not pull.
    #[error("the node {node} does not pull")]
    Node {
        /// The node.
        node: String,
        /// The engine's words, or the node's.
        #[source]
        source: EngineError,
    },
    /// A result cannot be written to its file.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The result cannot be written to stdout.
    #[error("cannot write the result")]
    Output(#[source] io::Error),
}

impl BenchError {
    /// Whether the command line is to blame.
    pub const fn is_misuse(&self) -> bool {
        matches!(self, Self::NotLoopback { .. } | Self::Bounds { .. })
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotLoopback { .. } => Some(
                "a benchmark is a load that somebody has to bear: if it is yours to give, add --yes"
                    .to_owned(),
            ),
            Self::Bounds { .. } => Some(
                "take smaller blobs or fewer clients, or allow more by --bytes-max SIZE".to_owned(),
            ),
            Self::Late { .. } => Some("allow more by --seconds-max S".to_owned()),
            Self::Remote(error) => error.hint(),
            Self::Container { .. } => {
                Some("name its process instead: --server-pid PID".to_owned())
            }
            Self::Node { node, .. } => Some(format!(
                "it needs {node} to run, with crictl in it, and to reach the registry by that name: \
                 `wharf up` sees to both, `wharf status` lists nodes"
            )),
            _ => None,
        }
    }
}
