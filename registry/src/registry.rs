//! Floor 2, the domain: `Registry`, the cheap handle that owns all below it.
//!
//! The verbs stand in the files of their nouns: `blob`, `upload`, `manifest`, `tag`, `referrers`,
//! `catalog`. Here is what they share: the store, the caches, and the one way across to a blocking
//! thread.

use std::sync::Arc;

use crate::cache::Cache;
use crate::catalog::Catalog;
use crate::config::Config;
use crate::error::Error;
use crate::index::Indexes;
use crate::receive::Pool;
use crate::store::error::StoreError;
use crate::store::{OpenError, Store};
use crate::upload::Sessions;

/// A registry on one volume. Cloning gives another handle to the same one.
#[derive(Debug, Clone)]
pub struct Registry(Arc<Floor>);

/// What the handles share.
#[derive(Debug)]
pub(crate) struct Floor {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) cache: Cache,
    pub(crate) indexes: Indexes,
    pub(crate) catalog: Catalog,
    pub(crate) sessions: Sessions,
    pub(crate) buffers: Arc<Pool>,
}

/// How full the bounded things are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statistics {
    /// Upload sessions that are open.
    pub uploads_open: usize,
    /// Answers that a cache had.
    pub cache_hits: u64,
    /// Answers that had to be read from the volume.
    pub cache_misses: u64,
}

impl Registry {
    /// Opens the volume of `config`. Blocks, for ten seconds where another process holds it; the
    /// time does not depend on what is stored.
    ///
    /// # Errors
    /// The root cannot be used, or another process writes it.
    pub fn open(config: &Config) -> Result<Self, OpenError> {
        Ok(Self(Arc::new(Floor {
            config: config.clone(),
            store: Store::open(&config.root)?,
            cache: Cache::new(config.cache_bytes_max),
            indexes: Indexes::new(),
            catalog: Catalog::default(),
            sessions: Sessions::default(),
            buffers: Arc::new(Pool::new()),
        })))
    }

    /// Whether anything may be pushed.
    pub fn is_writable(&self) -> bool {
        !self.floor().config.read_only
    }

    /// Fails when the volume does not answer.
    ///
    /// # Errors
    /// What the volume answered.
    pub async fn check(&self) -> Result<(), Error> {
        self.blocking("reach the volume", |floor| floor.store.check()).await
    }

    /// Makes durable what an earlier process left behind. The first promise waits for it, so it is
    /// best begun at the start.
    ///
    /// # Errors
    /// The disk cannot be synced.
    pub(crate) async fn inherit(&self) -> Result<(), Error> {
        self.blocking("sync the volume", |floor| floor.store.sync_inherited()).await
    }

    /// Makes all that was written durable, upload sessions included: the last thing before a stop.
    ///
    /// # Errors
    /// The disk cannot be synced.
    pub async fn settle(&self) -> Result<(), Error> {
        self.blocking("sync the volume", |floor| floor.store.sync_everything()).await
    }

    /// How full the bounded things are.
    pub fn statistics(&self) -> Statistics {
        let (cache_hits, cache_misses) = self.floor().cache.hits_and_misses();
        Statistics { uploads_open: self.floor().sessions.count(), cache_hits, cache_misses }
    }

    pub(crate) fn floor(&self) -> &Floor {
        &self.0
    }

    /// The one way across to a blocking thread, for work that can only fail in the store.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Floor) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Error> {
        self.crossing(move |floor| work(floor).map_err(|source| floor.failed(operation, source)))
            .await
    }

    /// The one way across to a blocking thread.
    pub(crate) async fn crossing<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Floor) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let registry = self.clone();
        match tokio::task::spawn_blocking(move || work(registry.floor())).await {
            Ok(result) => result,
            // The work is never aborted, so it panicked: so does the request that asked for it.
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    pub(crate) fn require_writable(&self) -> Result<(), Error> {
        if self.is_writable() { Ok(()) } else { Err(Error::ReadOnly) }
    }

    pub(crate) fn require_deletes(&self) -> Result<(), Error> {
        self.require_writable()?;
        if self.floor().config.deletes { Ok(()) } else { Err(Error::DeletesDisabled) }
    }
}

impl Floor {
    /// A failure of the store in the domain's words; a full disk is the client's to know.
    pub(crate) fn failed(&self, operation: &'static str, source: StoreError) -> Error {
        match source {
            StoreError::Full { .. } => Error::StorageFull { needed: 0, available: self.room() },
            source => Error::Store { operation, source },
        }
    }

    /// Bytes that may still be written, after the reserve that is kept free.
    pub(crate) fn room(&self) -> u64 {
        // A volume that cannot say how full it is refuses by itself when it is full.
        let free = self.store.free_bytes().unwrap_or(u64::MAX);
        free.saturating_sub(self.config.free_bytes_min)
    }

    /// Fails when `needed` more bytes would eat into the reserve.
    pub(crate) fn require_room(&self, needed: u64) -> Result<(), Error> {
        let available = self.room();
        if needed > available {
            return Err(Error::StorageFull { needed, available });
        }
        Ok(())
    }
}
