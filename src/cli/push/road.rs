//! Which road an image takes: the registry takes it in from the store, or its layers are streamed.
//!
//! Taking in is asked for only where it can be: no request is spent on a registry that has no secret
//! of ours, and the secret goes to registries on this machine alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use wharf_oci::ingest::{Secret, SecretError};

/// Why an image is streamed that might be taken in.
const ASKED: &str = "--via stream says so";

/// A road that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Via {
    /// The registry takes the image out of Podman's store itself
    Ingest,
    /// The layers are read here and sent over HTTP
    Stream,
}

/// What decides about the road of an image.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// `--via`.
    pub asked: Option<Via>,
    /// Whether the registry is on this machine.
    pub is_local: bool,
    /// Whether the image is one of Podman's, so that a registry may see it.
    pub is_podmans: bool,
    /// Whether it has an id to ask for: an index of several images has none.
    pub is_single: bool,
    /// Whether layers go in another form than the store's.
    pub compresses: bool,
    /// Whether there is a secret to show.
    pub has_secret: bool,
}

/// The road to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Road {
    /// Ask the registry to take the image in; stream if it does not.
    Ingest,
    /// Stream; with the reason why the registry is not asked to take it in.
    Stream(&'static str),
}

/// Why `--via ingest` is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Impossible(pub &'static str);

impl Circumstances {
    /// The road.
    ///
    /// # Errors
    /// `--via ingest` was asked for, and cannot be.
    pub fn road(self) -> Result<Road, Impossible> {
        let obstacle = match self {
            Self { asked: Some(Via::Stream), .. } => return Ok(Road::Stream(ASKED)),
            Self { is_podmans: false, .. } => "the image is not in Podman's store",
            Self { is_single: false, .. } => "only single images are taken in, no indexes",
            Self { is_local: false, .. } => "the registry is not on this machine",
            Self { compresses: true, .. } => "the layers are to be compressed",
            Self { has_secret: false, .. } => "there is no secret for the registry",
            _ => return Ok(Road::Ingest),
        };
        match self.asked {
            Some(Via::Ingest) => Err(Impossible(obstacle)),
            _ => Ok(Road::Stream(obstacle)),
        }
    }
}

/// Why the secret for ingest cannot be had.
#[derive(Debug, Error)]
pub enum SecretFileError {
    /// It cannot be read.
    #[error("cannot read the secret for ingest in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It holds no secret.
    #[error("{} holds no secret for ingest", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why it does not.
        #[source]
        source: SecretError,
    },
}

/// The secret in the file that was named, which has to be there, or in the one that the setup makes.
///
/// # Errors
/// The file named is absent, or a file cannot be read or holds something else.
pub fn secret(
    named: Option<&Path>,
    default: Option<&Path>,
) -> Result<Option<Secret>, SecretFileError> {
    let Some(path) = named.or(default) else { return Ok(None) };
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {
            return Ok(None);
        }
        read => read.map_err(|source| SecretFileError::Read { path: path.to_owned(), source })?,
    };
    let secret = text.parse();
    let secret =
        secret.map_err(|source| SecretFileError::Content { path: path.to_owned(), source })?;
    Ok(Some(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEST: Circumstances = Circumstances {
        asked: None,
        is_local: true,
        is_podmans: true,
        is_single: true,
        compresses: false,
        has_secret: true,
    };

    #[test]
    fn ingest_is_taken_where_nothing_stands_in_its_way() {
        assert_eq!(BEST.road(), Ok(Road::Ingest));
        assert_eq!(Circumstances { asked: Some(Via::Ingest), ..BEST }.road(), Ok(Road::Ingest));
        for obstructed in [
            Circumstances { is_local: false, ..BEST },
            Circumstances { is_podmans: false, ..BEST },
            Circumstances { is_single: false, ..BEST },
            Circumstances { compresses: true, ..BEST },
            Circumstances { has_secret: false, ..BEST },
        ] {
            assert!(matches!(obstructed.road(), Ok(Road::Stream(_))), "{obstructed:?}");
            let forced = Circumstances { asked: Some(Via::Ingest), ..obstructed };
            assert!(forced.road().is_err(), "{forced:?}");
        }
        let stream = Circumstances { asked: Some(Via::Stream), ..BEST }.road();
        assert_eq!(stream, Ok(Road::Stream(ASKED)));
    }

    #[test]
    fn a_secret_that_was_named_has_to_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        assert_eq!(secret(None, Some(&path)).unwrap(), None);
        assert_eq!(secret(None, None).unwrap(), None);
        assert!(matches!(secret(Some(&path), None), Err(SecretFileError::Read { .. })));
        fs::write(&path, "0123456789abcdef0123456789abcdef\n").unwrap();
        assert!(secret(None, Some(&path)).unwrap().is_some());
        assert!(secret(Some(&path), None).unwrap().is_some());
        fs::write(&path, "short").unwrap();
        assert!(matches!(secret(None, Some(&path)), Err(SecretFileError::Content { .. })));
    }
}
