//! The folder in which a file is written before it is renamed to its place.
//!
//! It lies on the same file system as the rest of the volume. What a killed process left in it is
//! removed at the next start; nothing in it was ever promised to anybody.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::error::StoreError;

/// Makes files that are not visible to anybody yet.
#[derive(Debug)]
pub(crate) struct Staging {
    folder: PathBuf,
}

impl Staging {
    /// Empties the folder, or makes it.
    pub(crate) fn prepare(folder: &Path) -> Result<Self, StoreError> {
        match fs::remove_dir_all(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::io("empty", folder, error)),
        }
        fs::create_dir_all(folder).map_err(|error| StoreError::io("make", folder, error))?;
        Ok(Self { folder: folder.to_path_buf() })
    }

    /// A new file; it is removed when it is dropped before it was persisted.
    pub(crate) fn file(&self) -> Result<NamedTempFile, StoreError> {
        let mut builder = tempfile::Builder::new();
        // registry:2 may run as another user on the same volume later: what it wrote is 0644 too.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        builder
            .tempfile_in(&self.folder)
            .map_err(|error| StoreError::io("write in", &self.folder, error))
    }
}
