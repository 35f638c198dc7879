//! Why an image is not taken in: what the store does not hold, what is damaged there, and what the
//! registry itself refuses.

use std::io;

use wharf_oci::Digest;
use wharf_storage_reader::RewriteError;

use crate::error::Error;
use crate::receive::FillError;

/// Why an image is not taken in. No tag was moved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IngestError {
    /// The image is not in the store, or something of it is not.
    #[error("cannot find the image {image} in the mounted store")]
    Image {
        image: Digest,
        #[source]
        source: Box<wharf_storage_reader::Error>,
    },
    /// It has no manifest over layers that the store can give.
    #[error("cannot take the image {image} from the mounted store")]
    Manifest {
        image: Digest,
        #[source]
        source: Box<RewriteError>,
    },
    /// A layer cannot be put together again from what is in the store.
    #[error("cannot open the layer {digest} in the mounted store")]
    Layer {
        digest: Digest,
        #[source]
        source: Box<wharf_storage_reader::Error>,
    },
    /// A layer's files are not there any more, or not what they were.
    #[error("cannot read the layer {digest} from the mounted store")]
    Read {
        digest: Digest,
        #[source]
        source: io::Error,
    },
    /// A layer's bytes are not those of its digest.
    #[error(
        "the layer {digest} is damaged in the mounted store: its files make {found}; build or pull \
         the image again"
    )]
    Damaged { digest: Digest, found: Digest },
    /// The client has gone.
    #[error("nobody waits for it any more")]
    Unheard,
    /// The registry cannot store it.
    #[error(transparent)]
    Registry(#[from] Error),
}

impl IngestError {
    /// What stopped the layer `digest` on its way in.
    pub(super) fn filling(digest: Digest, error: FillError) -> Self {
        match error {
            FillError::Read(source) => Self::Read { digest, source },
            FillError::Receive(error) => Self::Registry(error),
        }
    }

    /// What stopped the layer `digest` at its end.
    pub(super) fn committing(digest: Digest, error: Error) -> Self {
        match error {
            Error::DigestMismatch { found, .. } => Self::Damaged { digest, found },
            error => Self::Registry(error),
        }
    }
}
