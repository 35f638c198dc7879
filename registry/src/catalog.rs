//! The catalog: every repository, in order (distribution's `_catalog`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use wharf_oci::{Page, RepositoryName};

use crate::error::Error;
use crate::registry::{Floor, Registry};
use crate::store::error::StoreError;
use crate::tag::Listing;

/// The names of all repositories, read from the volume at the first question and kept up since.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    names: Mutex<Names>,
    /// Held by whoever reads the volume: pushes do not wait for it.
    reading: Mutex<()>,
}

#[derive(Debug, Default)]
enum Names {
    /// Nobody has asked yet.
    #[default]
    Unread,
    /// The volume is being read; what changed meanwhile (and whether it is there now), the reader
    /// may have missed.
    Reading {
        changed: BTreeMap<RepositoryName, bool>,
    },
    Known(BTreeSet<RepositoryName>),
}

impl Registry {
    /// One page of the repositories that hold a manifest, in byte order.
    ///
    /// # Errors
    /// The store failed.
    pub async fn repositories(&self, page: &Page) -> Result<Listing<RepositoryName>, Error> {
        let page = page.clone();
        self.blocking("list the repositories", move |floor| {
            let most = page.n.unwrap_or(floor.config.catalog_page);
            let most = most.min(floor.config.page_entries_max);
            floor.catalog.read(floor)?;
            let Names::Known(names) = &*floor.catalog.lock() else { return Ok(Listing::empty()) };
            let last = page.last.as_deref();
            Ok(Listing::of(names.iter(), last, RepositoryName::as_str, Some(most)))
        })
        .await
    }
}

impl Catalog {
    /// Notes a repository that holds a manifest from now on.
    pub(crate) fn manifest_put(&self, name: &RepositoryName) {
        self.note(name, true);
    }

    /// Notes that a manifest of the repository is gone, and perhaps the repository with it.
    pub(crate) fn manifest_removed(
        &self,
        floor: &Floor,
        name: &RepositoryName,
    ) -> Result<(), StoreError> {
        if floor.store.has_revisions(name)? {
            return Ok(());
        }
        self.note(name, false);
        // A push may have come in between: it is on disk before it is noted.
        if floor.store.has_revisions(name)? {
            self.note(name, true);
        }
        Ok(())
    }

    fn note(&self, name: &RepositoryName, is_there: bool) {
        match &mut *self.lock() {
            Names::Unread => {}
            Names::Reading { changed } => {
                changed.insert(name.clone(), is_there);
            }
            Names::Known(names) if !is_there => {
                names.remove(name);
            }
            Names::Known(names) if !names.contains(name) => {
                names.insert(name.clone());
            }
            Names::Known(_) => {}
        }
    }

    /// Reads the volume unless that was done; pushes go on meanwhile.
    fn read(&self, floor: &Floor) -> Result<(), StoreError> {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut names = self.lock();
            if matches!(*names, Names::Known(_)) {
                return Ok(());
            }
            *names = Names::Reading { changed: BTreeMap::new() };
        }
        let mut found: BTreeSet<_> = floor.store.repositories()?.into_iter().collect();
        let mut names = self.lock();
        if let Names::Reading { changed } = &mut *names {
            for (name, is_there) in std::mem::take(changed) {
                if is_there {
                    found.insert(name)
                } else {
                    found.remove(&name)
                };
            }
        }
        *names = Names::Known(found);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
