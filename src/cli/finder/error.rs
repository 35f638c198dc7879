//! Why an image cannot be had from where it is, and what to do about it.

use std::path::Path;

use thiserror::Error;
use wharf_oci::ImageReferenceError;
use wharf_pusher::source::SourceError;
use wharf_storage_reader::LocationError;

use crate::process::RunError;
use crate::setup::error::{how_to_get, no_engine};

/// Why there is no image to work with.
#[derive(Debug, Error)]
pub enum FindError {
    /// What was typed is no name of an image.
    #[error("`{typed}` is not the name of an image")]
    Name {
        /// What was typed.
        typed: String,
        /// What is wrong with it.
        #[source]
        source: ImageReferenceError,
    },
    /// The image was not named by a name, and has none.
    #[error("{image} has no name, so there is no place for it to go to")]
    Unnamed {
        /// What was typed.
        image: String,
    },
    /// The image was not named by a name, and has several.
    #[error("{image} has several names: {}", names.join(", "))]
    ManyNames {
        /// What was typed.
        image: String,
        /// The names.
        names: Vec<String>,
    },
    /// Where the store is cannot be told, and no engine could be asked instead.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// The store does not have the image, or not in a form that can be read.
    #[error(transparent)]
    Store(#[from] wharf_storage_reader::Error),
    /// The engine does not have the image, or cannot be asked.
    #[error("cannot ask {engine} for {image}{}", meant(nearest))]
    Engine {
        /// Which engine.
        engine: &'static str,
        /// Which image.
        image: String,
        /// Names that are like it.
        nearest: Vec<String>,
        /// What it said.
        #[source]
        source: RunError,
    },
    /// Standard input is the keyboard.
    #[error("there is no archive on standard input: it is a terminal")]
    NoInput,
    /// There is neither a store nor an engine.
    #[error("cannot find {image}: {reason}, and neither podman nor docker is on the PATH")]
    NoEngine {
        /// Which image.
        image: String,
        /// Why it is not read in place.
        reason: String,
    },
    /// The files of the store can be read by Podman's help alone, and it did not help.
    #[error("cannot read the layers in Podman's store, nor go on under `podman unshare`")]
    Unshare(#[source] RunError),
    /// The image cannot be read from where it is.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl FindError {
    /// Whether the command line is at fault.
    pub fn is_misuse(&self) -> bool {
        matches!(
            self,
            Self::Name { .. } | Self::Unnamed { .. } | Self::ManyNames { .. } | Self::NoInput
        )
    }

    /// What to do about it, in a subcommand.
    pub fn hint(&self, command: &str) -> Option<String> {
        let piped = format!("podman save IMAGE | wharf {command} -");
        let text = match self {
            Self::Unnamed { .. } | Self::ManyNames { .. } => "name it with --as NAME:TAG".into(),
            Self::NoInput => piped,
            Self::Engine { source: RunError::Missing { program }, .. } => {
                return how_to_get(program);
            }
            Self::Engine { .. } => "`podman images` lists the images; on macOS, `podman machine \
                                    start` starts the machine they are in"
                .into(),
            Self::NoEngine { .. } => format!(
                "{}; or say where Podman's store is with --storage-root, or take an archive: {piped} \
                 --as NAME:TAG",
                no_engine()
            ),
            Self::Unshare(_) => format!("take an archive instead: {piped} --as NAME:TAG"),
            Self::Store(error) => return of_store(error),
            Self::Source(SourceError::Ambiguous { .. } | SourceError::ImageUnknown { .. }) => {
                format!("say which image: wharf {command} FILE:NAME:TAG, or oci:FOLDER:NAME")
            }
            _ => return None,
        };
        Some(text)
    }
}

fn meant(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        names => format!("; the nearest: {}", names.join(", ")),
    }
}

fn of_store(error: &wharf_storage_reader::Error) -> Option<String> {
    use wharf_storage_reader::Error as E;
    match error {
        E::ImageUnknown { name, .. } if Path::new(name).exists() => {
            Some(format!("there is such a file: --archive {name}, or oci:{name} for a layout"))
        }
        E::ImageUnknown { .. } => Some("`podman images` lists the images".into()),
        _ => None,
    }
}
