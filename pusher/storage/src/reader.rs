//! `LayerReader`: a layer's tar archive, put together again from its tar-split record and from the
//! files in the store.
//!
//! It checks what it can see on the way (names, sizes); that the whole has the layer's digest is for
//! whoever reads it to check, and makes the record's own checksums of files superfluous.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use crate::files::Files;
use crate::tar_split::{Entry, FileEntry, TarSplit, TarSplitError};

/// A layer's tar archive, uncompressed, from its first byte. Fills the whole buffer that it is given
/// except at the end, so callers choose the size of their steps; 256 KiB and more is fast.
pub struct LayerReader {
    layer: String,
    entries: TarSplit<File>,
    files: Files,
    /// Bytes of the archive that stood in the record, and how many of them are given.
    segment: Vec<u8>,
    segment_given: usize,
    content: Option<Content>,
    /// How long the archive should be, and how many bytes of it are given.
    size: Option<u64>,
    given: u64,
    /// After this nothing more comes.
    failure: Option<LayerError>,
}

/// A file that is being given.
struct Content {
    file: File,
    entry: FileEntry,
    left: u64,
}

/// Why a layer's archive ended before its time. Comes as the inner error of an [`io::Error`].
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// A file of the layer is not there any more.
    #[error(
        "the layer {layer} has lost its file {file}: was the image removed meanwhile? \
         Build or pull it again"
    )]
    Vanished {
        /// The layer's id in the store.
        layer: String,
        /// The file's name in the archive.
        file: String,
    },
    /// This user may not read a file of the layer.
    #[error(
        "this user may not read the file {file} of the layer {layer}: it belongs to another user of \
         the containers; run under `podman unshare`"
    )]
    Denied {
        /// The layer's id in the store.
        layer: String,
        /// The file's name in the archive.
        file: String,
    },
    /// A file is not what it was when the layer was made.
    #[error(
        "the file {file} of the layer {layer} is not what it was when the layer was made: the store \
         is damaged. Remove the image, then build or pull it again"
    )]
    Changed {
        /// The layer's id in the store.
        layer: String,
        /// The file's name in the archive.
        file: String,
    },
    /// A name leads out of the layer's folder.
    #[error("the layer {layer} names a file outside of it, {file}, which is not read")]
    Outside {
        /// The layer's id in the store.
        layer: String,
        /// The file's name in the archive.
        file: String,
    },
    /// A file cannot be read.
    #[error("cannot read the file {file} of the layer {layer}")]
    Read {
        /// The layer's id in the store.
        layer: String,
        /// The file's name in the archive.
        file: String,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The record of how the archive was put together is damaged.
    #[error(
        "the tar-split record of the layer {layer} is damaged. Remove the image, then build or pull \
         it again"
    )]
    Record {
        /// The layer's id in the store.
        layer: String,
        /// What is wrong with it.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The archive is shorter or longer than the store says.
    #[error(
        "the archive of the layer {layer} does not have the {expected} bytes that the store says: \
         the store is damaged. Remove the image, then build or pull it again"
    )]
    Length {
        /// The layer's id in the store.
        layer: String,
        /// How long it should be, in bytes.
        expected: u64,
    },
}

impl LayerReader {
    /// The archive of `layer`, `size` bytes long if that is known.
    pub(crate) fn new(layer: &str, record: File, files: Files, size: Option<u64>) -> Self {
        Self {
            layer: layer.to_owned(),
            entries: TarSplit::new(record),
            files,
            segment: Vec::new(),
            segment_given: 0,
            content: None,
            size,
            given: 0,
            failure: None,
        }
    }

    /// Gives some more bytes, none at the end.
    fn step(&mut self, buffer: &mut [u8]) -> Result<usize, LayerError> {
        loop {
            if self.segment_given < self.segment.len() {
                return Ok(self.give_segment(buffer));
            }
            if let Some(content) = &mut self.content {
                let read = content.read(buffer).map_err(|error| error.of(&self.layer))?;
                if content.left == 0 {
                    self.content = None;
                }
                return Ok(read);
            }
            self.segment.clear();
            self.segment_given = 0;
            match self.entries.next(&mut self.segment) {
                Ok(Some(Entry::Segment)) => {}
                Ok(Some(Entry::File(entry))) => {
                    let content = Content::open(&mut self.files, entry);
                    self.content = Some(content.map_err(|error| error.of(&self.layer))?);
                }
                Ok(None) => return Ok(0),
                Err(error) => return Err(self.record_damaged(error)),
            }
        }
    }

    fn give_segment(&mut self, buffer: &mut [u8]) -> usize {
        let left = &self.segment[self.segment_given..];
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.segment_given += count;
        count
    }

    /// Counts what is given, and holds it against the size that the archive should have.
    fn counted(&mut self, buffer: &mut [u8]) -> Result<usize, LayerError> {
        let count = self.step(buffer)?;
        self.given += count as u64;
        match self.size {
            Some(expected) if self.given > expected || (count == 0 && self.given < expected) => {
                Err(LayerError::Length { layer: self.layer.clone(), expected })
            }
            _ => Ok(count),
        }
    }

    fn record_damaged(&self, error: TarSplitError) -> LayerError {
        LayerError::Record { layer: self.layer.clone(), source: Arc::new(error) }
    }
}

impl Read for LayerReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() && self.failure.is_none() {
            match self.counted(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(failure) => self.failure = Some(failure),
            }
        }
        match &self.failure {
            Some(failure) if filled == 0 && !buffer.is_empty() => Err(failure.clone().into()),
            _ => Ok(filled),
        }
    }
}

impl std::fmt::Debug for LayerReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("LayerReader");
        shown.field("layer", &self.layer).field("given", &self.given).finish_non_exhaustive()
    }
}

impl From<LayerError> for io::Error {
    fn from(error: LayerError) -> Self {
        let kind = match &error {
            LayerError::Vanished { .. } => io::ErrorKind::NotFound,
            LayerError::Denied { .. } => io::ErrorKind::PermissionDenied,
            LayerError::Read { source, .. } => source.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

impl Content {
    fn open(files: &mut Files, entry: FileEntry) -> Result<Self, FileFailure> {
        let (file, size) = match files.open(&entry.name) {
            Ok(Some(found)) => found,
            Ok(None) => return Err(FileFailure::new(&entry, Cause::Outside)),
            Err(error) => return Err(FileFailure::new(&entry, Cause::Io(error))),
        };
        if size != entry.size {
            return Err(FileFailure::new(&entry, Cause::Changed));
        }
        Ok(Self { file, left: entry.size, entry })
    }

    /// Reads some of it, straight to where it is wanted.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FileFailure> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = loop {
            match self.file.read(&mut buffer[..wanted]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(FileFailure::new(&self.entry, Cause::Io(error))),
                Ok(read) => break read,
            }
        };
        if read == 0 {
            return Err(FileFailure::new(&self.entry, Cause::Changed));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// What is wrong with a file.
struct FileFailure {
    file: String,
    cause: Cause,
}

enum Cause {
    Outside,
    Changed,
    Io(io::Error),
}

impl FileFailure {
    fn new(entry: &FileEntry, cause: Cause) -> Self {
        /// Longest part of a name that is shown, in bytes.
        const SHOWN_MAX: usize = 256;
        let shown = &entry.name[..entry.name.len().min(SHOWN_MAX)];
        Self { file: format!("`{}`", shown.escape_ascii()), cause }
    }

    fn of(self, layer: &str) -> LayerError {
        let (layer, file) = (layer.to_owned(), self.file);
        match self.cause {
            Cause::Outside => LayerError::Outside { layer, file },
            Cause::Changed => LayerError::Changed { layer, file },
            Cause::Io(error) => match error.kind() {
                io::ErrorKind::NotFound => LayerError::Vanished { layer, file },
                io::ErrorKind::PermissionDenied => LayerError::Denied { layer, file },
                // A link, or a device, where a file should be.
                io::ErrorKind::InvalidData | io::ErrorKind::NotADirectory => {
                    LayerError::Changed { layer, file }
                }
                _ => LayerError::Read { layer, file, source: Arc::new(error) },
            },
        }
    }
}
