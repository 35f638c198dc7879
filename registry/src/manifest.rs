//! Manifests: pulled, pushed and deleted, byte for byte.

use std::sync::Arc;

use bytes::Bytes;
use wharf_oci::{
    Algorithm, Descriptor, Digest, Manifest, Reference, RepositoryName, Tag, media_type,
};

use crate::cache::DigestKey;
use crate::error::Error;
use crate::registry::{Floor, Registry};
use crate::store::error::StoreError;

/// A manifest as it is served.
#[derive(Debug, Clone)]
pub struct StoredManifest {
    /// Its digest, in the algorithm it was asked for by, or that its tag was put with.
    pub digest: Digest,
    /// The type it was pushed with.
    pub media_type: Arc<str>,
    /// The bytes as they were pushed.
    pub bytes: Bytes,
}

/// What became of a pushed manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutManifest {
    /// The digest it is stored by.
    pub digest: Digest,
    /// The manifest that it refers to.
    pub subject: Option<Digest>,
    /// The tags that now point at it.
    pub tags: Vec<Tag>,
}

impl Registry {
    /// A manifest by tag or digest (distribution spec, end-3).
    ///
    /// # Errors
    /// [`Error::ManifestUnknown`] when it is not readable in the repository.
    pub async fn manifest(
        &self,
        name: &RepositoryName,
        reference: &Reference,
    ) -> Result<StoredManifest, Error> {
        if let Some(known) = self.floor().cache.counted(self.known_manifest(name, reference)) {
            return Ok(known);
        }
        let (wanted, by) = (name.clone(), reference.clone());
        self.blocking("read a manifest", move |floor| floor.read_manifest(&wanted, &by))
            .await?
            .ok_or_else(|| unknown(name, reference))
    }

    fn known_manifest(
        &self,
        name: &RepositoryName,
        reference: &Reference,
    ) -> Option<StoredManifest> {
        let cache = &self.floor().cache;
        let digest = match reference {
            Reference::Digest(digest) => *digest,
            Reference::Tag(tag) => cache.tags.get(&(name.clone(), tag.clone()))?,
        };
        cache.manifests.get(&(name.clone(), digest))
    }

    /// Stores a manifest under its digest and points `tags`, and the tag it was pushed by, at it
    /// (distribution spec, end-7). Bytes, links and tags are durable when this returns, the tags
    /// last: a tag never points at what could be lost.
    ///
    /// # Errors
    /// The manifest is refused ([`Error::ManifestInvalid`], [`Error::ManifestTooLarge`],
    /// [`Error::ManifestDigestMismatch`]), or what it names is not there
    /// ([`Error::ManifestBlobsUnknown`], unless sparse manifests are allowed).
    pub async fn put_manifest(
        &self,
        name: &RepositoryName,
        reference: &Reference,
        tags: &[Tag],
        content_type: Option<&str>,
        bytes: Bytes,
    ) -> Result<PutManifest, Error> {
        self.require_writable()?;
        let limit = self.floor().config.manifest_bytes_max;
        if bytes.len() as u64 > limit {
            return Err(Error::ManifestTooLarge { limit });
        }
        let manifest = Manifest::parse(bytes, content_type)
            .map_err(|source| Error::ManifestInvalid { source })?;
        let (name, reference, mut tags) = (name.clone(), reference.clone(), tags.to_vec());
        self.crossing(move |floor| {
            let digest = digest_of(&manifest, &reference)?;
            if let Reference::Tag(tag) = reference {
                tags.insert(0, tag);
            }
            floor.require_room(manifest.bytes().len() as u64)?;
            if !floor.config.allow_sparse {
                floor.require_parts(&name, &manifest)?;
            }
            floor
                .store_manifest(&name, &digest, &manifest, &tags)
                .map_err(|source| floor.failed("store a manifest", source))?;
            Ok(PutManifest { digest, subject: manifest.subject().map(|it| it.digest), tags })
        })
        .await
    }

    /// Deletes a manifest and every tag that points at it, or only a tag (distribution spec,
    /// end-9).
    ///
    /// # Errors
    /// [`Error::ManifestUnknown`] when it is not there, [`Error::DeletesDisabled`] and
    /// [`Error::ReadOnly`] by the settings.
    pub async fn delete_manifest(
        &self,
        name: &RepositoryName,
        reference: &Reference,
    ) -> Result<(), Error> {
        self.require_deletes()?;
        let digest = match reference {
            Reference::Tag(tag) => return self.delete_tag(name, tag).await,
            Reference::Digest(digest) => *digest,
        };
        let wanted = name.clone();
        let was_there = self
            .blocking("delete a manifest", move |floor| floor.remove_manifest(&wanted, &digest))
            .await?;
        if was_there { Ok(()) } else { Err(unknown(name, reference)) }
    }
}

impl Floor {
    fn read_manifest(
        &self,
        name: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<StoredManifest>, StoreError> {
        let digest = match reference {
            Reference::Digest(digest) => *digest,
            Reference::Tag(tag) => match self.resolve_tag(name, tag)? {
                Some(digest) => digest,
                None => return Ok(None),
            },
        };
        let key: DigestKey = (name.clone(), digest);
        let _held = self.cache.digest_locks.lock(key.clone());
        let Some(revision) = self.store.revision(name, &digest)? else { return Ok(None) };
        let Some(bytes) = self.store.read_blob(&revision.stored, STORED_BYTES_MAX)? else {
            return Ok(None);
        };
        let Ok(manifest) = Manifest::from_stored(bytes) else { return Ok(None) };
        let served = StoredManifest {
            digest,
            media_type: manifest.media_type().into(),
            bytes: manifest.bytes().clone(),
        };
        self.cache.manifests.insert(key, served.clone());
        Ok(Some(served))
    }

    /// The digest is held until its tags have moved: a delete in between would leave them pointing
    /// at nothing.
    fn store_manifest(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        manifest: &Manifest,
        tags: &[Tag],
    ) -> Result<(), StoreError> {
        let _held = self.cache.digest_locks.lock((name.clone(), *digest));
        self.store.put_revision(name, digest, manifest.bytes())?;
        self.indexes.manifest_put(name, digest, manifest);
        self.catalog.manifest_put(name);
        for tag in tags {
            self.move_tag(name, tag, digest)?;
        }
        Ok(())
    }

    /// Removes the manifest under all its names, its tags first: a tag never points at nothing.
    fn remove_manifest(&self, name: &RepositoryName, digest: &Digest) -> Result<bool, StoreError> {
        let Some(revision) = self.store.revision(name, digest)? else { return Ok(false) };
        let mut names = vec![*digest];
        if *digest != revision.stored {
            names.push(revision.stored);
        } else if let Some(bytes) = self.store.read_blob(&revision.stored, STORED_BYTES_MAX)? {
            names.push(Digest::of(Algorithm::Sha512, &bytes));
        }
        // Held in order, until all is gone: see `store_manifest`.
        names.sort_unstable();
        let keys = names.iter().map(|digest| (name.clone(), *digest));
        let _held: Vec<_> = keys.map(|key| self.cache.digest_locks.lock(key)).collect();
        let pointing = self.indexes.tags(self, name, |tags| {
            let is_pointing = |(_, target): &(&Tag, &Digest)| names.contains(target);
            tags.iter().filter(is_pointing).map(|(tag, _)| tag.clone()).collect::<Vec<_>>()
        })?;
        for tag in pointing {
            self.remove_tag(name, &tag, Some(&names))?;
        }
        for digest in &names {
            self.cache.manifests.remove(&(name.clone(), *digest));
            self.store.remove_revision(name, digest)?;
            self.indexes.manifest_removed(name, digest);
        }
        self.catalog.manifest_removed(self, name)?;
        Ok(true)
    }

    /// Fails unless everything that the manifest names is in the repository, of the size it says.
    /// The subject need not be there (distribution spec, "Pushing Manifests with Subject").
    fn require_parts(&self, name: &RepositoryName, manifest: &Manifest) -> Result<(), Error> {
        let failed = |source| self.failed("look for a manifest's blobs", source);
        let mut missing = Vec::new();
        for blob in manifest.config().into_iter().chain(manifest.layers()) {
            if !self.has_blob(name, blob)? {
                missing.push(blob.digest);
            }
        }
        for child in manifest.children() {
            if !self.has_child(name, child).map_err(failed)? {
                missing.push(child.digest);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        missing.sort_unstable();
        missing.dedup();
        Err(Error::ManifestBlobsUnknown { name: name.clone(), missing })
    }

    fn has_blob(&self, name: &RepositoryName, blob: &Descriptor) -> Result<bool, Error> {
        let failed = |source| self.failed("look for a manifest's blobs", source);
        let found = self.size_for_manifest(name, &blob.digest).map_err(failed)?;
        match found {
            Some(size) if size == blob.size => Ok(true),
            // Never pushed by design (image spec, "Non-distributable layers").
            None => Ok(media_type::is_non_distributable(&blob.media_type)),
            // One of the two is wrong, and only the bytes can tell which.
            Some(received) if self.recheck(name, &blob.digest).map_err(failed)? => {
                Err(Error::SizeMismatch { announced: blob.size, received })
            }
            Some(_) => Ok(false),
        }
    }

    /// An index may list manifests, and any other content as a blob.
    fn has_child(&self, name: &RepositoryName, child: &Descriptor) -> Result<bool, StoreError> {
        if let Some(revision) = self.store.revision(name, &child.digest)? {
            return Ok(self.store.blob_size(&revision.stored)?.is_some());
        }
        Ok(self.size_for_manifest(name, &child.digest)?.is_some())
    }
}

/// The digest that a manifest is stored by: the one it is pushed by, else its sha256.
fn digest_of(manifest: &Manifest, reference: &Reference) -> Result<Digest, Error> {
    let Reference::Digest(claimed) = reference else {
        return Ok(Digest::of(Algorithm::Sha256, manifest.bytes()));
    };
    let found = Digest::of(claimed.algorithm(), manifest.bytes());
    if found != *claimed {
        return Err(Error::ManifestDigestMismatch { claimed: *claimed, found });
    }
    Ok(found)
}

/// A stored manifest is read up to this size, whatever the limit for new ones is now: 64 MiB.
const STORED_BYTES_MAX: u64 = 64 << 20;

fn unknown(name: &RepositoryName, reference: &Reference) -> Error {
    Error::ManifestUnknown { name: name.clone(), reference: reference.clone() }
}
