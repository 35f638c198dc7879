//! What is pushed: blobs that differ in their last bytes and share one file on disk.
//!
//! A server may not gain from having seen a blob before, and hashing a gigabyte anew for each push would
//! be client time in the measurement. So one file is made and hashed once, and each blob is its start
//! followed by a mark of 32 bytes: a new digest costs the hashing of the mark.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use wharf_oci::{Algorithm, Digest, Hasher};

use crate::LoadError;

/// Bytes at the end of each blob that make it differ.
pub const MARK_BYTES: u64 = 32;
/// Bytes read at once while hashing.
const STEP_BYTES: usize = 1 << 20;

/// A file whose start all blobs share.
#[derive(Debug, Clone)]
pub struct Source {
    path: PathBuf,
}

impl Source {
    /// A source that is there already; it must be as long as the largest blob to be made of it.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Writes `size` bytes that do not compress, the same ones each time.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: &Path, size: u64) -> Result<Self, LoadError> {
        let write = || {
            let mut file = BufWriter::with_capacity(STEP_BYTES, File::create(path)?);
            let mut words = Words(0x5eed);
            for _ in 0..size / 8 {
                file.write_all(&words.next().to_le_bytes())?;
            }
            let rest = usize::try_from(size % 8).unwrap_or(0);
            file.write_all(&words.next().to_le_bytes()[..rest])?;
            file.into_inner()?.sync_all()
        };
        write().map_err(|source| file_error("write", path, source))?;
        Ok(Self::at(path))
    }

    /// Blobs of `size` bytes each; those of different `run`s differ. Hashes the file once.
    ///
    /// # Errors
    /// When the file cannot be read or is shorter than that.
    pub fn blobs(&self, size: u64, run: u64) -> Result<Blobs, LoadError> {
        let shared = size.saturating_sub(MARK_BYTES);
        let hash = || {
            let mut file = File::open(&self.path)?.take(shared);
            let (mut hasher, mut piece, mut left) =
                (Hasher::new(Algorithm::Sha256), vec![0; STEP_BYTES], shared);
            while left > 0 {
                let read = file.read(&mut piece)?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                hasher.update(&piece[..read]);
                left -= read as u64;
            }
            Ok(hasher)
        };
        let hasher = hash().map_err(|source| file_error("read", &self.path, source))?;
        Ok(Blobs { path: self.path.clone(), shared, hasher, run })
    }
}

/// Blobs of one size with a common start.
#[derive(Debug, Clone)]
pub struct Blobs {
    path: PathBuf,
    shared: u64,
    hasher: Hasher,
    run: u64,
}

/// One blob: its start is in the file, its mark here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blob {
    /// The digest of the whole.
    pub digest: Digest,
    /// Its last bytes.
    pub mark: [u8; MARK_BYTES as usize],
}

impl Blobs {
    /// Blob number `number` of this run.
    #[must_use]
    pub fn blob(&self, number: u64) -> Blob {
        let mut mark = [0; MARK_BYTES as usize];
        let text = format!("{:016x}{number:016x}", self.run);
        mark.copy_from_slice(text.as_bytes());
        let mut hasher = self.hasher.clone();
        hasher.update(&mark);
        Blob { digest: hasher.finalize(), mark }
    }

    /// Blobs of the same size and start that differ from these.
    #[must_use]
    pub fn of_run(&self, run: u64) -> Self {
        Self { run, ..self.clone() }
    }

    /// Bytes that come from the file.
    #[must_use]
    pub fn shared(&self) -> u64 {
        self.shared
    }

    /// Bytes of each blob; never less than [`MARK_BYTES`].
    #[must_use]
    pub fn size(&self) -> u64 {
        self.shared + MARK_BYTES
    }

    /// Opens the file with the common start.
    ///
    /// # Errors
    /// When it is gone.
    pub fn open(&self) -> Result<File, LoadError> {
        File::open(&self.path).map_err(|source| file_error("open", &self.path, source))
    }
}

/// Words that no compressor shortens (splitmix64).
struct Words(u64);

impl Words {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

pub(crate) fn file_error(operation: &'static str, path: &Path, source: io::Error) -> LoadError {
    LoadError::File { operation, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_the_start_of_the_file_and_its_mark() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source");
        let source = Source::create(&path, 100_003).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 100_003);
        let blobs = source.blobs(50_000, 7).unwrap();
        let (one, two) = (blobs.blob(1), blobs.blob(2));
        let mut bytes = std::fs::read(&path).unwrap()[..50_000 - 32].to_vec();
        bytes.extend_from_slice(&one.mark);
        assert_eq!(one.digest, Digest::of(Algorithm::Sha256, &bytes));
        assert_ne!(one.digest, two.digest);
        assert_ne!(one.digest, source.blobs(50_000, 8).unwrap().blob(1).digest);
    }

    #[test]
    fn a_source_that_is_too_short_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let source = Source::create(&folder.path().join("source"), 1000).unwrap();
        assert!(source.blobs(1000 + MARK_BYTES, 0).is_ok());
        assert!(source.blobs(1001 + MARK_BYTES, 0).is_err());
    }
}
