//! What ends a benchmark before its end.

use std::io;
use std::path::PathBuf;

use wharf_load::LoadError;

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
    /// There is no room for what is pushed.
    #[error("cannot make a temporary folder")]
    Spool(#[source] io::Error),
    /// The random name of a repository cannot be made.
    #[error("this machine gives no random numbers")]
    Random(#[source] getrandom::Error),
    /// No drawing can be made.
    #[error("cannot draw {}: drawings are not made yet", path.display())]
    NoPlot {
        /// The file that was asked for.
        path: PathBuf,
    },
    /// The trials of the loop are not there.
    #[error("cannot measure the loop yet")]
    NoLoop,
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
        matches!(self, Self::NotLoopback { .. })
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotLoopback { .. } => Some(
                "a benchmark is a load that somebody has to bear: if it is yours to give, add --yes"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}
