//! A cold page cache: the system forgets the pages of the files below a folder, so that the next read
//! comes from the disk.
//!
//! It refuses to claim more than it does: pages that a process has mapped stay, so a server that maps
//! files is ended before this and started after it.

use std::fs::{self, File};
use std::path::Path;

use crate::LoadError;
use crate::content::file_error;

/// Writes out and forgets the pages of each file below `folder`.
///
/// # Errors
/// When a file cannot be opened or written out.
pub fn forget(folder: &Path) -> Result<(), LoadError> {
    let failed = |source| file_error("read", folder, source);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
        if kind.is_dir() {
            forget(&path)?;
        } else if kind.is_file() {
            let file = File::open(&path).map_err(|source| file_error("open", &path, source))?;
            file.sync_data().map_err(|source| file_error("sync", &path, source))?;
            forget_file(&file).map_err(|source| file_error("forget", &path, source))?;
        }
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn forget_file(file: &File) -> std::io::Result<()> {
    Ok(rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?)
}

#[cfg(not(target_os = "linux"))]
fn forget_file(_file: &File) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}
