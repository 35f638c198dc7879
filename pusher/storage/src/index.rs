//! `Index`: a list of the store, kept parsed and read again when Podman has replaced its file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::folder::Folder;
use crate::lock::ReadLock;

/// Longest list that is read, some hundred thousand entries.
const LIST_BYTES_MAX: u64 = 128 << 20;

/// An entry with a name of its own.
pub(crate) trait Keyed: DeserializeOwned {
    /// Its id, by which it is found.
    fn id(&self) -> &str;
}

/// One list in one or several files of one folder, all under one lock.
#[derive(Debug)]
pub(crate) struct Index<T> {
    folder: PathBuf,
    files: &'static [&'static str],
    lock: &'static str,
    known: Mutex<Option<Known<T>>>,
}

/// The entries of a list, in its order.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    pub(crate) entries: Vec<T>,
    by_id: HashMap<String, usize>,
}

/// A list as it was read, and which versions of its files that were.
#[derive(Debug)]
struct Known<T> {
    versions: Vec<Option<Version>>,
    listed: Arc<Listed<T>>,
}

/// What changes when a file is replaced or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl<T: Keyed> Listed<T> {
    fn new(entries: Vec<T>) -> Self {
        let by_id = entries.iter().enumerate().map(|(at, entry)| (entry.id().to_owned(), at));
        Self { by_id: by_id.collect(), entries }
    }

    /// The entry with this id.
    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.by_id.get(id).map(|&at| &self.entries[at])
    }
}

impl<T: Keyed> Index<T> {
    /// The list in `files` of `folder`; nothing is read yet.
    pub(crate) fn new(folder: PathBuf, files: &'static [&'static str], lock: &'static str) -> Self {
        Self { folder, files, lock, known: Mutex::new(None) }
    }

    /// The list as it is now. A missing file is an empty list.
    pub(crate) fn read(&self) -> Result<Arc<Listed<T>>, Error> {
        // Whoever panicked left the list as it was.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now: Vec<_> =
            self.files.iter().map(|name| version_at(&self.folder.join(name))).collect();
        if let Some(known) = known.as_ref().filter(|known| known.versions == now) {
            return Ok(Arc::clone(&known.listed));
        }
        let folder = match Folder::open(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Arc::new(Listed::new(Vec::new())));
            }
            folder => folder.map_err(|source| Error::reading(&self.folder, source))?,
        };
        let (versions, entries) = {
            let _lock = ReadLock::take(&folder, self.lock);
            self.read_files(&folder)?
        };
        let listed = Arc::new(Listed::new(entries));
        *known = Some(Known { versions, listed: Arc::clone(&listed) });
        Ok(listed)
    }

    fn read_files(&self, folder: &Folder) -> Result<(Vec<Option<Version>>, Vec<T>), Error> {
        let mut versions = Vec::new();
        let mut entries = Vec::new();
        for name in self.files {
            let path = self.folder.join(name);
            let file = match folder.file(name.as_bytes()) {
                Ok((file, _)) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    versions.push(None);
                    continue;
                }
                Err(source) => return Err(Error::reading(&path, source)),
            };
            versions.push(version_of(&file));
            let bytes = read_all(file, &path, LIST_BYTES_MAX)?;
            let read: Option<Vec<T>> = serde_json::from_slice(&bytes)
                .map_err(|source| Error::Malformed { path, source })?;
            entries.append(&mut read.unwrap_or_default());
        }
        Ok((versions, entries))
    }
}

/// The whole of a file that is at most `limit` bytes long.
pub(crate) fn read_all(file: File, path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|source| Error::reading(path, source))?;
    match bytes.len() as u64 > limit {
        true => Err(Error::TooLarge { path: path.to_path_buf(), limit }),
        false => Ok(bytes),
    }
}

fn version_of(file: &File) -> Option<Version> {
    file.metadata().ok().map(|metadata| version(&metadata))
}

fn version_at(path: &Path) -> Option<Version> {
    path.symlink_metadata().ok().map(|metadata| version(&metadata))
}

fn version(metadata: &std::fs::Metadata) -> Version {
    Version {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.len(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    }
}
