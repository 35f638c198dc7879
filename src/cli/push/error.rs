//! Why a push did not happen, and what to do about it. Whatever it was, no tag moved, unless the
//! words say otherwise.

use std::io;

use thiserror::Error;
use wharf_client::AddressError;
use wharf_pusher::ingest::IngestError;

use super::road::{Impossible, SecretFileError};
use crate::cli::finder::FindError;
use crate::cli::registries::RulesError;
use crate::cli::remote::of_access;

/// Everything that a push can end with, but for success.
#[derive(Debug, Error)]
pub enum PushError {
    /// The image cannot be had.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The name begins with a host that cannot be asked.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// One new name for several images.
    #[error("--as names one image, and {count} are to be pushed")]
    OneName {
        /// How many.
        count: usize,
    },
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
            Self::Address(_) | Self::OneName { .. } | Self::NoIngest(_) | Self::Secret(_)
        ) || self.of_finding().is_some_and(FindError::is_misuse)
    }

    /// The error of finding or reading an image, if it is one.
    pub fn of_finding(&self) -> Option<&FindError> {
        match self {
            Self::Find(error) => Some(error),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::OneName { .. } => "push them one by one",
            Self::NoIngest(_) | Self::Ingest { .. } => {
                "without --via the image is streamed where it cannot be taken in"
            }
            Self::Secret(_) => "the setup makes it, and --ingest-secret FILE names another",
            Self::Find(error) => return error.hint("push"),
            Self::Client(error) => return of_client(error),
            Self::Push(error) => return of_push(error),
            _ => return None,
        };
        Some(text.to_owned())
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
