//! What the registry refuses or cannot do, in the distribution spec's words.
//!
//! The domain knows no statuses: `http/error.rs` gives each variant its own.

use wharf_oci::{Digest, ManifestError, Reference, RepositoryName, UploadId};

use crate::store::error::StoreError;

/// Why a request was not fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The blob is not readable in this repository.
    #[error("{digest} is not in {name}")]
    BlobUnknown {
        /// Where it was asked for.
        name: RepositoryName,
        /// What was asked for.
        digest: Digest,
    },
    /// A blob is larger than this registry accepts.
    #[error("the blob is larger than {limit} bytes, the most that this registry accepts")]
    BlobTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// There is no such upload session: it was finished, cancelled or given up, or never was.
    #[error("there is no upload session {id} in {name}; start a new one")]
    UploadUnknown {
        /// The repository it was asked in.
        name: RepositoryName,
        /// Its id.
        id: UploadId,
    },
    /// A chunk does not begin where the session ends; nothing of it was kept.
    #[error("the upload holds {offset} bytes, and the chunk does not begin there")]
    UploadOutOfOrder {
        /// The session's repository.
        name: RepositoryName,
        /// The session.
        id: UploadId,
        /// The bytes that it holds.
        offset: u64,
    },
    /// Another request is sending into this session.
    #[error("another request is sending into upload session {id} of {name}")]
    UploadBusy {
        /// The session's repository.
        name: RepositoryName,
        /// The session.
        id: UploadId,
        /// The bytes that it holds so far.
        offset: u64,
    },
    /// No more sessions can be opened.
    #[error("{limit} uploads are open, the most that this registry keeps; finish or cancel some")]
    UploadsTooMany {
        /// The limit.
        limit: usize,
    },
    /// The bytes hash to another digest than the client said. The session is gone.
    #[error("the content is {found}, not {claimed}")]
    DigestMismatch {
        /// What the client said.
        claimed: Digest,
        /// What the bytes hash to.
        found: Digest,
    },
    /// More or fewer bytes came than were announced.
    #[error("{announced} bytes were announced and {received} received")]
    SizeMismatch {
        /// By `Content-Length` or `Content-Range`.
        announced: u64,
        /// What came.
        received: u64,
    },
    /// No manifest of this tag or digest is readable in this repository.
    #[error("{name} has no manifest {reference}")]
    ManifestUnknown {
        /// Where it was asked for.
        name: RepositoryName,
        /// What was asked for.
        reference: Reference,
    },
    /// The body is no manifest, or not of the type that the request says.
    #[error("the manifest is not valid")]
    ManifestInvalid {
        /// What is wrong with it.
        #[source]
        source: ManifestError,
    },
    /// The manifest is larger than this registry accepts.
    #[error("the manifest is larger than {limit} bytes, the most that this registry accepts")]
    ManifestTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The manifest names blobs or manifests that are not in the repository, or not of that size.
    #[error("the manifest names {} blobs that are not in {name}", missing.len())]
    ManifestBlobsUnknown {
        /// The repository.
        name: RepositoryName,
        /// What is missing.
        missing: Vec<Digest>,
    },
    /// The manifest hashes to another digest than it was pushed by.
    #[error("the manifest is {found}, not {claimed}")]
    ManifestDigestMismatch {
        /// The digest in the request.
        claimed: Digest,
        /// What the bytes hash to.
        found: Digest,
    },
    /// Nothing was ever pushed to this repository.
    #[error("there is no repository {name}")]
    NameUnknown {
        /// The name asked for.
        name: RepositoryName,
    },
    /// Deleting is switched off.
    #[error("this registry does not delete: it was started so")]
    DeletesDisabled,
    /// Writing is switched off.
    #[error("this registry is read-only: it was started so")]
    ReadOnly,
    /// The volume has no room for what was sent or announced. What is stored stays intact.
    #[error("no room on the registry's volume: {needed} bytes needed, {available} available")]
    StorageFull {
        /// Bytes that would have to be written.
        needed: u64,
        /// Bytes that may be written, after the reserve that is kept free.
        available: u64,
    },
    /// The store failed.
    #[error("cannot {operation}")]
    Store {
        /// What was to be done: `read a blob`, `commit an upload` …
        operation: &'static str,
        /// What went wrong.
        #[source]
        source: StoreError,
    },
}
