//! The words of ingest, Wharf's own end-point: the registry takes an image out of a
//! containers/storage that it can see itself, and tells how far it is.
//!
//! `POST /wharf/ingest` with an [`IngestRequest`] and `Authorization: Bearer SECRET`. The answer is
//! 200 with one JSON [`IngestEvent`] a line, the last one `done` or `failed`; or an error body: 401
//! without the right secret, 403 to a web page, 404 [`IMAGE_UNKNOWN`] if the store does not hold the
//! image, or not in a form that can be taken in, and 400 `UNSUPPORTED` for another version. Where
//! there is no ingest it is 404, as for any path that does not exist. Closing the connection calls
//! the ingest off.

use serde::{Deserialize, Serialize};

use crate::{Digest, RepositoryName, Tag};

mod secret;

pub use secret::{SECRET_LENGTH_MAX, SECRET_LENGTH_MIN, Secret, SecretError};

/// Where ingest is asked for.
pub const INGEST_PATH: &str = "/wharf/ingest";
/// The version of these words that this build speaks.
pub const INGEST_VERSION: u32 = 1;
/// The code of the error body when the store does not hold the image.
pub const IMAGE_UNKNOWN: &str = "IMAGE_UNKNOWN";

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestRequest {
    /// [`INGEST_VERSION`] of the one who asks.
    pub version: u32,
    /// The image's id: the digest of its config, as the store's own index has it.
    pub image: Digest,
    /// The repository to put it into.
    pub name: RepositoryName,
    /// The tag to move; without one the manifest is stored by its digest alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
}

/// Where a blob is before an ingest begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlobPlace {
    /// In the store alone: it is taken in.
    Store,
    /// In the repository already.
    Repository,
    /// In another repository of the registry: the registry links it, and no byte moves.
    Registry,
}

/// What happens, one a line. Numbers are bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum IngestEvent {
    /// The image was found; told first, with the version of the one who answers.
    Begun {
        /// [`INGEST_VERSION`] of the registry.
        version: u32,
    },
    /// A blob of the image, told for each before any moves.
    Blob {
        /// Its digest.
        digest: Digest,
        /// Its size.
        size: u64,
        /// Whether it is a layer; else the config.
        layer: bool,
        /// Where it is.
        place: BlobPlace,
    },
    /// So much of a blob was taken in.
    Taken {
        /// The blob.
        digest: Digest,
        /// Bytes so far.
        bytes: u64,
    },
    /// A blob is durable and visible.
    Stored {
        /// The blob.
        digest: Digest,
    },
    /// Manifest and tag are in place: the last line.
    Done {
        /// The manifest's digest.
        digest: Digest,
        /// Whether the manifest is the store's own, byte for byte; else it was rewritten for the
        /// uncompressed layers of an image that was pulled.
        original: bool,
        /// Whether all was in its place before, so that nothing was done.
        unchanged: bool,
    },
    /// It did not come to its end, and no tag moved: the last line.
    Failed {
        /// What happened, for a person.
        message: String,
    },
}
