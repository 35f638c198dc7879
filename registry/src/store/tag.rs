//! Tags: names that move from manifest to manifest in one step.

use std::collections::BTreeSet;
use std::fs;

use wharf_oci::{Digest, RepositoryName, Tag};

use super::Store;
use super::error::{StoreError, present};
use super::readers::read_each;

impl Store {
    /// What the tag points at, in the algorithm it was put with; `None` for no tag, and for one
    /// whose link registry:2 left empty.
    pub(crate) fn tag(
        &self,
        name: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<Digest>, StoreError> {
        self.links.read(&self.layout.tag_link(name, tag))
    }

    /// Points the tag at `digest`. Durable when it returns; until then the tag reads as before.
    ///
    /// The caller holds the tag: two moves of one tag do not run at the same time.
    pub(crate) fn put_tag(
        &self,
        name: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), StoreError> {
        self.put_links(&[
            (self.layout.tag_index_link(name, tag, digest), *digest),
            (self.layout.tag_link(name, tag), *digest),
        ])?;
        crate::failpoint::reach("tag.durable");
        Ok(())
    }

    /// Removes the tag and its history; returns whether it was there. Durable when it returns.
    pub(crate) fn remove_tag(&self, name: &RepositoryName, tag: &Tag) -> Result<bool, StoreError> {
        let was_there = self.links.remove(&self.layout.tag_link(name, tag))?;
        let folder = self.layout.tag(name, tag);
        present(fs::remove_dir_all(&folder), "remove", &folder)?;
        self.durability.forget(&folder);
        let tags = self.layout.tags(name);
        if was_there && tags.is_dir() {
            self.durability.sync(BTreeSet::from([tags]))?;
        }
        Ok(was_there)
    }

    /// Every tag of the repository that points somewhere, in byte order.
    pub(crate) fn tags(&self, name: &RepositoryName) -> Result<Vec<(Tag, Digest)>, StoreError> {
        let entries = self.entries(&self.layout.tags(name))?;
        let tags: Vec<Tag> = entries.iter().filter_map(|entry| entry.parse().ok()).collect();
        let digests = read_each(&tags, |tag| self.tag(name, tag))?;
        let found = tags.into_iter().zip(digests);
        let mut found: Vec<_> =
            found.filter_map(|(tag, digest)| digest.map(|digest| (tag, digest))).collect();
        found.sort_unstable();
        Ok(found)
    }
}
