//! The bytes of a blob as the store gives them: in memory, mapped, or read from the file.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::error::StoreError;
use super::mapping::MappedBlob;
use super::window::Window;

/// The most that [`Content::window`] gives at once when the file is mapped: 4 MiB.
pub const WINDOW_BYTES: usize = 4 << 20;

/// The most that it gives at once when the file is read into memory: 256 KiB.
const READ_BYTES: usize = 256 << 10;

/// Files up to this size are read whole, since mapping costs more: 64 KiB.
pub(crate) const SMALL_BYTES_MAX: u64 = 64 << 10;

/// The content of one blob; cloning shares it.
#[derive(Debug, Clone)]
pub struct Content {
    size: u64,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    Memory(Bytes),
    Mapped(MappedBlob),
    File { file: Arc<File>, path: Arc<Path> },
}

impl Content {
    /// Content that is in memory already.
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self { size: bytes.len() as u64, form: Form::Memory(bytes) }
    }

    /// Content of a file of `size` bytes; mapped where the system can.
    pub(crate) fn from_file(file: File, path: &Path, size: u64) -> Self {
        let file = Arc::new(file);
        let form = match MappedBlob::map(&file, path) {
            Some(mapped) => Form::Mapped(mapped),
            None => Form::File { file, path: path.into() },
        };
        Self { size, form }
    }

    /// The whole length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes, when they are in memory already and may be used where a request waits.
    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.form {
            Form::Memory(bytes) => Some(bytes),
            Form::Mapped(_) | Form::File { .. } => None,
        }
    }

    /// A non-empty prefix of `range`, at most [`WINDOW_BYTES`] long, ready to be sent.
    ///
    /// Blocks while the disk is read: for blocking threads only. Empty exactly when `range` is.
    ///
    /// # Errors
    /// The file cannot be read, or somebody cut it short.
    pub fn window(&self, range: Range<u64>) -> Result<Window, StoreError> {
        let range = self.prefix(range);
        match &self.form {
            Form::Memory(bytes) => Ok(bytes.slice(range).into()),
            Form::Mapped(_) if range.is_empty() => Ok(Window::default()),
            Form::Mapped(mapped) => mapped.window(range),
            Form::File { file, path } => {
                let mut buffer = BytesMut::zeroed(range.len());
                file.read_exact_at(&mut buffer, range.start as u64).map_err(|error| match error
                    .kind()
                {
                    std::io::ErrorKind::UnexpectedEof => {
                        StoreError::CutShort { path: path.to_path_buf() }
                    }
                    _ => StoreError::io("read", path.to_path_buf(), error),
                })?;
                Ok(buffer.freeze().into())
            }
        }
    }

    /// The same, where no disk has to be read for it. Does not block.
    pub fn window_at_once(&self, range: Range<u64>) -> Option<Window> {
        let range = self.prefix(range);
        match &self.form {
            Form::Memory(bytes) => Some(bytes.slice(range).into()),
            Form::Mapped(_) if range.is_empty() => Some(Window::default()),
            Form::Mapped(mapped) => mapped.window_at_once(range),
            Form::File { .. } => None,
        }
    }

    /// What of `range` is given at once.
    fn prefix(&self, range: Range<u64>) -> Range<usize> {
        let end = range.end.min(self.size);
        let start = range.start.min(end);
        let most = match &self.form {
            Form::Memory(_) => end - start,
            Form::Mapped(_) => WINDOW_BYTES as u64,
            Form::File { .. } => READ_BYTES as u64,
        };
        start as usize..(start + most.min(end - start)) as usize
    }
}
