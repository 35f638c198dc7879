//! Which mount a folder lies on: a file can be renamed within one mount only, and renaming is how
//! everything comes to its place.

use std::io;
use std::path::Path;

/// The mount that `path` lies on. Two binds of one file system are two mounts.
#[cfg(target_os = "linux")]
pub(super) fn mount_of(path: &Path) -> io::Result<u64> {
    use rustix::fs::{AtFlags, CWD, StatxFlags};

    let found = rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID)?;
    Ok(found.stx_mnt_id)
}

/// The device that `path` lies on.
#[cfg(not(target_os = "linux"))]
pub(super) fn mount_of(path: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;

    Ok(std::fs::metadata(path)?.dev())
}
