//! How much a volume holds, and how much room is left on it, counted from its files: no registry has
//! to run, and one that runs is not disturbed.

use std::fs;
use std::io;
use std::path::Path;

use super::layout::Layout;

/// What a volume holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Blobs and manifests.
    pub blobs: u64,
    /// Their bytes, each counted once, however many repositories have it.
    pub blob_bytes: u64,
    /// Bytes of the file system that the registry may still fill.
    pub free_bytes: u64,
    /// Bytes of the file system in all.
    pub total_bytes: u64,
    /// Files that can still be made; none where the file system does not count them.
    pub free_files: Option<u64>,
    /// Whether the file system takes no writes.
    pub is_read_only: bool,
}

/// Counts the blobs of the volume at `root`; a volume that was never used holds none.
///
/// # Errors
/// A folder cannot be read. Blobs that go meanwhile are no error.
pub fn usage(root: &Path) -> io::Result<Usage> {
    let system = rustix::fs::statvfs(root)?;
    let mut usage = Usage {
        free_bytes: system.f_bavail.saturating_mul(system.f_frsize),
        total_bytes: system.f_blocks.saturating_mul(system.f_frsize),
        free_files: (system.f_files > 0).then_some(system.f_favail),
        is_read_only: system.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
        ..Usage::default()
    };
    // blobs / ALGORITHM / HEX[0:2] / HEX / data
    for algorithm in below(&Layout::new(root).blobs())? {
        for prefix in below(&algorithm)? {
            for blob in below(&prefix)? {
                let Ok(data) = blob.join("data").metadata() else { continue };
                usage.blobs += 1;
                usage.blob_bytes += data.len();
            }
        }
    }
    Ok(usage)
}

/// What lies in a folder; nothing if it is gone.
fn below(folder: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if is_gone(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use wharf_oci::{Algorithm, Digest};

    use super::*;

    #[test]
    fn each_blob_is_counted_once() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(usage(root.path()).unwrap().blobs, 0);
        for bytes in [b"one".as_slice(), b"three"] {
            let path = Layout::new(root.path()).blob(&Digest::of(Algorithm::Sha256, bytes));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let stray = Layout::new(root.path()).blobs().join("sha256/00/stray");
        fs::create_dir_all(stray).unwrap();
        let usage = usage(root.path()).unwrap();
        assert_eq!((usage.blobs, usage.blob_bytes), (2, 8));
        assert!(usage.free_bytes > 0 && usage.total_bytes >= usage.free_bytes);
        assert!(!usage.is_read_only);
    }

    #[test]
    fn a_volume_that_is_not_there_is_an_error() {
        assert!(usage("/no/such/volume".as_ref()).is_err());
    }
}
