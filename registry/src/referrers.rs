//! Referrers: the manifests of a repository that name another one as their subject (distribution
//! spec, end-12).

use wharf_oci::{Descriptor, Digest, Manifest, RepositoryName, Tag};

use crate::error::Error;
use crate::registry::{Floor, Registry};
use crate::store::error::StoreError;

impl Registry {
    /// The referrers of `digest`, all or those of one artifact type. Empty when there are none, and
    /// for a repository or a digest that nobody has pushed.
    ///
    /// # Errors
    /// The store failed.
    pub async fn referrers(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, Error> {
        let (name, subject) = (name.clone(), *digest);
        let mut found = self
            .blocking("list referrers", move |floor| {
                let mut found = floor.indexes.referrers(floor, &name, &subject)?;
                floor.merge_fallback(&name, &subject, &mut found)?;
                Ok(found)
            })
            .await?;
        if let Some(wanted) = artifact_type {
            found.retain(|referrer| referrer.artifact_type.as_deref() == Some(wanted));
        }
        Ok(found)
    }
}

impl Floor {
    /// Clients of registries without this end-point keep an index under the tag `sha256-HEX`; what
    /// they listed there is listed here too (distribution spec, "Enabling the Referrers API").
    fn merge_fallback(
        &self,
        name: &RepositoryName,
        subject: &Digest,
        found: &mut Vec<Descriptor>,
    ) -> Result<(), StoreError> {
        let Ok(tag) = format!("{}-{}", subject.algorithm(), subject.hex()).parse::<Tag>() else {
            return Ok(());
        };
        let Some(digest) = self.store.tag(name, &tag)? else { return Ok(()) };
        let Some(revision) = self.store.revision(name, &digest)? else { return Ok(()) };
        let bytes = self.store.read_blob(&revision.stored, self.config.manifest_bytes_max)?;
        let Some(Ok(index)) = bytes.map(Manifest::from_stored) else { return Ok(()) };
        for child in index.children() {
            let is_listed = found.iter().any(|known| known.digest == child.digest);
            // One that was deleted stays in the index that its client keeps.
            if !is_listed && self.store.revision(name, &child.digest)?.is_some() {
                found.push(child.clone());
            }
        }
        Ok(())
    }
}
