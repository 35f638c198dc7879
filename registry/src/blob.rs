//! Blobs: sizes, content, mounts and deletes.

use wharf_oci::{Digest, RepositoryName};

use crate::cache::{DigestKey, KnownBlob};
use crate::error::Error;
use crate::registry::{Floor, Registry};
use crate::store::content::Content;
use crate::store::error::StoreError;

impl Registry {
    /// The size of a blob in bytes (distribution spec, end-2).
    ///
    /// # Errors
    /// [`Error::BlobUnknown`] when it is not readable in the repository.
    pub async fn blob_size(&self, name: &RepositoryName, digest: &Digest) -> Result<u64, Error> {
        let key = (name.clone(), *digest);
        let cache = &self.floor().cache;
        if let Some(known) = cache.counted(cache.blobs.get(&key)) {
            return Ok(known.size);
        }
        let found = self.blocking("read a blob", move |floor| floor.open(key)).await?;
        found.map(|content| content.size()).ok_or_else(|| unknown(name, digest))
    }

    /// The content of a blob (distribution spec, end-2).
    ///
    /// # Errors
    /// [`Error::BlobUnknown`] when it is not readable in the repository.
    pub async fn blob(&self, name: &RepositoryName, digest: &Digest) -> Result<Content, Error> {
        let key = (name.clone(), *digest);
        let cache = &self.floor().cache;
        let known = cache.blobs.get(&key).and_then(|known| known.content);
        if let Some(content) = cache.counted(known) {
            return Ok(content);
        }
        let found = self.blocking("open a blob", move |floor| floor.open(key)).await?;
        found.ok_or_else(|| unknown(name, digest))
    }

    /// Makes a blob of another repository readable in this one, without a byte of it sent
    /// (distribution spec, end-11). Without `from`, any repository will do. `false` when there is no
    /// such blob to mount: the client uploads it then.
    ///
    /// # Errors
    /// The store failed, or the registry is read-only.
    pub async fn mount_blob(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        from: Option<&RepositoryName>,
    ) -> Result<bool, Error> {
        self.require_writable()?;
        let (name, digest, from) = (name.clone(), *digest, from.cloned());
        self.blocking("mount a blob", move |floor| floor.mount(&name, &digest, from)).await
    }

    /// Takes a blob out of a repository (distribution spec, end-10). Other repositories keep it.
    ///
    /// # Errors
    /// [`Error::BlobUnknown`] when it is not there, [`Error::DeletesDisabled`] and
    /// [`Error::ReadOnly`] by the settings.
    pub async fn delete_blob(&self, name: &RepositoryName, digest: &Digest) -> Result<(), Error> {
        self.require_deletes()?;
        let key = (name.clone(), *digest);
        let was_there = self
            .blocking("delete a blob", move |floor| {
                let _held = floor.cache.digest_locks.lock(key.clone());
                floor.cache.blobs.remove(&key);
                floor.store.unlink_blob(&key.0, &key.1)
            })
            .await?;
        if was_there { Ok(()) } else { Err(unknown(name, digest)) }
    }
}

impl Floor {
    /// Opens a blob and remembers what small requests will ask for next.
    fn open(&self, key: DigestKey) -> Result<Option<Content>, StoreError> {
        let _held = self.cache.digest_locks.lock(key.clone());
        let content = self.read(&key)?;
        match &content {
            Some(content) => {
                let small = content.bytes().is_some().then(|| content.clone());
                self.cache.blobs.insert(key, KnownBlob { size: content.size(), content: small });
            }
            None => {
                self.cache.blobs.remove(&key);
            }
        }
        Ok(content)
    }

    fn read(&self, (name, digest): &DigestKey) -> Result<Option<Content>, StoreError> {
        let Some(stored) = self.store.layer(name, digest)? else { return Ok(None) };
        let Some(content) = self.store.open_blob(&stored)? else { return Ok(None) };
        let plausible = self.is_plausible(name, digest, &stored, content.size())?;
        Ok(plausible.then_some(content))
    }

    /// Forgets what was known of a blob, whose file has just been replaced.
    pub(crate) fn refresh_blob(&self, name: &RepositoryName, digest: &Digest) {
        let key = (name.clone(), *digest);
        let _held = self.cache.digest_locks.lock(key.clone());
        self.cache.blobs.remove(&key);
    }

    /// Whether a file of `size` bytes can be what the digest names. Where a manifest of the
    /// repository says otherwise, the bytes themselves decide.
    fn is_plausible(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        stored: &Digest,
        size: u64,
    ) -> Result<bool, StoreError> {
        match self.indexes.blob_size(self, name, digest)? {
            Some(said) if said != size => self.store.is_intact(stored),
            _ => Ok(true),
        }
    }

    /// The size of a blob that a manifest names, as the volume has it now.
    pub(crate) fn size_for_manifest(
        &self,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<u64>, StoreError> {
        Ok(self.open((name.clone(), *digest))?.map(|content| content.size()))
    }

    /// Checks a blob whose size a manifest denies. `false`: it is damaged and now reads as absent.
    pub(crate) fn recheck(
        &self,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StoreError> {
        let is_intact = match self.store.layer(name, digest)? {
            Some(stored) => self.store.is_intact(&stored)?,
            None => false,
        };
        self.refresh_blob(name, digest);
        Ok(is_intact)
    }

    fn mount(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        from: Option<RepositoryName>,
    ) -> Result<bool, StoreError> {
        let stored = match from {
            Some(source) => match self.open((source.clone(), *digest))? {
                Some(_) => self.store.layer(&source, digest)?,
                None => None,
            },
            None => self.store.find_anywhere(digest)?,
        };
        let Some(stored) = stored else { return Ok(false) };
        self.store.link_blob(name, digest, &stored)?;
        Ok(true)
    }
}

fn unknown(name: &RepositoryName, digest: &Digest) -> Error {
    Error::BlobUnknown { name: name.clone(), digest: *digest }
}
