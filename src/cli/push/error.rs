//! Why a push did not happen, and what to do about it. Whatever it was, no tag moved, unless the
//! words say otherwise.

use std::io;
use std::path::Path;

use thiserror::Error;
use wharf_client::AddressError;
use wharf_oci::ImageReferenceError;
use wharf_pusher::ingest::IngestError;
use wharf_pusher::source::SourceError;
use wharf_storage_reader::LocationError;

use super::road::{Impossible, SecretFileError};
use crate::cli::registries::RulesError;
use crate::cli::remote::of_access;
use crate::process::RunError;

/// Everything that a push can end with, but for success.
#[derive(Debug, Error)]
pub enum PushError {
    /// What was typed is no name of an image.
    #[error("`{typed}` is not the name of an image")]
    Name {
        /// What was typed.
        typed: String,
        /// What is wrong with it.
        #[source]
        source: ImageReferenceError,
    },
    /// The name begins with a host that cannot be asked.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// One new name for several images.
    #[error("--as names one image, and {count} are to be pushed")]
    OneName {
        /// How many.
        count: usize,
    },
    /// The image was not named by a name, and has none.
    #[error("{image} has no name, so there is no place for it in a registry")]
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
    /// The store does not have the image, or not in a form that can be pushed.
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
    /// `--via ingest`, where that cannot be.
    #[error("--via ingest is not possible: {}", .0.0)]
    NoIngest(Impossible),
    /// `--via ingest`, and the registry did not take the image in.
    #[error("the registry did not take in {image}")]
    Ingest {
        /// Which image.
        image: String,
        /// What it said.
        #[source]
        source: IngestError,
    },
    /// The secret for ingest cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    /// The user's own rules are in the way of the registry.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The client of the registry cannot be made: a certificate that is none, most often.
    #[error(transparent)]
    Client(#[from] wharf_client::Error),
    /// The push failed.
    #[error(transparent)]
    Push(#[from] wharf_pusher::Error),
    /// The threads or signals of the program cannot be had.
    #[error("cannot start the runtime of the push")]
    Runtime(#[source] io::Error),
    /// The person at the terminal ended it.
    #[error("interrupted; no tag moved to an image that is not whole")]
    Interrupted,
}

impl PushError {
    /// Whether the command line is at fault.
    pub fn is_misuse(&self) -> bool {
        matches!(
            self,
            Self::Name { .. }
                | Self::Address(_)
                | Self::OneName { .. }
                | Self::Unnamed { .. }
                | Self::ManyNames { .. }
                | Self::NoInput
                | Self::NoIngest(_)
                | Self::Secret(_)
        )
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::OneName { .. } => "push them one by one",
            Self::Unnamed { .. } | Self::ManyNames { .. } => "name it with --as NAME:TAG",
            Self::NoInput => "podman save IMAGE | wharf push -",
            Self::Engine { source: RunError::Missing { .. }, .. } => return None,
            Self::Engine { .. } => {
                "`podman images` lists the images; on macOS, `podman machine \
                                    start` starts the machine they are in"
            }
            Self::NoEngine { .. } => {
                "say where Podman's store is with --storage-root, or push an \
                                      archive: podman save IMAGE | wharf push - --as NAME:TAG"
            }
            Self::Unshare(_) => {
                "push an archive instead: podman save IMAGE | wharf push - --as \
                                 NAME:TAG"
            }
            Self::NoIngest(_) | Self::Ingest { .. } => {
                "without --via the image is streamed where it cannot be taken in"
            }
            Self::Secret(_) => "the setup makes it, and --ingest-secret FILE names another",
            Self::Store(error) => return of_store(error),
            Self::Source(error) => return of_source(error),
            Self::Client(error) => return of_client(error),
            Self::Push(error) => return of_push(error),
            _ => return None,
        };
        Some(text.to_owned())
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

fn of_source(error: &SourceError) -> Option<String> {
    match error {
        SourceError::Ambiguous { .. } | SourceError::ImageUnknown { .. } => {
            Some("say which image: wharf push FILE:NAME:TAG, or oci:FOLDER:NAME".into())
        }
        _ => None,
    }
}

fn of_push(error: &wharf_pusher::Error) -> Option<String> {
    use wharf_pusher::Error as E;
    match error {
        E::Ask { source, .. } | E::Send { source, .. } | E::Manifest { source, .. } => {
            of_client(source)
        }
        E::OtherDigest { .. } => Some("give it a tag in place of the digest".into()),
        _ => None,
    }
}

fn of_client(error: &wharf_client::Error) -> Option<String> {
    use wharf_client::Error as E;
    of_access(error).or_else(|| match error {
        E::Unreachable { address, .. } if address.is_local() => {
            Some("start one with `wharf serve`, or name another with --registry HOST:PORT".into())
        }
        E::Refused { address, status, .. } if [401, 403].contains(&status.as_u16()) => {
            let name = address.name();
            Some(format!("log in as a user who may push there: wharf login {name}"))
        }
        // As servers of TLS answer plain HTTP.
        E::Refused { address, status, code: None, .. }
            if status.as_u16() == 400 && address.is_local() =>
        {
            Some(format!("if it speaks TLS, write https://{}", address.name()))
        }
        // A registry that refuses it by itself says so in its own words.
        E::Refused { status, code: None, .. } if status.as_u16() == 413 => {
            Some("a proxy in front of the registry refuses large requests".into())
        }
        _ => None,
    })
}
