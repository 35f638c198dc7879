//! A blob's file mapped into memory, so that a pull hands the kernel's own pages to the socket.
//!
//! The bytes are never touched in user space and never faulted in where a request waits: a window is
//! first brought in by [`MappedBlob::window`], on a blocking thread, by `MADV_POPULATE_READ` (Linux
//! 5.14), which also reports a file that was cut short as an error instead of a signal. Later ones
//! are handed out where the request waits ([`MappedBlob::window_at_once`]) as long as their pages are
//! there, which `mincore` tells in a few microseconds. A window whose bytes came from the disk says so,
//! and from where, so that they need not be copied either. Where the system cannot bring pages in,
//! [`MappedBlob::map`] gives `None` and the file is read instead; on systems other than Linux
//! `no_mapping` stands in this place.

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
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

mod freshness;

use self::freshness::{Age, Freshness};
use super::content::WINDOW_BYTES;
use super::error::StoreError;
use super::window::{Place, Window};

/// The pages of all systems that this runs on are of a size between these two.
const PAGE_BYTES_MIN: usize = 4 << 10;
const PAGE_BYTES_MAX: usize = 64 << 10;

/// A whole file, mapped read-only; cloning shares the mapping.
#[derive(Debug, Clone)]
pub(crate) struct MappedBlob {
    bytes: Bytes,
    mapping: Arc<memmap2::Mmap>,
    file: Arc<File>,
    freshness: Arc<Freshness>,
    /// Some of its pages were missing once they were asked for. Those after them may be there by now,
    /// since the kernel reads ahead, but came from the disk too.
    is_from_disk: Arc<AtomicBool>,
    path: Arc<Path>,
}

impl MappedBlob {
    /// Maps `file`, which has at least one byte. `None` where the system lacks what it needs.
    pub(crate) fn map(file: &Arc<File>, path: &Path) -> Option<Self> {
        // SAFETY: see the reason at the head of the file.
        let mapping = unsafe { memmap2::Mmap::map(&**file) }.ok()?;
        let is_from_disk = Arc::new(AtomicBool::new(!is_resident(&mapping, &(0..1))));
        mapping.advise_range(memmap2::Advice::PopulateRead, 0, 1).ok()?;
        // A pull reads the file from front to back: the kernel may read ahead generously.
        let _ = mapping.advise(memmap2::Advice::Sequential);
        let freshness = Arc::new(Freshness::new(mapping.len()));
        let mapping = Arc::new(mapping);
        let bytes = Bytes::from_owner(Shared(Arc::clone(&mapping)));
        Some(Self {
            bytes,
            mapping,
            file: Arc::clone(file),
            freshness,
            is_from_disk,
            path: path.into(),
        })
    }

    /// Brings the pages of `range` in and gives them. Blocks while the disk is read.
    pub(crate) fn window(&self, range: Range<usize>) -> Result<Window, StoreError> {
        if let Some(window) = self.window_at_once(range.clone()) {
            return Ok(window);
        }
        if !is_resident(&self.mapping, &range) {
            self.is_from_disk.store(true, Ordering::Relaxed);
        }
        self.mapping
            .advise_range(memmap2::Advice::PopulateRead, range.start, range.len())
            .map_err(|_| StoreError::CutShort { path: self.path.to_path_buf() })?;
        self.freshness.note(&range);
        let bytes = self.bytes.slice(range.clone());
        if self.is_from_disk.load(Ordering::Relaxed) {
            let place = Place { file: Arc::clone(&self.file), start: range.start as u64 };
            return Ok(Window::from_disk(bytes, place));
        }
        Ok(bytes.into())
    }

    /// The pages of `range`, if they were brought in before and are still there. Does not block.
    ///
    /// To bring them in again for each of several clients, on a blocking thread that has to be woken
    /// for it, costs a quarter of a pull (`docs/PERFORMANCE.md`).
    pub(crate) fn window_at_once(&self, range: Range<usize>) -> Option<Window> {
        match self.freshness.age(&range) {
            Age::Fresh => {}
            Age::Stale if is_resident(&self.mapping, &range) => self.freshness.note(&range),
            Age::Stale | Age::Never => return None,
        }
        Some(self.bytes.slice(range).into())
    }
}

/// Whether all pages of `range`, which is no longer than a window, are in memory.
fn is_resident(mapping: &memmap2::Mmap, range: &Range<usize>) -> bool {
    // Where pages are larger, fewer bytes are written, and the rest say what they say now.
    let mut pages = [1_u8; (WINDOW_BYTES + PAGE_BYTES_MAX) / PAGE_BYTES_MIN];
    let start = range.start / PAGE_BYTES_MAX * PAGE_BYTES_MAX;
    let length = range.end - start;
    if range.end > mapping.len() || length.div_ceil(PAGE_BYTES_MIN) > pages.len() {
        return false;
    }
    // SAFETY: the range lies in the mapping and begins with a page; there is a byte for each of its
    // pages; the mapped bytes are not read.
    let told = unsafe {
        let first = mapping.as_ptr().add(start).cast_mut();
        libc::mincore(first.cast(), length, pages.as_mut_ptr())
    };
    told == 0 && pages.iter().all(|page| page & 1 == 1)
}

/// Lets `Bytes` keep the mapping alive.
struct Shared(Arc<memmap2::Mmap>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_was_brought_in_is_given_at_once_and_nothing_else() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let length = WINDOW_BYTES + WINDOW_BYTES / 2 + 5;
        let bytes: Vec<u8> = (0..length).map(|place| (place / 1000) as u8).collect();
        file.write_all(&bytes).unwrap();
        let Some(mapped) = MappedBlob::map(&Arc::new(file.reopen().unwrap()), file.path()) else {
            return;
        };

        let (first, second) = (0..WINDOW_BYTES, WINDOW_BYTES..length);
        assert!(mapped.window_at_once(first.clone()).is_none(), "nobody brought it in");
        assert_eq!(mapped.window(first.clone()).unwrap().bytes(), &bytes[first.clone()]);
        assert_eq!(mapped.window_at_once(first.clone()).unwrap().bytes(), &bytes[first.clone()]);
        assert!(mapped.window_at_once(second.clone()).is_none(), "its neighbour is not the same");
        let window = mapped.window(second.clone()).unwrap();
        assert_eq!(window.bytes(), &bytes[second.clone()]);
        assert!(window.place().is_none(), "it was just written, the disk was not read");

        for range in [first, second, 1..2, WINDOW_BYTES - 1..WINDOW_BYTES + 1, length - 1..length] {
            assert!(is_resident(&mapped.mapping, &range), "{range:?} was just read");
        }
        assert!(!is_resident(&mapped.mapping, &(0..length)), "longer than a window: not answered");
        assert!(!is_resident(&mapped.mapping, &(length..length + 1)), "beyond the end");
    }

    #[test]
    fn a_file_that_was_cut_short_is_an_error_and_no_signal() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![7; 2 * WINDOW_BYTES]).unwrap();
        let Some(mapped) = MappedBlob::map(&Arc::new(file.reopen().unwrap()), file.path()) else {
            return;
        };
        file.as_file().set_len(10).unwrap();
        assert!(mapped.window_at_once(WINDOW_BYTES..2 * WINDOW_BYTES).is_none());
        let cut = mapped.window(WINDOW_BYTES..2 * WINDOW_BYTES);
        assert!(matches!(cut, Err(StoreError::CutShort { .. })), "{cut:?}");
    }
}
