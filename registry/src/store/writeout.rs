//! Starting the disk early: bytes of an upload go to the disk while later ones still arrive, so that
//! the sync at the end finds little left to do, and into room that was found for many at once.

#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "sync_file_range has no safe binding; it takes no pointers")
)]

use std::fs::File;
use std::ops::Range;

/// Asks the system to begin writing `range` of `file` to disk, without waiting for it.
///
/// A hint: it promises nothing, and a failure shows in the sync that follows.
#[cfg(target_os = "linux")]
pub(crate) fn begin(file: &File, range: Range<u64>) {
    use std::os::fd::AsRawFd;

    // SAFETY: the descriptor is open for the length of the call, and no memory is handed over.
    unsafe {
        libc::sync_file_range(
            file.as_raw_fd(),
            range.start.cast_signed(),
            (range.end - range.start).cast_signed(),
            libc::SYNC_FILE_RANGE_WRITE,
        );
    }
}

/// Elsewhere the system decides by itself.
#[cfg(not(target_os = "linux"))]
pub(crate) fn begin(_file: &File, _range: Range<u64>) {}

/// Asks for room on the disk for `range` of `file`, whose length stays as it is. Without it, ext4
/// promises room for every 4 KiB that are written, and looks for the place later.
///
/// A hint as well: where it is refused, the write that follows tells why, or does without.
#[cfg(target_os = "linux")]
pub(crate) fn reserve(file: &File, range: Range<u64>) {
    use rustix::fs::{FallocateFlags, fallocate};

    _ = fallocate(file, FallocateFlags::KEEP_SIZE, range.start, range.end - range.start);
}

/// Elsewhere room is found as bytes are written.
#[cfg(not(target_os = "linux"))]
pub(crate) fn reserve(_file: &File, _range: Range<u64>) {}
