//! Why a push failed, in words for a person: what happened, to what, and what to do.

use std::io;
use std::path::PathBuf;

use wharf_oci::{Digest, ManifestError, Reference, RepositoryName};

/// A push that did not succeed. No tag was moved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It was told to stop.
    #[error("the push was stopped; no tag was moved")]
    Stopped,
    /// The registry could not be asked what it has.
    #[error("cannot find out what {name} holds")]
    Ask {
        /// The repository.
        name: RepositoryName,
        /// What went wrong.
        #[source]
        source: Box<wharf_client::Error>,
    },
    /// A blob did not get to the registry.
    #[error("cannot push {digest} to {name}")]
    Send {
        /// The repository.
        name: RepositoryName,
        /// The blob.
        digest: Digest,
        /// What went wrong.
        #[source]
        source: Box<wharf_client::Error>,
    },
    /// The registry did not take the manifest.
    #[error("cannot push the manifest of {name}, reference {reference}")]
    Manifest {
        /// The repository.
        name: RepositoryName,
        /// The tag, or the digest.
        reference: Box<Reference>,
        /// What went wrong.
        #[source]
        source: Box<wharf_client::Error>,
    },
    /// A layer could not be read from its source.
    #[error(
        "cannot read the layer {digest} from {origin}: was the image removed while it was pushed?"
    )]
    LayerGone {
        /// The layer.
        digest: Digest,
        /// Its source.
        origin: String,
        /// What the source said.
        #[source]
        source: io::Error,
    },
    /// A layer's bytes are others than those that the image names.
    #[error(
        "{origin} gives other bytes for the layer {digest} than those that the image names: the layer \
         is damaged or was changed there; build or pull the image again"
    )]
    LayerDamaged {
        /// The layer.
        digest: Digest,
        /// Its source.
        origin: String,
        /// What the registry said, if it was the registry that noticed.
        #[source]
        source: Option<Box<wharf_client::Error>>,
    },
    /// A layer could not be compressed.
    #[error("cannot compress the layer {digest} in {spool}: is there room?")]
    Compress {
        /// The layer.
        digest: Digest,
        /// The folder of the compressed layers.
        spool: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The image is to be stored under a digest that is not its own.
    #[error("the image's manifest has the digest {found}: it cannot be pushed as {wanted}")]
    OtherDigest {
        /// The digest asked for.
        wanted: Box<Digest>,
        /// The manifest's.
        found: Box<Digest>,
    },
    /// The index names an image that neither the source nor the registry has.
    #[error(
        "the index names the image {digest}, which {origin} does not hold and {name} does not have: \
         pull all its platforms, or push one of them"
    )]
    ChildMissing {
        /// The image.
        digest: Digest,
        /// The source.
        origin: String,
        /// The repository.
        name: RepositoryName,
    },
    /// The manifest could not be rewritten for layers in another form.
    #[error("cannot rewrite the manifest for its layers' new form")]
    Rewrite(#[source] Box<ManifestError>),
}
