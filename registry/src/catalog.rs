//! The catalog: every repository, in order (distribution's `_catalog`).

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use wharf_oci::{Page, RepositoryName};

use crate::error::Error;
use crate::registry::{Floor, Registry};
use crate::store::error::StoreError;
use crate::tag::Listing;

/// The names of all repositories, read from the volume at the first question and kept up since.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    names: Mutex<Option<BTreeSet<RepositoryName>>>,
}

impl Registry {
    /// One page of the repositories that hold a manifest, in byte order.
    ///
    /// # Errors
    /// The store failed.
    pub async fn repositories(&self, page: &Page) -> Result<Listing<RepositoryName>, Error> {
        let page = page.clone();
        self.blocking("list the repositories", move |floor| {
            let names = floor.catalog.lock();
            let mut names = names;
            if names.is_none() {
                *names = Some(floor.store.repositories()?.into_iter().collect());
            }
            let most = page.n.unwrap_or(floor.config.catalog_page);
            let most = most.min(floor.config.page_entries_max);
            let all = names.get_or_insert_default();
            Ok(Listing::of(all.iter(), page.last.as_deref(), RepositoryName::as_str, Some(most)))
        })
        .await
    }
}

impl Catalog {
    /// Notes a repository that holds a manifest from now on.
    pub(crate) fn manifest_put(&self, name: &RepositoryName) {
        if let Some(names) = self.lock().as_mut()
            && !names.contains(name)
        {
            names.insert(name.clone());
        }
    }

    /// Notes that a manifest of the repository is gone, and perhaps the repository with it.
    pub(crate) fn manifest_removed(
        &self,
        floor: &Floor,
        name: &RepositoryName,
    ) -> Result<(), StoreError> {
        let mut names = self.lock();
        if let Some(names) = names.as_mut()
            && !floor.store.has_revisions(name)?
        {
            names.remove(name);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<BTreeSet<RepositoryName>>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
