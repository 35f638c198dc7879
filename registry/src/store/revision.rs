//! Manifest revisions: which manifests are readable in a repository.
//!
//! Bytes are kept under their sha256. A manifest pushed by sha512 has a revision link under both
//! names, each holding the sha256: by the one it is found, and by the other registry:2's garbage
//! collection knows that the bytes are in use.

use std::collections::BTreeSet;
use std::io::Write;

use bytes::Bytes;
use wharf_oci::{Algorithm, Digest, RepositoryName};

use super::Store;
use super::blob::is_address;
use super::error::StoreError;
use super::readers::read_each;

/// A manifest of a repository, by the name it was pushed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Revision {
    /// The digest it was pushed by.
    pub(crate) digest: Digest,
    /// The sha256 under which its bytes are kept.
    pub(crate) stored: Digest,
}

impl Store {
    /// The revision `digest` of `name`, or `None` when it is not readable there.
    pub(crate) fn revision(
        &self,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Revision>, StoreError> {
        let link = self.links.read(&self.layout.revision_link(name, digest))?;
        Ok(link.filter(is_address).map(|stored| Revision { digest: *digest, stored }))
    }

    /// Every revision of the repository, once each, under the digest it was pushed by.
    pub(crate) fn revisions(&self, name: &RepositoryName) -> Result<Vec<Revision>, StoreError> {
        let mut found: Vec<Revision> = Vec::new();
        for algorithm in [Algorithm::Sha512, Algorithm::Sha256] {
            let entries = self.entries(&self.layout.revisions(name, algorithm))?;
            let digests: Vec<Digest> = entries
                .iter()
                .filter_map(|hex| format!("{algorithm}:{hex}").parse().ok())
                .collect();
            found.extend(
                read_each(&digests, |digest| self.revision(name, digest))?.into_iter().flatten(),
            );
        }
        // A sha256 beside a sha512 of the same bytes is that one's second link.
        let by_sha512: std::collections::HashSet<Digest> = found
            .iter()
            .filter(|revision| revision.digest.algorithm() == Algorithm::Sha512)
            .map(|revision| revision.stored)
            .collect();
        found.retain(|revision| {
            revision.digest.algorithm() == Algorithm::Sha512
                || !by_sha512.contains(&revision.stored)
        });
        Ok(found)
    }

    /// Stores a manifest whose bytes hash to `digest`. Durable and visible when it returns.
    ///
    /// Where the same bytes are there, intact, and linked, nothing is written.
    pub(crate) fn put_revision(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        bytes: &Bytes,
    ) -> Result<(), StoreError> {
        let stored = match digest.algorithm() {
            Algorithm::Sha256 => *digest,
            Algorithm::Sha512 => Digest::of(Algorithm::Sha256, bytes),
        };
        self.make_layers_folder(name)?;
        let mut links = vec![(self.layout.revision_link(name, digest), stored)];
        if *digest != stored {
            links.push((self.layout.revision_link(name, &stored), stored));
        }
        if self.read_blob(&stored, bytes.len() as u64)?.is_some() {
            self.put_links(&links)?;
        } else {
            let mut file = self.staging.file()?;
            let path = file.path().to_path_buf();
            file.write_all(bytes).map_err(|error| StoreError::io("write", &path, error))?;
            self.commit(&path, &stored, &links)?;
            // Renamed away: there is nothing left to remove.
            let _ = file.keep();
        }
        crate::failpoint::reach("manifest.durable");
        Ok(())
    }

    /// registry:2 2.x lists repositories by this folder, and an index alone puts no layer into it.
    fn make_layers_folder(&self, name: &RepositoryName) -> Result<(), StoreError> {
        let folder = self.layout.layers(name);
        if folder.is_dir() {
            return Ok(());
        }
        let mut touched = BTreeSet::new();
        self.durability.make_folder(&folder, &mut touched)?;
        self.durability.sync(touched)
    }

    /// Takes one name of a manifest out of the repository; returns whether it was there.
    /// Durable when this returns.
    pub(crate) fn remove_revision(
        &self,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StoreError> {
        self.remove_link(&self.layout.revision_link(name, digest))
    }
}
