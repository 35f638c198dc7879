//! `SourceError`: why an image cannot be had from where it was looked for. Each variant says what
//! happened, to what, and where there is something to do, what; what the command line decides from
//! it (another road, another user) it asks by name.

use std::fmt;
use std::io;
use std::path::PathBuf;

use wharf_oci::{Digest, ManifestError};
use wharf_storage_reader::RewriteError;

/// How many images a message lists before it only counts them.
const LISTED_MAX: usize = 20;

/// Why an image cannot be had from a source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file or folder cannot be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Reading failed.
    #[error("cannot read {what} in {place}")]
    Read {
        /// The file or entry.
        what: String,
        /// The source.
        place: String,
        /// Why.
        source: io::Error,
    },
    /// It is a folder or an archive, but neither of the known forms.
    #[error(
        "{place} is no image: expected an OCI layout (index.json, blobs/) or an archive of `podman save` or `docker save` (manifest.json)"
    )]
    Shapeless {
        /// The source.
        place: String,
    },
    /// A compression that is not supported.
    #[error("{place} is compressed with {program}, which is not supported: decompress it first")]
    CompressionUnknown {
        /// The source.
        place: String,
        /// The program that wrote it.
        program: &'static str,
    },
    /// The archive ends in the middle.
    #[error("{place} is cut short in {what}: copy or save it again")]
    Truncated {
        /// The source.
        place: String,
        /// The entry that is not whole, or what was expected next.
        what: String,
    },
    /// The archive is not a tar archive, or is damaged.
    #[error("{place} is not a sound tar archive at byte {offset}: {problem}")]
    Header {
        /// The source.
        place: String,
        /// Where, in bytes from its start, after decompression.
        offset: u64,
        /// What is wrong there.
        problem: HeaderProblem,
    },
    /// An entry or a link leads out of the source.
    #[error("{entry} in {place} leads outside of it: such a source is not read")]
    Outside {
        /// The source.
        place: String,
        /// The entry's name.
        entry: String,
    },
    /// An entry's links lead to each other, or are too many.
    #[error("the links of {entry} in {place} lead nowhere")]
    LinkLoop {
        /// The source.
        place: String,
        /// The entry's name.
        entry: String,
    },
    /// Two entries have the same name.
    #[error("{entry} is twice in {place}: which one is meant is not for Wharf to guess")]
    Duplicate {
        /// The source.
        place: String,
        /// The entry's name.
        entry: String,
    },
    /// Something that is kept in memory, or listed, is larger than it may be.
    #[error("{what} in {place} is too large: {max} at most")]
    TooLarge {
        /// What.
        what: String,
        /// The source.
        place: String,
        /// The most that is allowed: bytes, unless `what` is a number of things.
        max: u64,
    },
    /// There is no image in it.
    #[error("there is no image in {place}")]
    Empty {
        /// The source.
        place: String,
    },
    /// The image that was asked for is not there.
    #[error("{wanted} is not in {place}, which has {}", Listed(found))]
    ImageUnknown {
        /// What was asked for.
        wanted: String,
        /// The source.
        place: String,
        /// What there is.
        found: Vec<String>,
    },
    /// There are several images, and it was not said which is meant.
    #[error("{place} has several images, say which: {}", Listed(found))]
    Ambiguous {
        /// The source.
        place: String,
        /// What there is.
        found: Vec<String>,
    },
    /// A blob or a file that the image names is not there.
    #[error("{what} is missing in {place}: save the image again")]
    Missing {
        /// What.
        what: String,
        /// The source.
        place: String,
    },
    /// Something has another size than the image says.
    #[error("{digest} in {place} has {found} bytes, but the image says {expected}: it is damaged")]
    SizeMismatch {
        /// What.
        digest: Digest,
        /// The source.
        place: String,
        /// What the image says.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// Something hashes to another digest than the one by which it is named.
    #[error("{digest} in {place} hashes to {found}: it is damaged")]
    DigestMismatch {
        /// By what it is named.
        digest: Digest,
        /// The source.
        place: String,
        /// What it hashes to.
        found: Digest,
    },
    /// Something that should be a manifest is not.
    #[error("the manifest {what} in {place} is broken")]
    Manifest {
        /// Its digest or file.
        what: String,
        /// The source.
        place: String,
        /// Why.
        source: ManifestError,
    },
    /// A file of the image is not the JSON that it should be.
    #[error("{what} in {place} is not JSON of the expected form")]
    Json {
        /// Its name.
        what: String,
        /// The source.
        place: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The config names another number of layers than there are.
    #[error("the config of the image in {place} names {named} layers, but there are {found}")]
    LayerCount {
        /// The source.
        place: String,
        /// How many the config names.
        named: usize,
        /// How many there are.
        found: usize,
    },
    /// Indexes in indexes, too deep.
    #[error("the indexes in {place} stand too deep in each other: {max} at most")]
    Nesting {
        /// The source.
        place: String,
        /// How many may.
        max: usize,
    },
    /// The blob is none of this image's.
    #[error("{digest} is no layer of the image in {place}")]
    BlobUnknown {
        /// The digest.
        digest: Digest,
        /// The source.
        place: String,
    },
    /// The layer was passed over, since the registry had it when the stream went by.
    #[error(
        "{digest} was not kept when {place} was read, since the registry had it then, and now it has not: push again"
    )]
    PassedOver {
        /// The layer.
        digest: Digest,
        /// The source.
        place: String,
    },
    /// The file in which a stream is kept cannot be made or written.
    #[error(
        "cannot keep the layers of {place} in {}: make room there, or choose another folder for temporary files",
        folder.display()
    )]
    Spool {
        /// The source.
        place: String,
        /// The folder.
        folder: PathBuf,
        /// Why: a full disk, most often.
        source: io::Error,
    },
    /// Podman's store does not give the image.
    #[error("{place} does not give the image {image}")]
    Store {
        /// The image, as it was asked for.
        image: String,
        /// The store.
        place: String,
        /// Why.
        source: Box<wharf_storage_reader::Error>,
    },
    /// Podman's store does not know enough of the image's layers.
    #[error("{place} cannot give the image {image} in place")]
    Rewrite {
        /// The image, as it was asked for.
        image: String,
        /// The store.
        place: String,
        /// Why.
        source: RewriteError,
    },
    /// The program that saves the image failed.
    #[error("cannot have {image} saved")]
    Save {
        /// The image.
        image: String,
        /// Why.
        source: io::Error,
    },
}

impl SourceError {
    /// Whether the image is there, but only its engine can give it: `podman save` may do what reading
    /// the store in place cannot.
    #[must_use]
    pub fn needs_podman(&self) -> bool {
        match self {
            Self::Store { source, .. } => source.needs_podman(),
            Self::Rewrite { source, .. } => matches!(source, RewriteError::LayerUnknown { .. }),
            _ => false,
        }
    }

    /// Whether the image's store belongs to another user, or to users that are mapped in this one's
    /// containers: below `podman unshare`, the same call may succeed.
    #[must_use]
    pub fn needs_unshare(&self) -> bool {
        let Self::Store { source, .. } = self else { return false };
        matches!(**source, wharf_storage_reader::Error::Unreadable { .. })
    }

    /// Whether there is no such image, though the source itself is sound.
    #[must_use]
    pub fn is_image_unknown(&self) -> bool {
        match self {
            Self::ImageUnknown { .. } => true,
            Self::Store { source, .. } => {
                matches!(**source, wharf_storage_reader::Error::ImageUnknown { .. })
            }
            _ => false,
        }
    }
}

impl From<SourceError> for io::Error {
    /// For readers of layers, which give errors of this type.
    fn from(error: SourceError) -> Self {
        Self::other(error)
    }
}

/// What is wrong with a tar archive's header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderProblem {
    /// The sum over the header is not the one that it gives.
    #[error("no header, or a damaged one")]
    Checksum,
    /// A number in the header is none.
    #[error("a size that is not a number")]
    Number,
    /// The entry would go beyond what 64 bits can count.
    #[error("a size beyond all bounds")]
    Overflow,
    /// A file with holes, which no program that saves images writes.
    #[error("a sparse file")]
    Sparse,
    /// A long name, or a record of extended fields, that is longer than it may be.
    #[error("a name or extended header of more than {max} bytes")]
    Long {
        /// The most bytes.
        max: u64,
    },
    /// A record of extended fields that cannot be read.
    #[error("an extended header that is broken")]
    Extended,
    /// Extended fields for an entry that does not follow, or twice for one entry.
    #[error("a long name or extended header that belongs to no entry")]
    Stray,
}

/// A list that does not become longer than a person reads.
struct Listed<'a>(&'a [String]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.len().min(LISTED_MAX);
        f.write_str(&self.0[..shown].join(", "))?;
        match self.0.len() - shown {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_help_is_told() {
        let store = |source| SourceError::Store {
            image: "app".to_owned(),
            place: "the store".to_owned(),
            source: Box::new(source),
        };
        let layer = || "1234".to_owned();
        let path = || PathBuf::from("/store");
        let denied = || io::ErrorKind::PermissionDenied.into();
        use wharf_storage_reader::Error as E;
        let table = [
            (E::NoTarSplit { layer: layer() }, [true, false, false]),
            (E::Composefs { layer: layer() }, [true, false, false]),
            (E::Unreadable { path: path(), source: denied() }, [false, true, false]),
            (E::ImageUnknown { name: layer(), nearest: Vec::new() }, [false, false, true]),
            (E::LayerMissing { layer: layer() }, [false, false, false]),
        ];
        for (error, expected) in table {
            let error = store(error);
            let told = [error.needs_podman(), error.needs_unshare(), error.is_image_unknown()];
            assert_eq!(told, expected, "{error:?}");
        }
    }

    #[test]
    fn lists_end_where_nobody_reads_on() {
        let found: Vec<_> = (0..25).map(|number| format!("app:{number}")).collect();
        let error = SourceError::Ambiguous { place: "it".to_owned(), found };
        let text = error.to_string();
        assert!(text.ends_with("app:18, app:19 and 5 more"), "{text}");
    }
}
