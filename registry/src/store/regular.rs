//! Opening files that are files: whatever else lies on a volume (a folder, a pipe, a socket, a link
//! that leads in circles) reads as absent, and nobody waits for it.

use std::fs::{File, Metadata};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::{StoreError, present};

/// Opens a regular file for reading; `None` where there is none.
pub(super) fn open(path: &Path) -> Result<Option<(File, Metadata)>, StoreError> {
    // Without it, opening a pipe waits for somebody to write into it.
    let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let Some(file) = present(opened, "open", path)? else { return Ok(None) };
    let found = file.metadata().map_err(|error| StoreError::io("read", path, error))?;
    Ok(found.is_file().then_some((file, found)))
}
