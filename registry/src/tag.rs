//! Tags: listing them and pulling them off.

use std::collections::BTreeMap;

use wharf_oci::{Digest, Page, Reference, RepositoryName, Tag};

use crate::error::Error;
use crate::registry::{Floor, Registry};
use crate::store::error::StoreError;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// The entries, in byte order.
    pub items: Vec<T>,
    /// Whether the list goes on after the last of them.
    pub more: bool,
}

impl<T: Clone> Listing<T> {
    pub(crate) fn empty() -> Self {
        Self { items: Vec::new(), more: false }
    }

    /// The entries strictly after `last`, at most `most` of them.
    pub(crate) fn of<'a>(
        all: impl Iterator<Item = &'a T>,
        last: Option<&str>,
        text: impl Fn(&T) -> &str,
        most: Option<usize>,
    ) -> Self
    where
        T: 'a,
    {
        let mut rest = all.skip_while(|item| last.is_some_and(|last| text(item) <= last));
        let items: Vec<T> = rest.by_ref().take(most.unwrap_or(usize::MAX)).cloned().collect();
        // A page of no entries has no last one to go on from (distribution spec: `n=0`).
        let more = !items.is_empty() && rest.next().is_some();
        Self { items, more }
    }
}

impl Registry {
    /// One page of a repository's tags, in byte order (distribution spec, end-8). All of them when
    /// the page says no number.
    ///
    /// # Errors
    /// [`Error::NameUnknown`] when nothing was ever pushed there.
    pub async fn tags(&self, name: &RepositoryName, page: &Page) -> Result<Listing<Tag>, Error> {
        let (wanted, page) = (name.clone(), page.clone());
        let found = self
            .blocking("list tags", move |floor| {
                if !floor.store.knows_repository(&wanted) {
                    return Ok(None);
                }
                let most = page.n.map(|n| n.min(floor.config.page_entries_max));
                let list = |tags: &BTreeMap<Tag, Digest>| {
                    Listing::of(tags.keys(), page.last.as_deref(), Tag::as_str, most)
                };
                floor.indexes.tags(floor, &wanted, list).map(Some)
            })
            .await?;
        found.ok_or_else(|| Error::NameUnknown { name: name.clone() })
    }

    /// Removes a tag; the manifest it pointed at stays (distribution spec, end-9).
    pub(crate) async fn delete_tag(&self, name: &RepositoryName, tag: &Tag) -> Result<(), Error> {
        let (wanted, gone) = (name.clone(), tag.clone());
        let was_there = self
            .blocking("delete a tag", move |floor| floor.remove_tag(&wanted, &gone, None))
            .await?;
        if was_there {
            return Ok(());
        }
        Err(Error::ManifestUnknown { name: name.clone(), reference: Reference::Tag(tag.clone()) })
    }
}

impl Floor {
    /// What a tag points at; remembered.
    pub(crate) fn resolve_tag(
        &self,
        name: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<Digest>, StoreError> {
        let key = (name.clone(), tag.clone());
        let _held = self.cache.tag_locks.lock(key.clone());
        let digest = self.store.tag(name, tag)?;
        if let Some(digest) = digest {
            self.cache.tags.insert(key, digest);
        }
        Ok(digest)
    }

    /// Points a tag at a manifest that is durable already.
    pub(crate) fn move_tag(
        &self,
        name: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), StoreError> {
        let key = (name.clone(), tag.clone());
        let _held = self.cache.tag_locks.lock(key.clone());
        self.store.put_tag(name, tag, digest)?;
        self.cache.tags.insert(key, *digest);
        self.indexes.tag_put(name, tag, digest);
        Ok(())
    }

    /// Removes a tag, or only if it points at one of `targets`; returns whether it was removed.
    pub(crate) fn remove_tag(
        &self,
        name: &RepositoryName,
        tag: &Tag,
        targets: Option<&[Digest]>,
    ) -> Result<bool, StoreError> {
        let key = (name.clone(), tag.clone());
        let _held = self.cache.tag_locks.lock(key.clone());
        if let Some(targets) = targets
            && !self.store.tag(name, tag)?.is_some_and(|digest| targets.contains(&digest))
        {
            return Ok(false);
        }
        self.cache.tags.remove(&key);
        let was_there = self.store.remove_tag(name, tag)?;
        self.indexes.tag_removed(name, tag);
        Ok(was_there)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(last: Option<&str>, most: Option<usize>) -> (String, bool) {
        let all = ["A", "a", "b", "c"].map(str::to_owned);
        let page = Listing::of(all.iter(), last, String::as_str, most);
        (page.items.concat(), page.more)
    }

    #[test]
    fn a_page_begins_strictly_after_last() {
        for (last, most, items, more) in [
            (None, None, "Aabc", false),
            (None, Some(2), "Aa", true),
            (Some("a"), Some(2), "bc", false),
            (Some("aa"), Some(1), "b", true),
            (Some("z"), None, "", false),
            (None, Some(0), "", false),
            (Some("B"), None, "abc", false),
        ] {
            assert_eq!(page(last, most), (items.to_owned(), more), "after {last:?}, {most:?}");
        }
    }
}
