//! Why `wharf load` did not do what it was asked, and what to do about it.

use thiserror::Error;

use crate::cli::finder::FindError;
use crate::setup::SetupError;

/// Everything that the command can end with, but for success.
#[derive(Debug, Error)]
pub enum LoadFailure {
    /// The image cannot be had.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The nodes cannot be found.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// One new name for several images.
    #[error("--as names one image, and {count} are to be loaded")]
    OneName {
        /// How many.
        count: usize,
    },
    /// There is no cluster, or none of that name.
    #[error(
        "there is no cluster{}",
        named.as_ref().map(|name| format!(" called {name}")).unwrap_or_default()
    )]
    NoCluster {
        /// The name that was asked for.
        named: Option<String>,
        /// Those that there are.
        others: Vec<String>,
    },
    /// The result cannot be written to stdout.
    #[error("cannot write the result")]
    Output(#[source] std::io::Error),
    /// Some nodes do not have the images.
    #[error("not on {}", failed.join("; not on "))]
    Nodes {
        /// The nodes without them, each with the reason.
        failed: Vec<String>,
        /// Whether one of them is stopped.
        stopped: bool,
    },
}

impl LoadFailure {
    /// The error of finding or reading an image, if it is one.
    pub fn of_finding(&self) -> Option<&FindError> {
        match self {
            Self::Find(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the command line is at fault.
    pub fn is_misuse(&self) -> bool {
        match self {
            Self::OneName { .. } => true,
            Self::Find(error) => error.is_misuse(),
            _ => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Find(error) => error.hint("load"),
            Self::Setup(error) => error.hint(),
            Self::OneName { .. } => Some("load them one by one".into()),
            Self::NoCluster { others, .. } if others.is_empty() => {
                Some("`wharf up` makes one, as does `kind create cluster`".into())
            }
            Self::NoCluster { others, .. } => Some(format!("there is {}", others.join(", "))),
            Self::Nodes { stopped: true, .. } => {
                Some("`wharf up --no-cluster` starts nodes that stand still".into())
            }
            Self::Nodes { .. } | Self::Output(_) => None,
        }
    }
}
