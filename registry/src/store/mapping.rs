//! A blob's file mapped into memory, so that a pull hands the kernel's own pages to the socket.
//!
//! The bytes are never touched in user space and never faulted in where a request waits: a window is
//! first brought in by [`MappedBlob::window`], on a blocking thread, by `MADV_POPULATE_READ` (Linux
//! 5.14), which also reports a file that was cut short as an error instead of a signal. Where the
//! system cannot do that, [`MappedBlob::map`] gives `None` and the file is read instead; on systems
//! other than Linux `no_mapping` stands in this place.

#![expect(
    unsafe_code,
    reason = "a mapping is unsound only while its file shrinks or changes. Blobs are renamed into \
              place whole and never written again, and no code of ours reads the mapped bytes: they \
              go to the kernel in a write, which fails with EFAULT where a stranger truncated the \
              file."
)]

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

mod freshness;

use self::freshness::Freshness;
use super::error::StoreError;

/// A whole file, mapped read-only; cloning shares the mapping.
#[derive(Debug, Clone)]
pub(crate) struct MappedBlob {
    bytes: Bytes,
    mapping: Arc<memmap2::Mmap>,
    freshness: Arc<Freshness>,
    path: Arc<Path>,
}

impl MappedBlob {
    /// Maps `file`, which has at least one byte. `None` where the system lacks what it needs.
    pub(crate) fn map(file: &File, path: &Path) -> Option<Self> {
        // SAFETY: see the reason at the head of the file.
        let mapping = unsafe { memmap2::Mmap::map(file) }.ok()?;
        mapping.advise_range(memmap2::Advice::PopulateRead, 0, 1).ok()?;
        // A pull reads the file from front to back: the kernel may read ahead generously.
        let _ = mapping.advise(memmap2::Advice::Sequential);
        let freshness = Arc::new(Freshness::new(mapping.len()));
        let mapping = Arc::new(mapping);
        let bytes = Bytes::from_owner(Shared(Arc::clone(&mapping)));
        Some(Self { bytes, mapping, freshness, path: path.into() })
    }

    /// Brings the pages of `range` in and gives them. Blocks while the disk is read.
    ///
    /// Pages that were brought in a moment ago are there: to walk them again for each of several
    /// clients costs a fifth of a pull.
    pub(crate) fn window(&self, range: Range<usize>) -> Result<Bytes, StoreError> {
        if !self.freshness.is_fresh(&range) {
            self.mapping
                .advise_range(memmap2::Advice::PopulateRead, range.start, range.len())
                .map_err(|_| StoreError::CutShort { path: self.path.to_path_buf() })?;
            self.freshness.note(&range);
        }
        Ok(self.bytes.slice(range))
    }
}

/// Lets `Bytes` keep the mapping alive.
struct Shared(Arc<memmap2::Mmap>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
