//! The mappings that are kept: a blob that several nodes pull is mapped once, and its pages are
//! brought in once.
//!
//! A mapping is taken again only while the blob's path still leads to the same file, so a blob that
//! was replaced is mapped anew.

use std::collections::VecDeque;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use wharf_oci::Digest;

use super::content::Content;

/// Blobs whose mappings are kept when nobody reads them.
const KEPT_MAX: usize = 32;

/// Their length all together: 4 GiB, which is 8 MiB of page tables.
const KEPT_BYTES_MAX: u64 = 4 << 30;

/// The blobs that were read last, the latest at the end.
#[derive(Debug, Default)]
pub(super) struct Mappings {
    kept: Mutex<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    stored: Digest,
    file: FileIdentity,
    content: Content,
}

/// What tells two files apart that have the same path one after the other.
pub(super) type FileIdentity = (u64, u64, i64, i64);

impl Mappings {
    /// The content of `stored`, if it is kept and its file is still the one described by `found`.
    pub(super) fn get(&self, stored: &Digest, found: &Metadata) -> Option<Content> {
        let mut kept = self.lock();
        let place = kept.iter().position(|kept| kept.stored == *stored)?;
        let known = kept.remove(place)?;
        if known.file != identity(found) {
            return None;
        }
        let content = known.content.clone();
        kept.push_back(known);
        Some(content)
    }

    /// Keeps the content, and lets go of what was read longest ago.
    pub(super) fn keep(&self, stored: &Digest, found: &Metadata, content: &Content) {
        let mut kept = self.lock();
        kept.retain(|kept| kept.stored != *stored);
        kept.push_back(Kept { stored: *stored, file: identity(found), content: content.clone() });
        let bytes =
            |kept: &VecDeque<Kept>| kept.iter().map(|kept| kept.content.size()).sum::<u64>();
        while kept.len() > KEPT_MAX || (kept.len() > 1 && bytes(&kept) > KEPT_BYTES_MAX) {
            kept.pop_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The identity of the file that `found` describes.
pub(super) fn identity(found: &Metadata) -> FileIdentity {
    (found.dev(), found.ino(), found.mtime(), found.mtime_nsec())
}
