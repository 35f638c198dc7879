//! `Worker`: what is done with the bytes of an upload, in their order: they are written to the session's
//! file, and hashed.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::store::error::StoreError;
use crate::store::upload::UploadFile;
use crate::upload::{Hashes, Session};

/// What is read at once of a file whose beginning was hashed by an earlier process.
const CATCH_UP_BYTES: usize = 16 << 10;

/// Both of it.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) writing: Writer,
    pub(super) hashing: Hashing,
}

/// Appends to the session's file, which it opens at the first byte.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) length: u64,
    pub(super) file: Option<UploadFile>,
    pub(super) session: Arc<Session>,
}

impl Writer {
    fn open(&mut self) -> Result<&mut UploadFile, StoreError> {
        if self.file.is_none() {
            self.file = Some(UploadFile::open(&self.path, self.length)?);
        }
        #[expect(clippy::unwrap_used, reason = "set in the line before")]
        Ok(self.file.as_mut().unwrap())
    }
}

/// The hashes, and the part of the file that they have not seen since a restart.
#[derive(Debug)]
pub(super) struct Hashing {
    pub(super) hashes: Hashes,
    pub(super) catch_up: Option<(PathBuf, u64)>,
}

impl Worker {
    /// Writes the bytes and hashes them. What is written is durable with the blob, and not before.
    pub(super) fn work(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.writing.write(bytes)?;
        self.hashing.hash(bytes)
    }
}

impl Writer {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let file = self.open()?;
        file.append(bytes)?;
        self.length = file.length();
        self.session.offset.store(self.length, Ordering::Release);
        Ok(())
    }
}

impl Hashing {
    fn hash(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if let Some((path, length)) = self.catch_up.take() {
            hash_prefix(&mut self.hashes, &path, length)?;
        }
        self.hashes.update(bytes);
        Ok(())
    }
}

fn hash_prefix(hashes: &mut Hashes, path: &PathBuf, length: u64) -> Result<(), StoreError> {
    let failed = |error| StoreError::io("read", path, error);
    let mut prefix = File::open(path).map_err(failed)?.take(length);
    let mut step = vec![0; CATCH_UP_BYTES];
    loop {
        match prefix.read(&mut step).map_err(failed)? {
            0 if prefix.limit() > 0 => return Err(StoreError::CutShort { path: path.clone() }),
            0 => return Ok(()),
            read => hashes.update(&step[..read]),
        }
    }
}
