//! `Content`: what a source holds, by digest, whether in files or in an archive. Small things come
//! whole, are hashed, and then are what they are named; layers are looked at from outside only.

use bytes::Bytes;
use wharf_oci::{Digest, Manifest};

use super::error::SourceError;

/// The largest manifest, index or config that is read, in bytes. Registries take no larger manifest,
/// and whatever is not larger is kept from a stream without asking.
pub(super) const SMALL_BYTES_MAX: u64 = 4 << 20;

/// What a source holds.
pub(super) trait Content {
    /// The source, for a person.
    fn place(&self) -> &str;

    /// How large a blob is; none if it is not there.
    fn size(&self, digest: &Digest) -> Result<Option<u64>, SourceError>;

    /// A blob that is at most [`SMALL_BYTES_MAX`] long, unchecked; none if it is not there.
    fn bytes(&self, digest: &Digest) -> Result<Option<Bytes>, SourceError>;
}

/// A small blob, checked against its digest.
pub(super) fn small(content: &dyn Content, digest: &Digest) -> Result<Bytes, SourceError> {
    let bytes = content.bytes(digest)?.ok_or_else(|| missing(content, digest))?;
    checked(content.place(), digest, &bytes)?;
    Ok(bytes)
}

/// A manifest, checked against its digest.
pub(super) fn manifest(content: &dyn Content, digest: &Digest) -> Result<Manifest, SourceError> {
    let bytes = small(content, digest)?;
    Manifest::from_stored(bytes).map_err(|source| SourceError::Manifest {
        what: digest.to_string(),
        place: content.place().to_owned(),
        source,
    })
}

/// That something is missing.
pub(super) fn missing(content: &dyn Content, digest: &Digest) -> SourceError {
    SourceError::Missing { what: digest.to_string(), place: content.place().to_owned() }
}

/// That `bytes` are what `digest` names.
pub(super) fn checked(place: &str, digest: &Digest, bytes: &[u8]) -> Result<(), SourceError> {
    let found = Digest::of(digest.algorithm(), bytes);
    if found == *digest {
        return Ok(());
    }
    Err(SourceError::DigestMismatch { digest: *digest, place: place.to_owned(), found })
}
