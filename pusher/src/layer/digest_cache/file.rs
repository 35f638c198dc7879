//! The cache's file: `digests.json`, replaced as a whole, so that readers need no lock; writers take
//! turns by `digests.lock`. What cannot be read, be it damaged or of another version, reads as empty,
//! and is written anew by the next change.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use wharf_oci::{Digest, RepositoryName};

use crate::layer::compression::FORMAT_VERSION;

/// The largest file that is read, in bytes: several times what the limits on its lists allow.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// The version of the file's form.
const VERSION: u32 = 1;

/// Where the file is.
#[derive(Debug)]
pub(super) struct CacheFile {
    folder: PathBuf,
}

/// Which state of the file was read: changes whenever the file is replaced. None: there is no file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp(Option<(u64, Option<SystemTime>, u64)>);

/// What the file holds, the oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Facts {
    version: u32,
    pub(super) compressed: Vec<CompressedForm>,
    pub(super) held: Vec<Holders>,
}

/// A layer's compressed form.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CompressedForm {
    pub(super) diff_id: Digest,
    /// As `Compression` writes itself.
    pub(super) compression: String,
    /// The version of the bytes that `compress` made.
    pub(super) format: u32,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// The repositories of a registry that hold a blob.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Holders {
    registry: String,
    digest: Digest,
    pub(super) repositories: Vec<RepositoryName>,
}

impl CompressedForm {
    pub(super) fn is(&self, diff_id: &Digest, compression: &str) -> bool {
        self.diff_id == *diff_id && self.compression == compression && self.format == FORMAT_VERSION
    }
}

impl Holders {
    pub(super) fn none(registry: &str, digest: Digest) -> Self {
        Self { registry: registry.to_owned(), digest, repositories: Vec::new() }
    }

    pub(super) fn is(&self, registry: &str, digest: &Digest) -> bool {
        self.digest == *digest && self.registry == registry
    }
}

impl CacheFile {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// What the file holds now.
    pub(super) fn read(&self) -> Facts {
        let read = || {
            let mut bytes = Vec::new();
            File::open(self.path())?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
            io::Result::Ok(serde_json::from_slice(&bytes)?)
        };
        read().ok().filter(|facts: &Facts| facts.version == VERSION).unwrap_or_default()
    }

    /// Which state the file is in.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp(
            fs::metadata(self.path())
                .ok()
                .map(|file| (file.ino(), file.modified().ok(), file.len())),
        )
    }

    /// Changes what the file holds, whatever other processes have changed since it was read.
    pub(super) fn change(&self, change: impl FnOnce(&mut Facts)) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let lock =
            File::options().append(true).create(true).open(self.folder.join("digests.lock"))?;
        // Held until `lock` goes out of scope, for the time of a small file's reading and writing.
        lock.lock()?;
        let mut facts = self.read();
        change(&mut facts);
        facts.version = VERSION;
        // Not synced: what a crash takes is learnt again.
        let mut file = NamedTempFile::with_prefix_in("digests.json.", &self.folder)?;
        serde_json::to_writer(io::BufWriter::new(&mut file), &facts)?;
        file.persist(self.path())?;
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.folder.join("digests.json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_reads_as_empty_and_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let file = CacheFile::new(folder.path());
        let whole = r#"{"version":1,"compressed":[],"held":[{"registry":"r","digest":"DIGEST","repositories":["a"]}]}"#
            .replace("DIGEST", &Digest::empty(wharf_oci::Algorithm::Sha256).to_string());
        for (text, held) in [
            (whole.as_str(), 1),
            (&whole[..whole.len() / 2], 0),
            (&whole.replace(r#""version":1"#, r#""version":2"#), 0),
            (&whole.replace("sha256:", "sha256:X"), 0),
            ("", 0),
            ("null", 0),
        ] {
            fs::write(file.path(), text).unwrap();
            assert_eq!(file.read().held.len(), held, "{text}");
            let digest = Digest::empty(wharf_oci::Algorithm::Sha512);
            file.change(|facts| facts.held.push(Holders::none("new", digest))).unwrap();
            assert_eq!(file.read().held.len(), held + 1, "{text}");
        }
    }

    #[test]
    fn nothing_but_the_file_and_its_lock_is_left() {
        let folder = tempfile::tempdir().unwrap();
        CacheFile::new(folder.path()).change(|_| ()).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["digests.json", "digests.lock"]);
    }
}
