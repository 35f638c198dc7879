//! What the domain remembers so that small requests need no disk: blob sizes and small blobs,
//! manifests, and what tags point at.
//!
//! Only what is there is remembered, never that something is not. An entry is put in and taken out
//! while the [`KeyedLock`] of its key is held, together with the disk work that makes it true: an
//! old answer can not be put back after a newer one.

use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache as Bounded;
use wharf_oci::{Digest, RepositoryName, Tag};

use crate::manifest::StoredManifest;
use crate::store::content::Content;
use crate::store::keyed_lock::KeyedLock;

/// What an entry weighs beside its bytes: keys, table, counters.
const ENTRY_BYTES: u64 = 256;

/// A blob or a manifest of a repository.
pub(crate) type DigestKey = (RepositoryName, Digest);

/// A tag of a repository.
pub(crate) type TagKey = (RepositoryName, Tag);

/// What is known of a blob.
#[derive(Debug, Clone)]
pub(crate) struct KnownBlob {
    /// In bytes.
    pub(crate) size: u64,
    /// Its content, when that is small enough to keep.
    pub(crate) content: Option<Content>,
}

/// The caches and the locks that keep them true.
#[derive(Debug)]
pub(crate) struct Cache {
    pub(crate) blobs: Bounded<DigestKey, KnownBlob, Weight>,
    pub(crate) manifests: Bounded<DigestKey, StoredManifest, Weight>,
    pub(crate) tags: Bounded<TagKey, Digest, Weight>,
    pub(crate) digest_locks: KeyedLock<DigestKey>,
    pub(crate) tag_locks: KeyedLock<TagKey>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Cache {
    /// `bytes_max` is shared out: half to manifests, three eighths to blobs, the rest to tags.
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            blobs: bounded(bytes_max * 3 / 8),
            manifests: bounded(bytes_max / 2),
            tags: bounded(bytes_max / 8),
            digest_locks: KeyedLock::new(),
            tag_locks: KeyedLock::new(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// Counts an answer and hands it on.
    pub(crate) fn counted<T>(&self, answer: Option<T>) -> Option<T> {
        let counter = if answer.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        answer
    }

    pub(crate) fn hits_and_misses(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }
}

fn bounded<K: Eq + std::hash::Hash, V: Clone>(bytes_max: u64) -> Bounded<K, V, Weight>
where
    Weight: Weighter<K, V>,
{
    Bounded::with_weighter((bytes_max / ENTRY_BYTES) as usize, bytes_max, Weight)
}

/// Weighs entries by the memory they hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weight;

impl Weighter<DigestKey, KnownBlob> for Weight {
    fn weight(&self, _key: &DigestKey, blob: &KnownBlob) -> u64 {
        ENTRY_BYTES + blob.content.as_ref().map_or(0, Content::size)
    }
}

impl Weighter<DigestKey, StoredManifest> for Weight {
    fn weight(&self, _key: &DigestKey, manifest: &StoredManifest) -> u64 {
        ENTRY_BYTES + manifest.bytes.len() as u64
    }
}

impl Weighter<TagKey, Digest> for Weight {
    fn weight(&self, _key: &TagKey, _digest: &Digest) -> u64 {
        ENTRY_BYTES
    }
}
