//! `BlobSource`: the bytes of a blob, or of a part of it, on their way to a registry. It counts
//! nothing and checks nothing but the length: the registry hashes.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::error::Error;
use crate::upload::body::RequestBody;
use crate::upload::pieces::{Pieces, Taken, counted, lock};

/// The bytes of a blob, or of its rest, to be sent once.
pub struct BlobSource {
    size: u64,
    bytes: SourceBytes,
}

enum SourceBytes {
    Memory(Bytes, Option<Taken>),
    /// What is read, in one go, for this source and for those that were split from it.
    Pieces(Arc<Mutex<Pieces>>),
}

impl BlobSource {
    /// Bytes in memory.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { size: bytes.len() as u64, bytes: SourceBytes::Memory(bytes, None) }
    }

    /// A reader that gives exactly `size` bytes. It is read on a blocking thread; if it gives
    /// fewer, the upload fails, and what it would give beyond is not read.
    pub fn reader(reader: impl Read + Send + 'static, size: u64) -> Self {
        Self::opened(move || Ok(Box::new(reader)), 0, size)
    }

    /// What `open` gives, without the first `skip` bytes, and `size` bytes from there. It is opened
    /// and read on a blocking thread, not before it is sent.
    pub fn opened(
        open: impl FnOnce() -> io::Result<Box<dyn Read + Send>> + Send + 'static,
        skip: u64,
        size: u64,
    ) -> Self {
        let pieces = Arc::new(Mutex::new(Pieces::new(Box::new(open), skip, size)));
        Self { size, bytes: SourceBytes::Pieces(pieces) }
    }

    /// A file, as long as it is now.
    pub fn file(path: &Path) -> Result<Self, Error> {
        let open = || {
            let file = File::open(path)?;
            let size = file.metadata()?.len();
            Ok(Self::reader(file, size))
        };
        open().map_err(|error: io::Error| Error::Source { source: Arc::new(error) })
    }

    /// The same, telling `taken` how many bytes more the connection has taken, piece by piece: a
    /// piece counts when the connection lets go of it, be it that the socket has it or that the
    /// request has failed. It is called between two writes to the connection, so it must be quick.
    #[must_use]
    pub fn counted(self, taken: impl Fn(u64) + Send + Sync + 'static) -> Self {
        let taken: Taken = Arc::new(taken);
        let bytes = match self.bytes {
            SourceBytes::Memory(bytes, _) => SourceBytes::Memory(bytes, Some(taken)),
            SourceBytes::Pieces(pieces) => {
                lock(&pieces).count(taken);
                SourceBytes::Pieces(pieces)
            }
        };
        Self { bytes, ..self }
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes the first `length` bytes away, to be sent before the rest. What was opened stays open:
    /// the parts of a blob are read in one go, however many requests they go in.
    #[must_use]
    pub fn split_to(&mut self, length: u64) -> Self {
        let length = length.min(self.size);
        self.size -= length;
        let bytes = match &mut self.bytes {
            SourceBytes::Memory(bytes, taken) => {
                let end = usize::try_from(length).map_or(bytes.len(), |it| it.min(bytes.len()));
                SourceBytes::Memory(bytes.split_to(end), taken.clone())
            }
            SourceBytes::Pieces(pieces) => SourceBytes::Pieces(Arc::clone(pieces)),
        };
        Self { size: length, bytes }
    }

    pub(crate) fn into_body(self) -> RequestBody {
        match self.bytes {
            SourceBytes::Memory(bytes, None) => RequestBody::Memory(bytes),
            SourceBytes::Memory(bytes, Some(taken)) => RequestBody::Memory(counted(bytes, taken)),
            SourceBytes::Pieces(pieces) => RequestBody::Pieces { pieces, left: self.size },
        }
    }
}

impl fmt::Debug for BlobSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BlobSource").field("size", &self.size).finish_non_exhaustive()
    }
}
