//! Upload sessions on disk: `_uploads/UUID/{data,startedat}`, as registry:2 keeps them.
//!
//! A session's bytes are not synced before it is committed: a power cut may shorten it, and the
//! digest at the end is what decides.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use wharf_oci::{Digest, RepositoryName, UploadId};

use super::Store;
use super::error::{StoreError, present};
use super::writeout;

/// After so many bytes the disk is told to begin, and room is reserved for as many: 8 MiB.
const STRIDE_BYTES: u64 = 8 << 20;

/// The file of one session, open for appending.
#[derive(Debug)]
pub(crate) struct UploadFile {
    file: File,
    path: PathBuf,
    length: u64,
    /// Up to where the disk was told to begin.
    begun: u64,
    /// Up to where room was asked for.
    reserved: u64,
}

/// A session as found on disk.
#[derive(Debug, Clone)]
pub(crate) struct FoundUpload {
    pub(crate) name: RepositoryName,
    pub(crate) id: UploadId,
    /// When bytes last arrived, or when it was started.
    pub(crate) touched_at: SystemTime,
}

impl Store {
    /// Starts a session of no bytes; it survives the end of this process.
    pub(crate) fn create_upload(
        &self,
        name: &RepositoryName,
        id: &UploadId,
        started_at: &str,
    ) -> Result<(), StoreError> {
        let folder = self.layout.upload(name, id);
        let write = |path: PathBuf, bytes: &[u8]| {
            File::create(&path)
                .and_then(|mut file| file.write_all(bytes))
                .map_err(|error| StoreError::io("write", path, error))
        };
        if !self.spare_sessions.take(&folder, started_at) {
            // What is touched here needs no sync: a session is not promised to outlive a power cut.
            // The folders above it may carry links later, and are remembered as not durable yet.
            self.durability.make_folder(&folder, &mut Default::default())?;
            write(folder.join("startedat"), started_at.as_bytes())?;
        }
        write(folder.join("data"), b"")
    }

    /// Bytes that the session holds; `None` when there is no such session.
    ///
    /// A session from before the machine last started holds nothing: its file may have its length
    /// but not its bytes.
    pub(crate) fn upload_length(
        &self,
        name: &RepositoryName,
        id: &UploadId,
    ) -> Result<Option<u64>, StoreError> {
        // registry:2 does not continue a session without its start; nor is it one to wharf.
        let started = self.layout.upload(name, id).join("startedat");
        if present(fs::metadata(&started), "read", &started)?.is_none() {
            return Ok(None);
        }
        let path = self.upload_data(name, id);
        let Some(found) = present(fs::metadata(&path), "read", &path)? else { return Ok(None) };
        let touched_at = found.modified().map_err(|error| StoreError::io("read", &path, error))?;
        if self.power_lost_before.is_none_or(|then| touched_at >= then) {
            return Ok(Some(found.len()));
        }
        UploadFile::open(&path, 0)?;
        Ok(Some(0))
    }

    /// The file that holds the session's bytes.
    pub(crate) fn upload_data(&self, name: &RepositoryName, id: &UploadId) -> PathBuf {
        self.layout.upload(name, id).join("data")
    }

    /// Removes the session and its bytes, if it is there.
    pub(crate) fn remove_upload(
        &self,
        name: &RepositoryName,
        id: &UploadId,
    ) -> Result<(), StoreError> {
        let folder = self.layout.upload(name, id);
        self.durability.forget(&folder);
        if self.spare_sessions.keep(&folder) {
            return Ok(());
        }
        present(fs::remove_dir_all(&folder), "remove", &folder).map(drop)
    }

    /// Every session of the repository, whoever started it. Folders of other names are left alone.
    pub(crate) fn uploads(&self, name: &RepositoryName) -> Result<Vec<FoundUpload>, StoreError> {
        let folder = self.layout.uploads(name);
        let mut found = Vec::new();
        for entry in self.entries(&folder)? {
            let Ok(id) = entry.parse::<UploadId>() else { continue };
            let Some(touched_at) = self.upload_touched_at(name, &id)? else { continue };
            found.push(FoundUpload { name: name.clone(), id, touched_at });
        }
        Ok(found)
    }

    /// registry:2 leaves sessions without `startedat`, and some without `data`: any file will do.
    fn upload_touched_at(
        &self,
        name: &RepositoryName,
        id: &UploadId,
    ) -> Result<Option<SystemTime>, StoreError> {
        let folder = self.layout.upload(name, id);
        for path in [folder.join("data"), folder.join("startedat"), folder] {
            if let Some(found) = present(fs::metadata(&path), "read", &path)? {
                return found
                    .modified()
                    .map(Some)
                    .map_err(|error| StoreError::io("read", path, error));
            }
        }
        Ok(None)
    }

    /// Moves the session's bytes, which hash to `stored`, to their place and makes them readable in
    /// the session's repository under each digest of `named`. Durable and visible when it returns.
    /// `length` is what was hashed.
    pub(crate) fn commit_upload(
        &self,
        name: &RepositoryName,
        id: &UploadId,
        length: u64,
        stored: &Digest,
        named: &[Digest],
    ) -> Result<(), StoreError> {
        let path = self.upload_data(name, id);
        let found = fs::metadata(&path).map_err(|error| StoreError::io("read", &path, error))?;
        if found.len() != length {
            return Err(StoreError::CutShort { path });
        }
        let links: Vec<_> =
            named.iter().map(|digest| (self.layout.layer_link(name, digest), *stored)).collect();
        self.commit(&path, stored, &links)
    }
}

impl UploadFile {
    /// Opens the file of a session that exists, to append after its `length` bytes. What lies
    /// beyond was never acknowledged and is cut off.
    pub(crate) fn open(path: &Path, length: u64) -> Result<Self, StoreError> {
        let failed = |error| StoreError::io("open", path, error);
        let file = File::options().read(true).write(true).open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() > length {
            file.set_len(length).map_err(|error| StoreError::io("shorten", path, error))?;
        }
        Ok(Self { file, path: path.to_path_buf(), length, begun: length, reserved: length })
    }

    /// Appends `bytes`. When it fails, the length is what was written for sure.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        use std::os::unix::fs::FileExt;

        self.file
            .write_all_at(bytes, self.length)
            .map_err(|error| StoreError::io("write", &self.path, error))?;
        self.length += bytes.len() as u64;
        if self.length - self.begun >= STRIDE_BYTES {
            writeout::begin(&self.file, self.begun..self.length);
            self.begun = self.length;
            self.reserved = self.length + STRIDE_BYTES;
            writeout::reserve(&self.file, self.length..self.reserved);
        }
        Ok(())
    }

    /// Bytes in the file.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }
}

impl Drop for UploadFile {
    /// Gives back the room that was not needed.
    fn drop(&mut self) {
        if self.reserved > self.length {
            // At worst a few MiB stay reserved for as long as the file is there.
            _ = self.file.set_len(self.length);
        }
    }
}
