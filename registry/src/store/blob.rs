//! Blobs: bytes under their digest, once for all repositories.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use wharf_oci::{Algorithm, Digest, Hasher, RepositoryName};

use super::Store;
use super::content::{Content, SMALL_BYTES_MAX};
use super::error::{StoreError, present};
use super::mappings::identity;
use super::regular;

/// Files up to this size share their sync with other commits: 1 MiB.
const SHARED_SYNC_BYTES_MAX: u64 = 1 << 20;

/// How much is read at once when a file is hashed.
const HASH_STEP_BYTES: usize = 256 << 10;

impl Store {
    /// The sha256 under which the bytes of `digest` are kept, when `digest` is readable in `name`.
    pub(crate) fn layer(
        &self,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Digest>, StoreError> {
        let stored = self.links.read(&self.layout.layer_link(name, digest))?;
        Ok(stored.filter(is_address))
    }

    /// The sha256 under which the bytes of `digest` are kept, wherever they were pushed.
    ///
    /// The address of a sha512 is known only to the links of a repository, so those are asked.
    pub(crate) fn find_anywhere(&self, digest: &Digest) -> Result<Option<Digest>, StoreError> {
        if is_address(digest) {
            return Ok(self.open_blob(digest)?.map(|_| *digest));
        }
        for name in self.repository_names()? {
            if let Some(stored) = self.layer(&name, digest)?
                && self.open_blob(&stored)?.is_some()
            {
                return Ok(Some(stored));
            }
        }
        Ok(None)
    }

    /// The size of the bytes kept under `stored`, or `None` when they are absent, in commit, or
    /// plainly not what the digest names (no bytes at all).
    pub(crate) fn blob_size(&self, stored: &Digest) -> Result<Option<u64>, StoreError> {
        let path = self.layout.blob(stored);
        let Some(found) = present(fs::metadata(&path), "read", &path)? else { return Ok(None) };
        let readable = found.is_file() && self.is_readable(stored, &path, found.len());
        Ok(readable.then_some(found.len()))
    }

    /// Opens the bytes kept under `stored`; `None` as for [`Store::blob_size`].
    ///
    /// Small content is checked against its digest on the way; damaged content reads as absent.
    pub(crate) fn open_blob(&self, stored: &Digest) -> Result<Option<Content>, StoreError> {
        let path = self.layout.blob(stored);
        let Some((file, found)) = regular::open(&path)? else { return Ok(None) };
        let size = found.len();
        if !self.is_readable(stored, &path, size) {
            return Ok(None);
        }
        if size > SMALL_BYTES_MAX {
            let content = self.mappings.get(stored, &found).unwrap_or_else(|| {
                let content = Content::from_file(file, &path, size);
                self.mappings.keep(stored, &found, &content);
                content
            });
            return Ok(Some(content));
        }
        let bytes = read_whole(file, &path, size)?;
        let intact = Digest::of(Algorithm::Sha256, &bytes) == *stored;
        Ok(intact.then(|| Content::from_bytes(bytes)))
    }

    /// Reads a small blob whole, whatever its size up to `bytes_max`; `None` as for
    /// [`Store::blob_size`], and for damaged or larger content.
    pub(crate) fn read_blob(
        &self,
        stored: &Digest,
        bytes_max: u64,
    ) -> Result<Option<Bytes>, StoreError> {
        let path = self.layout.blob(stored);
        let Some(size) = self.blob_size(stored)? else { return Ok(None) };
        if size > bytes_max {
            return Ok(None);
        }
        let Some((file, _)) = regular::open(&path)? else { return Ok(None) };
        let bytes = read_whole(file, &path, size)?;
        Ok((Digest::of(Algorithm::Sha256, &bytes) == *stored).then_some(bytes))
    }

    /// Reads the file under `stored` and says whether it is what the digest names. One that is not
    /// is moved out of the way, to `wharf/damaged/`, so that it reads as absent and the next push
    /// heals it.
    ///
    /// Nobody who reads or pushes the blob waits for this, and a file that was found intact is not
    /// read again.
    pub(crate) fn is_intact(&self, stored: &Digest) -> Result<bool, StoreError> {
        let path = self.layout.blob(stored);
        let _check = self.checks.lock(*stored);
        let Some((file, found)) = regular::open(&path)? else { return Ok(false) };
        let identity = identity(&found);
        if self.intact.get(stored) == Some(identity) {
            return Ok(true);
        }
        if digest_of_file(file, &path, Algorithm::Sha256)? == *stored {
            self.intact.insert(*stored, identity);
            return Ok(true);
        }
        let _digest = self.blob_locks.lock(*stored);
        let is_same = present(fs::metadata(&path), "read", &path)?
            .is_some_and(|now| self::identity(&now) == identity);
        if is_same {
            self.move_away(stored, &path)?;
        }
        // Replaced meanwhile by bytes that were checked.
        Ok(!is_same)
    }

    fn move_away(&self, stored: &Digest, path: &Path) -> Result<(), StoreError> {
        let aside = self.layout.damaged(stored);
        tracing::warn!("{stored} is damaged on the volume; moved to {}", aside.display());
        let moved = fs::create_dir_all(aside.parent().unwrap_or(&aside))
            .and_then(|()| fs::rename(path, &aside));
        present(moved, "move away", path).map(drop)
    }

    /// Moves `source`, whose bytes hash to `stored`, to its place and writes `links` to it.
    ///
    /// When it returns, bytes and links are durable and visible; until then they read as before. A
    /// file that is there already is replaced: these bytes were checked, those may be damaged.
    pub(super) fn commit(
        &self,
        source: &Path,
        stored: &Digest,
        links: &[(PathBuf, Digest)],
    ) -> Result<(), StoreError> {
        let mut written = BTreeSet::new();
        sync_or_share(source, &mut written)?;
        let staged = self.stage_links(links, &mut written)?;
        crate::failpoint::reach("blob.written");
        self.durability.sync(written)?;
        crate::failpoint::reach("blob.synced");
        let mut touched = BTreeSet::new();
        self.place_blob(source, stored, &mut touched)?;
        crate::failpoint::reach("blob.renamed");
        let placed = self.place_links(staged, &mut touched)?;
        crate::failpoint::reach("links.renamed");
        self.durability.sync(touched)?;
        crate::failpoint::reach("links.synced");
        self.reveal_blob(stored);
        self.reveal_links(&placed);
        Ok(())
    }

    /// Renames a synced file to its place, hidden where none could be read before.
    fn place_blob(
        &self,
        source: &Path,
        stored: &Digest,
        touched: &mut BTreeSet<PathBuf>,
    ) -> Result<(), StoreError> {
        let path = self.layout.blob(stored);
        let _digest = self.blob_locks.lock(*stored);
        // What can be read already stays readable while it is replaced.
        if self.blob_size(stored)?.is_none() {
            self.blobs_in_commit.begin(&path, None);
        }
        if let Some(folder) = path.parent() {
            self.durability.make_folder(folder, touched)?;
        }
        fs::rename(source, &path).map_err(|error| StoreError::io("rename", &path, error))
    }

    fn reveal_blob(&self, stored: &Digest) {
        let _digest = self.blob_locks.lock(*stored);
        self.blobs_in_commit.end(&self.layout.blob(stored));
    }

    /// Whether a file of `size` bytes at `path` may be shown as the bytes of `stored`.
    fn is_readable(&self, stored: &Digest, path: &Path, size: u64) -> bool {
        // Only one digest names no bytes at all; under any other, an empty file is what a crash left.
        let plausible = size > 0 || *stored == Digest::empty(Algorithm::Sha256);
        plausible && self.blobs_in_commit.before(path).is_none()
    }
}

/// Syncs a large file here and now, so that only its own client waits for its bytes; a small one
/// shares the next round with others.
fn sync_or_share(source: &Path, round: &mut BTreeSet<PathBuf>) -> Result<(), StoreError> {
    let failed = |error| StoreError::io("sync", source, error);
    let file = File::open(source).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() <= SHARED_SYNC_BYTES_MAX {
        round.insert(source.to_path_buf());
        return Ok(());
    }
    file.sync_data().map_err(failed)
}

/// Whether bytes can be kept under this digest.
pub(super) fn is_address(digest: &Digest) -> bool {
    digest.algorithm() == Algorithm::Sha256
}

fn read_whole(file: File, path: &Path, size: u64) -> Result<Bytes, StoreError> {
    let mut bytes = Vec::with_capacity(size as usize);
    file.take(size).read_to_end(&mut bytes).map_err(|error| StoreError::io("read", path, error))?;
    Ok(bytes.into())
}

/// Hashes a file from its beginning to its end.
pub(crate) fn digest_of_file(
    mut file: File,
    path: &Path,
    algorithm: Algorithm,
) -> Result<Digest, StoreError> {
    let mut hasher = Hasher::new(algorithm);
    let mut step = vec![0; HASH_STEP_BYTES];
    loop {
        match file.read(&mut step) {
            Ok(0) => return Ok(hasher.finalize()),
            Ok(length) => hasher.update(&step[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(StoreError::io("read", path, error)),
        }
    }
}
