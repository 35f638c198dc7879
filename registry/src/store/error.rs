//! What the store could not do, in the store's own nouns; the domain gives it a meaning.

use std::io;
use std::path::PathBuf;

/// Why an operation on the volume failed. "Not there" is never an error here: it is `None`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system has no room for the bytes (`ENOSPC`, `EDQUOT`).
    #[error("no space left while writing {}", path.display())]
    Full {
        /// The file that was being written.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system refused an operation on a file or a folder.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: `read`, `rename`, `sync` …
        action: &'static str,
        /// The file or folder it was tried on.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file of a blob ended before its size: somebody else cut it short while it was read.
    #[error("{} was cut short while it was read", path.display())]
    CutShort {
        /// The blob's file.
        path: PathBuf,
    },
}

impl StoreError {
    /// Puts a system error into the store's words; a full disk gets its own variant.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { path, source }
            }
            _ => Self::Io { action, path, source },
        }
    }
}

/// Turns "there is no such file" into `None` and every other failure into a [`StoreError`].
pub(crate) fn present<T>(
    result: io::Result<T>,
    action: &'static str,
    path: &std::path::Path,
) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        // A file where a folder is expected, or a name too long for the system, holds nothing either.
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(StoreError::io(action, path, error)),
    }
}

fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    let leads_in_circles = error.raw_os_error() == Some(libc::ELOOP);
    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename) || leads_in_circles
}
