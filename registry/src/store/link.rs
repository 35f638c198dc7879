//! `link` files: a digest as text, the only way in which a repository points at bytes.
//!
//! A link is written beside its place and renamed to it, so it is read whole or not at all. Until
//! its folders are synced, readers are shown what was there before: nothing is visible before it is
//! durable.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempPath;
use wharf_oci::Digest;

use super::durability::Durability;
use super::error::{StoreError, present};
use super::keyed_lock::KeyedLock;
use super::regular;
use super::staging::Staging;

/// A link's text is `sha512:` and 128 digits at most; anything longer is not a link.
const LINK_BYTES_MAX: usize = 256;

/// Paths that have a new state on disk which is not durable yet, and what they held before.
#[derive(Debug, Default)]
pub(crate) struct InCommit {
    count: AtomicUsize,
    before: Mutex<HashMap<PathBuf, Option<Digest>>>,
}

impl InCommit {
    /// From here on `path` reads as `before`.
    ///
    /// Where another commit of the same path has begun, its "before" holds for this one too, and the
    /// first of them to become durable shows both. The caller holds the path's lock.
    pub(crate) fn begin(&self, path: &Path, before: Option<Digest>) {
        self.lock().entry(path.to_path_buf()).or_insert_with(|| {
            self.count.fetch_add(1, Ordering::SeqCst);
            before
        });
    }

    /// From here on `path` reads as it is on disk. The caller holds the path's lock.
    pub(crate) fn end(&self, path: &Path) {
        if self.lock().remove(path).is_some() {
            self.count.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// What `path` reads as while its new state is in commit: `None` when it is not in commit.
    pub(crate) fn before(&self, path: &Path) -> Option<Option<Digest>> {
        if self.count.load(Ordering::SeqCst) == 0 {
            return None;
        }
        self.lock().get(path).copied()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Option<Digest>>> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A link that is written but not in its place. Dropped, it was never there.
#[derive(Debug)]
pub(crate) struct StagedLink {
    file: TempPath,
    path: PathBuf,
    digest: Digest,
}

/// Reads the links of one volume and writes them.
#[derive(Debug)]
pub(crate) struct Links {
    in_commit: InCommit,
    /// Held while a link takes its place, and while it is revealed.
    places: KeyedLock<PathBuf>,
}

impl Links {
    pub(crate) fn new() -> Self {
        Self { in_commit: InCommit::default(), places: KeyedLock::new() }
    }

    /// The digest that the link at `path` holds.
    ///
    /// `None` where there is no link, or one that is empty or not a digest: registry:2 leaves such
    /// files after a crash.
    pub(crate) fn read(&self, path: &Path) -> Result<Option<Digest>, StoreError> {
        let found = read_digest(path)?;
        // Asked after reading: had it been asked before, a commit could begin in between.
        Ok(self.in_commit.before(path).unwrap_or(found))
    }

    /// Writes the link beside its place, to be synced (its file is added to `written`) and then
    /// placed. `None` where the same link stands already.
    pub(crate) fn stage(
        &self,
        path: &Path,
        digest: &Digest,
        staging: &Staging,
        written: &mut BTreeSet<PathBuf>,
    ) -> Result<Option<StagedLink>, StoreError> {
        // One that is in commit is not relied on: its sync may fail.
        if self.in_commit.before(path).is_none() && read_digest(path)? == Some(*digest) {
            return Ok(None);
        }
        let mut file = staging.file()?;
        file.write_all(digest.to_string().as_bytes())
            .map_err(|error| StoreError::io("write", path, error))?;
        written.insert(file.path().to_path_buf());
        Ok(Some(StagedLink {
            file: file.into_temp_path(),
            path: path.to_path_buf(),
            digest: *digest,
        }))
    }

    /// Moves a synced link to its place and adds the folders to sync to `touched`. It reads as
    /// before until [`Links::reveal`].
    pub(crate) fn place(
        &self,
        staged: StagedLink,
        durability: &Durability,
        touched: &mut BTreeSet<PathBuf>,
    ) -> Result<PathBuf, StoreError> {
        let StagedLink { file, path, digest } = staged;
        let _place = self.places.lock(path.clone());
        if let Some(folder) = path.parent() {
            durability.make_folder(folder, touched)?;
        }
        let before = read_digest(&path)?;
        // The same link, durable already by another commit's work, stays visible.
        if before != Some(digest) {
            self.in_commit.begin(&path, before);
        }
        // If this fails, the path goes on reading as before, which is what it is.
        file.persist(&path).map_err(|error| StoreError::io("rename", &path, error.error))?;
        Ok(path)
    }

    /// Lets readers see the link as it is on disk: its folders are synced.
    pub(crate) fn reveal(&self, path: &Path) {
        let _place = self.places.lock(path.to_path_buf());
        self.in_commit.end(path);
    }

    /// Removes the link's folder and all in it; returns whether the link was there.
    pub(crate) fn remove(&self, path: &Path) -> Result<bool, StoreError> {
        let _place = self.places.lock(path.to_path_buf());
        let was_there = self.read(path)?.is_some();
        if !was_there && self.in_commit.before(path).is_some() {
            // It comes after this delete.
            return Ok(false);
        }
        if let Some(folder) = path.parent() {
            present(fs::remove_dir_all(folder), "remove", folder)?;
        }
        self.in_commit.end(path);
        Ok(was_there)
    }
}

fn read_digest(path: &Path) -> Result<Option<Digest>, StoreError> {
    let Some((mut file, found)) = regular::open(path)? else { return Ok(None) };
    // By one call: lists read many thousands of links. What ends early is no digest.
    let mut text = [0; LINK_BYTES_MAX];
    let length = text.len().min(usize::try_from(found.len()).unwrap_or(usize::MAX));
    match file.read_exact(&mut text[..length]) {
        Ok(()) => {
            Ok(std::str::from_utf8(&text[..length]).ok().and_then(|text| text.trim().parse().ok()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(StoreError::io("read", path, error)),
    }
}
