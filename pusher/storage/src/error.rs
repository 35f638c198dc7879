//! What can go wrong before the first byte of a layer: with the store, with a name, with an image.
//!
//! Each says what happened, to what, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use wharf_oci::{Digest, ManifestError};

/// A store that cannot be read, or does not hold what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no store at that place.
    #[error(
        "there is no image store at {}: has Podman made one, and is this its place?",
        path.display()
    )]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The store is there, but this user may not read it.
    #[error(
        "this user may not read {}: run as the user whose store it is, or under `podman unshare`",
        path.display()
    )]
    Unreadable {
        /// What may not be read.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file of the store could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file of the store is longer than any that Podman writes.
    #[error("{} is longer than {limit} bytes: the store is damaged", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most it may be, in bytes.
        limit: u64,
    },
    /// A file of the store is not what it should be.
    #[error(
        "{} is not the JSON that Podman writes: the store is damaged, or newer than this program",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// No image has that name.
    #[error("there is no image {name} in the store{}", hint(nearest))]
    ImageUnknown {
        /// What was asked for.
        name: String,
        /// Names that are nearly the same, best first.
        nearest: Vec<String>,
    },
    /// Several images could be meant.
    #[error("{name} could be any of {}: write more of the name or of the id", images.join(", "))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// What it could be.
        images: Vec<String>,
    },
    /// The image has no manifest, or no config.
    #[error(
        "the image {image} has no {lack} in the store: was it removed meanwhile? Build or pull it again"
    )]
    Incomplete {
        /// The image's id.
        image: Digest,
        /// What it has not.
        lack: &'static str,
    },
    /// A file of the image is not the one that its digest names.
    #[error(
        "the {what} of the image {image} does not have the digest {expected}: the store is damaged. \
         Remove the image, then build or pull it again"
    )]
    DigestMismatch {
        /// The image's id.
        image: Box<Digest>,
        /// `manifest` or `config`.
        what: &'static str,
        /// The digest that it should have.
        expected: Box<Digest>,
    },
    /// The image's manifest is none.
    #[error("the manifest of the image {image} cannot be understood")]
    ManifestMalformed {
        /// The image's id.
        image: Digest,
        /// What is wrong with it.
        #[source]
        source: Box<ManifestError>,
    },
    /// The image's layers in the store are not those that its config or manifest names.
    #[error(
        "the image {image} has {found} layers in the store, but its manifest names {named}: \
         build or pull it again"
    )]
    LayersDiffer {
        /// The image's id.
        image: Digest,
        /// How many the store has.
        found: usize,
        /// How many the manifest names.
        named: usize,
    },
    /// A layer that an image needs is not in the store.
    #[error(
        "the layer {layer} is not in the store any more: was its image removed meanwhile? \
         Build or pull it again"
    )]
    LayerMissing {
        /// The layer's id in the store.
        layer: String,
    },
    /// The layers below an image come back to themselves, or never end.
    #[error("the layers below {layer} have no end: the store is damaged")]
    LayerEndless {
        /// The layer's id in the store.
        layer: String,
    },
    /// The store keeps no record of how the layer's archive was put together.
    #[error(
        "the layer {layer} has no tar-split file, so its archive cannot be made again from here; \
         Podman itself can (`podman save`)"
    )]
    NoTarSplit {
        /// The layer's id in the store.
        layer: String,
    },
    /// The layer lies in the store in a form that only Podman reads.
    #[error(
        "the layer {layer} is kept as composefs, which this program does not read; Podman itself \
         does (`podman save`)"
    )]
    Composefs {
        /// The layer's id in the store.
        layer: String,
    },
}

impl Error {
    /// A failure to read `path`.
    pub(crate) fn reading(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Unreadable { path, source },
            _ => Self::Read { path, source },
        }
    }

    /// Whether the archive of a layer cannot be made here though Podman can make it: another way to
    /// read the image, like `podman save`, will do.
    #[must_use]
    pub fn needs_podman(&self) -> bool {
        matches!(self, Self::NoTarSplit { .. } | Self::Composefs { .. })
    }
}

fn hint(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        names => format!("; the nearest: {}", names.join(", ")),
    }
}
