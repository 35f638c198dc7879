//! What has to be known of a whole repository: its tags in order, its referrers, the sizes that its
//! manifests give to blobs.
//!
//! An index is read from the volume at the first question and kept up by every later change. It is
//! never written down, so there is nothing to distrust after registry:2 has used the volume. What is
//! kept is bounded by its size in memory; an index that was dropped is read again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wharf_oci::{Algorithm, Descriptor, Digest, Manifest, RepositoryName, Tag};

use crate::registry::Floor;
use crate::store::error::StoreError;
use crate::store::readers::read_each;
use crate::store::revision::Revision;

/// The memory that all indexes together may take: 24 MiB.
const BYTES_MAX: usize = 24 << 20;

/// What a tag, a referrer or the size of a blob takes beside its text.
const ENTRY_BYTES: usize = 200;

/// Annotations of a referrer that are listed with it, names and values together: 16 KiB. Larger ones
/// stand in its manifest only, so that a list cannot be made to fill the memory.
const ANNOTATION_BYTES_MAX: usize = 16 << 10;

/// The indexes that are in memory.
#[derive(Debug)]
pub(crate) struct Indexes {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    indexes: HashMap<RepositoryName, Weighed>,
    /// What all of them take, as last weighed.
    bytes: usize,
}

#[derive(Debug, Default)]
struct Weighed {
    index: Arc<Mutex<Index>>,
    bytes: usize,
}

/// The index of one repository; each half is there once somebody has asked for it.
#[derive(Debug, Default)]
pub(crate) struct Index {
    tags: Option<BTreeMap<Tag, Digest>>,
    /// What tags pointed at that could not be read. Should such a manifest come back, so do they.
    dangling: HashSet<Digest>,
    manifests: Option<Manifests>,
}

/// What the manifests of a repository say.
#[derive(Debug, Default)]
struct Manifests {
    /// By the digest of the subject, then by the SHA-256 of the referrer, which may have been pushed
    /// by two names.
    referrers: BTreeMap<Digest, BTreeMap<Digest, Descriptor>>,
    /// The size that manifests give to a blob; the first one that was read counts.
    sizes: HashMap<Digest, u64>,
    /// What they take, without regard to what was removed since.
    bytes: usize,
}

impl Indexes {
    pub(crate) fn new() -> Self {
        Self { kept: Mutex::default() }
    }

    /// The tags of `name` in byte order, handed to `answer`.
    pub(crate) fn tags<T>(
        &self,
        floor: &Floor,
        name: &RepositoryName,
        answer: impl FnOnce(&BTreeMap<Tag, Digest>) -> T,
    ) -> Result<T, StoreError> {
        let index = self.of(name);
        let mut held = lock(&index);
        if held.tags.is_none() {
            let (tags, dangling) = read_tags(floor, name)?;
            (held.tags, held.dangling) = (Some(tags), dangling);
        }
        let result = answer(held.tags.get_or_insert_default());
        self.bound(name, held.bytes());
        Ok(result)
    }

    /// The descriptors of the manifests in `name` whose subject is `subject`.
    pub(crate) fn referrers(
        &self,
        floor: &Floor,
        name: &RepositoryName,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, StoreError> {
        self.manifests(floor, name, |manifests| {
            manifests
                .referrers
                .get(subject)
                .map(|found| found.values().cloned().collect())
                .unwrap_or_default()
        })
    }

    /// The size in bytes that a manifest of `name` gives to `blob`.
    pub(crate) fn blob_size(
        &self,
        floor: &Floor,
        name: &RepositoryName,
        blob: &Digest,
    ) -> Result<Option<u64>, StoreError> {
        self.manifests(floor, name, |manifests| manifests.sizes.get(blob).copied())
    }

    /// Notes that a tag moved; called while the tag is held, after the store moved it.
    pub(crate) fn tag_put(&self, name: &RepositoryName, tag: &Tag, digest: &Digest) {
        self.change(name, |index| {
            if let Some(tags) = &mut index.tags {
                tags.insert(tag.clone(), *digest);
            }
        });
    }

    /// Notes that a tag is gone; called while the tag is held, after the store removed it.
    pub(crate) fn tag_removed(&self, name: &RepositoryName, tag: &Tag) {
        self.change(name, |index| {
            if let Some(tags) = &mut index.tags {
                tags.remove(tag);
            }
        });
    }

    /// Notes a manifest that the store holds from now on.
    pub(crate) fn manifest_put(&self, name: &RepositoryName, digest: &Digest, manifest: &Manifest) {
        self.change(name, |index| {
            if index.awaits(digest, manifest) {
                index.tags = None;
            }
            if let Some(manifests) = &mut index.manifests {
                manifests.add(digest, manifest);
            }
        });
    }

    /// Notes that a manifest is gone.
    pub(crate) fn manifest_removed(&self, name: &RepositoryName, digest: &Digest) {
        self.change(name, |index| {
            if let Some(manifests) = &mut index.manifests {
                manifests.remove(digest);
            }
        });
    }

    fn manifests<T>(
        &self,
        floor: &Floor,
        name: &RepositoryName,
        answer: impl FnOnce(&Manifests) -> T,
    ) -> Result<T, StoreError> {
        let index = self.of(name);
        let mut held = lock(&index);
        if held.manifests.is_none() {
            held.manifests = Some(Manifests::read(floor, name)?);
        }
        let result = answer(held.manifests.get_or_insert_default());
        self.bound(name, held.bytes());
        Ok(result)
    }

    /// Applies a change that the store has made already.
    ///
    /// The index is looked up now and not before: one that is being read at this moment may have
    /// missed the change, and waits with its lock; one that is read later will see it.
    fn change(&self, name: &RepositoryName, change: impl FnOnce(&mut Index)) {
        let index = lock(&self.kept).indexes.get(name).map(|weighed| Arc::clone(&weighed.index));
        if let Some(index) = index {
            let mut held = lock(&index);
            change(&mut held);
            self.bound(name, held.bytes());
        }
    }

    fn of(&self, name: &RepositoryName) -> Arc<Mutex<Index>> {
        Arc::clone(&lock(&self.kept).indexes.entry(name.clone()).or_default().index)
    }

    /// Weighs the index of `current` anew and drops others while all together take too much; in the
    /// end its own, which was good for one answer.
    fn bound(&self, current: &RepositoryName, bytes: usize) {
        let mut kept = lock(&self.kept);
        let Some(weighed) = kept.indexes.get_mut(current) else { return };
        let before = std::mem::replace(&mut weighed.bytes, bytes);
        kept.bytes = kept.bytes - before + bytes;
        while kept.bytes > BYTES_MAX {
            let other = kept.indexes.keys().find(|name| *name != current).cloned();
            let dropped = kept.indexes.remove(other.as_ref().unwrap_or(current));
            kept.bytes -= dropped.map_or(0, |weighed| weighed.bytes);
        }
    }
}

impl Index {
    /// Whether a tag points at this manifest that was left out of the list without it.
    fn awaits(&self, digest: &Digest, manifest: &Manifest) -> bool {
        let by_other_name = || Digest::of(Algorithm::Sha256, manifest.bytes());
        !self.dangling.is_empty()
            && (self.dangling.contains(digest) || self.dangling.contains(&by_other_name()))
    }

    fn bytes(&self) -> usize {
        let tags = self.tags.as_ref().map_or(0, BTreeMap::len) + self.dangling.len();
        ENTRY_BYTES * (1 + tags) + self.manifests.as_ref().map_or(0, |manifests| manifests.bytes)
    }
}

impl Manifests {
    fn read(floor: &Floor, name: &RepositoryName) -> Result<Self, StoreError> {
        let mut found = Self::default();
        for revision in floor.store.revisions(name)? {
            if let Some(manifest) = read_manifest(floor, &revision)? {
                found.add(&revision.digest, &manifest);
            }
        }
        Ok(found)
    }

    fn add(&mut self, digest: &Digest, manifest: &Manifest) {
        for blob in manifest.config().into_iter().chain(manifest.layers()) {
            self.sizes.entry(blob.digest).or_insert_with(|| {
                self.bytes += ENTRY_BYTES;
                blob.size
            });
        }
        if let Some(subject) = manifest.subject() {
            let stored = Digest::of(Algorithm::Sha256, manifest.bytes());
            let known = self.referrers.entry(subject.digest).or_default();
            // Listed once, by the name that says more: SHA-256 goes without saying.
            if *digest == stored && known.contains_key(&stored) {
                return;
            }
            let referrer = describe(digest, manifest);
            self.bytes += ENTRY_BYTES + text_bytes(&referrer.annotations);
            known.insert(stored, referrer);
        }
    }

    fn remove(&mut self, digest: &Digest) {
        self.referrers.retain(|_, referrers| {
            referrers.retain(|stored, referrer| stored != digest && referrer.digest != *digest);
            !referrers.is_empty()
        });
    }
}

/// The descriptor by which a referrer is listed (distribution spec, "Listing Referrers").
fn describe(digest: &Digest, manifest: &Manifest) -> Descriptor {
    let all = manifest.annotations();
    let fits = text_bytes(all) <= ANNOTATION_BYTES_MAX;
    Descriptor {
        artifact_type: manifest.artifact_type().map(str::to_owned),
        annotations: if fits { all.clone() } else { BTreeMap::new() },
        ..Descriptor::new(manifest.media_type(), *digest, manifest.bytes().len() as u64)
    }
}

fn text_bytes(annotations: &BTreeMap<String, String>) -> usize {
    annotations.iter().map(|(name, value)| name.len() + value.len()).sum()
}

fn read_manifest(floor: &Floor, revision: &Revision) -> Result<Option<Manifest>, StoreError> {
    let bytes = floor.store.read_blob(&revision.stored, floor.config.manifest_bytes_max)?;
    Ok(bytes.and_then(|bytes| Manifest::from_stored(bytes).ok()))
}

/// Tags that point at a manifest which can be read, and what the others point at: those are left over
/// from a crash, or wait for a manifest that was deleted.
fn read_tags(
    floor: &Floor,
    name: &RepositoryName,
) -> Result<(BTreeMap<Tag, Digest>, HashSet<Digest>), StoreError> {
    let mut tags: BTreeMap<Tag, Digest> = floor.store.tags(name)?.into_iter().collect();
    let pointed_at: HashSet<Digest> = tags.values().copied().collect();
    let pointed_at: Vec<Digest> = pointed_at.into_iter().collect();
    let readable = read_each(&pointed_at, |digest| is_readable(floor, name, digest))?;
    let dangling: HashSet<Digest> = pointed_at
        .into_iter()
        .zip(readable)
        .filter_map(|(digest, is_readable)| (!is_readable).then_some(digest))
        .collect();
    tags.retain(|_, digest| !dangling.contains(digest));
    Ok((tags, dangling))
}

/// Whether the manifest can be read in the repository.
fn is_readable(floor: &Floor, name: &RepositoryName, digest: &Digest) -> Result<bool, StoreError> {
    let Some(revision) = floor.store.revision(name, digest)? else { return Ok(false) };
    Ok(floor.store.blob_size(&revision.stored)?.is_some())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
