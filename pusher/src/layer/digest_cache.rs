//! `DigestCache`: what pushes have learnt, kept for the next one: the compressed form of a layer, and
//! which repositories hold a blob. All of it is a hint: a registry is asked before anything rests on
//! it, and without the file a push is slower, never wrong.
//!
//! What it refuses to do: grow without end, keep one process from another's reading, fail a push. What
//! goes in is its callers' care: a blob's facts only after a registry has stored the blob.

mod file;

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use wharf_oci::{Digest, RepositoryName};

use crate::layer::compression::{Compression, FORMAT_VERSION};
use file::{CacheFile, CompressedForm, Facts, Holders, Stamp};

/// The most layers whose compressed form is remembered.
const COMPRESSED_MAX: usize = 4096;
/// The most blobs whose repositories are remembered.
const HELD_MAX: usize = 4096;
/// The most repositories of one registry that are remembered for a blob.
const REPOSITORIES_PER_BLOB_MAX: usize = 4;

/// A handle on the file. Processes may share the file, threads the handle. Every method blocks for the
/// time that a small file takes.
#[derive(Debug)]
pub struct DigestCache {
    file: CacheFile,
    /// The file as it was read last.
    read: Mutex<(Stamp, Facts)>,
}

impl DigestCache {
    /// The cache in `folder`, which need not be there yet. Nothing is read.
    #[must_use]
    pub fn open(folder: &Path) -> Self {
        Self { file: CacheFile::new(folder), read: Mutex::default() }
    }

    /// The digest and the size in bytes of the layer `diff_id` in the form `compression`, as this
    /// version of `compress` makes it.
    #[must_use]
    pub fn compressed(&self, diff_id: &Digest, compression: Compression) -> Option<(Digest, u64)> {
        let compression = compression.to_string();
        self.look(|facts| {
            let form = facts.compressed.iter().find(|form| form.is(diff_id, &compression))?;
            Some((form.digest, form.size))
        })
    }

    /// Remembers the compressed form of a layer: its digest and its size in bytes.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn note_compressed(
        &self,
        diff_id: &Digest,
        compression: Compression,
        (digest, size): (Digest, u64),
    ) -> io::Result<()> {
        if self.compressed(diff_id, compression) == Some((digest, size)) {
            return Ok(());
        }
        let (diff_id, compression) = (*diff_id, compression.to_string());
        self.file.change(|facts| {
            facts.compressed.retain(|form| !form.is(&diff_id, &compression));
            let format = FORMAT_VERSION;
            facts.compressed.push(CompressedForm { diff_id, compression, format, digest, size });
            drop_oldest(&mut facts.compressed, COMPRESSED_MAX);
        })
    }

    /// The repositories of `registry` (`host:port`) that hold the blob, as far as is known; the latest
    /// first.
    #[must_use]
    pub fn holders(&self, registry: &str, digest: &Digest) -> Vec<RepositoryName> {
        self.look(|facts| {
            let held = facts.held.iter().find(|held| held.is(registry, digest));
            held.into_iter().flat_map(|held| held.repositories.iter().rev().cloned()).collect()
        })
    }

    /// Remembers that `repository` of `registry` (`host:port`) holds the blob.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn note_holder(
        &self,
        registry: &str,
        digest: &Digest,
        repository: &RepositoryName,
    ) -> io::Result<()> {
        if self.holders(registry, digest).first() == Some(repository) {
            return Ok(());
        }
        self.file.change(|facts| {
            let mut held = take(&mut facts.held, |held| held.is(registry, digest))
                .unwrap_or_else(|| Holders::none(registry, *digest));
            held.repositories.retain(|known| known != repository);
            held.repositories.push(repository.clone());
            drop_oldest(&mut held.repositories, REPOSITORIES_PER_BLOB_MAX);
            facts.held.push(held);
            drop_oldest(&mut facts.held, HELD_MAX);
        })
    }

    /// Forgets that `repository` of `registry` (`host:port`) holds the blob: it was found without it.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn forget_holder(
        &self,
        registry: &str,
        digest: &Digest,
        repository: &RepositoryName,
    ) -> io::Result<()> {
        if !self.holders(registry, digest).contains(repository) {
            return Ok(());
        }
        self.file.change(|facts| {
            for held in facts.held.iter_mut().filter(|held| held.is(registry, digest)) {
                held.repositories.retain(|known| known != repository);
            }
            facts.held.retain(|held| !held.repositories.is_empty());
        })
    }

    /// Looks something up, in the file as it is now.
    fn look<T>(&self, question: impl FnOnce(&Facts) -> T) -> T {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.file.stamp();
        if stamp != read.0 {
            *read = (stamp, self.file.read());
        }
        question(&read.1)
    }
}

fn take<T>(list: &mut Vec<T>, is_it: impl FnMut(&T) -> bool) -> Option<T> {
    let at = list.iter().position(is_it)?;
    Some(list.remove(at))
}

/// Lists grow at their end.
fn drop_oldest<T>(list: &mut Vec<T>, length_max: usize) {
    list.drain(..list.len().saturating_sub(length_max));
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_oci::Algorithm;

    fn digest(text: impl AsRef<[u8]>) -> Digest {
        Digest::of(Algorithm::Sha256, text.as_ref())
    }

    fn name(text: &str) -> RepositoryName {
        text.parse().unwrap()
    }

    #[test]
    fn what_one_handle_learns_another_knows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("not/yet/there");
        let (one, other) = (DigestCache::open(&path), DigestCache::open(&path));
        let (layer, packed) = (digest("layer"), digest("packed"));
        assert_eq!(other.compressed(&layer, Compression::ZSTD), None);
        one.note_compressed(&layer, Compression::ZSTD, (packed, 7)).unwrap();
        assert_eq!(other.compressed(&layer, Compression::ZSTD), Some((packed, 7)));
        assert_eq!(other.compressed(&layer, Compression::GZIP), None);
        assert_eq!(other.compressed(&packed, Compression::ZSTD), None);

        other.note_holder("ghcr.io", &packed, &name("a/b")).unwrap();
        other.note_holder("ghcr.io", &packed, &name("c")).unwrap();
        assert_eq!(one.holders("ghcr.io", &packed), [name("c"), name("a/b")]);
        assert!(one.holders("ghcr.io:443", &packed).is_empty());
        assert!(one.holders("ghcr.io", &layer).is_empty());
        one.forget_holder("ghcr.io", &packed, &name("c")).unwrap();
        assert_eq!(other.holders("ghcr.io", &packed), [name("a/b")]);

        std::fs::remove_dir_all(&path).unwrap();
        assert_eq!(one.compressed(&layer, Compression::ZSTD), None);
        one.note_compressed(&layer, Compression::ZSTD, (packed, 8)).unwrap();
        assert_eq!(one.compressed(&layer, Compression::ZSTD), Some((packed, 8)));
    }

    #[test]
    fn it_keeps_what_is_newest() {
        let folder = tempfile::tempdir().unwrap();
        let cache = DigestCache::open(folder.path());
        let layers: Vec<Digest> = (0..=COMPRESSED_MAX).map(|n| digest(n.to_le_bytes())).collect();
        let forms = layers[..COMPRESSED_MAX].iter().map(|&diff_id| CompressedForm {
            diff_id,
            compression: "gzip:6".to_owned(),
            format: FORMAT_VERSION,
            digest: diff_id,
            size: 1,
        });
        cache.file.change(|facts| facts.compressed.extend(forms)).unwrap();
        let known = |at: usize| cache.compressed(&layers[at], Compression::GZIP).is_some();
        assert!(known(0) && known(COMPRESSED_MAX - 1) && !known(COMPRESSED_MAX));
        let last = layers[COMPRESSED_MAX];
        cache.note_compressed(&last, Compression::GZIP, (last, 1)).unwrap();
        assert!(!known(0) && known(1) && known(COMPRESSED_MAX));

        for repository in ["a", "b", "c", "d", "a", "e"] {
            cache.note_holder("r", &last, &name(repository)).unwrap();
        }
        assert_eq!(cache.holders("r", &last), ["e", "a", "d", "c"].map(name));
    }

    #[test]
    fn nothing_is_lost_between_writers_at_work_at_once() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..4_u8 {
                let cache = DigestCache::open(folder.path());
                scope.spawn(move || {
                    for n in 0..16_u8 {
                        let layer = digest([writer, n]);
                        cache.note_compressed(&layer, Compression::GZIP, (layer, 1)).unwrap();
                    }
                });
            }
        });
        let cache = DigestCache::open(folder.path());
        for (writer, n) in (0..4).flat_map(|writer| (0..16).map(move |n| (writer, n))) {
            assert!(cache.compressed(&digest([writer, n]), Compression::GZIP).is_some());
        }
    }
}
