//! Giving up upload sessions that nobody continues, as registry:2's upload purging does.

use std::time::SystemTime;

use crate::error::Error;
use crate::registry::{Floor, Registry};
use crate::store::error::StoreError;
use crate::store::upload::FoundUpload;

impl Registry {
    /// Looks for idle sessions at each interval, for as long as it is polled. Does nothing where
    /// purging is switched off.
    pub(crate) async fn purge_forever(&self) {
        let uploads = &self.floor().config.uploads;
        if !uploads.purge || self.floor().config.read_only {
            return;
        }
        let mut interval = tokio::time::interval(uploads.purge_interval);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            if let Err(error) = self.purge_uploads().await {
                tracing::warn!("cannot look for idle uploads: {error}");
            }
        }
    }

    /// Removes every session that was idle for too long; gives how many.
    pub(crate) async fn purge_uploads(&self) -> Result<usize, Error> {
        self.blocking("purge uploads", |floor| floor.purge(SystemTime::now())).await
    }
}

impl Floor {
    fn purge(&self, now: SystemTime) -> Result<usize, StoreError> {
        let limits = &self.config.uploads;
        let mut purged = 0;
        for name in self.store.repository_names()? {
            for found in self.store.uploads(&name)? {
                let idle = now.duration_since(found.touched_at).unwrap_or_default();
                if idle <= limits.idle_max {
                    continue;
                }
                let hours = idle.as_secs() / 3600;
                if limits.purge_dry_run {
                    tracing::info!("would purge upload {} of {name}, idle {hours} h", found.id);
                    continue;
                }
                if self.is_receiving(&found) {
                    continue;
                }
                tracing::info!("purged upload {} of {name}, idle {hours} h", found.id);
                self.sessions.remove(&found.id);
                self.store.remove_upload(&found.name, &found.id)?;
                purged += 1;
            }
        }
        Ok(purged)
    }

    /// Whether a request is sending into the session. If not, it is claimed, and stays so.
    fn is_receiving(&self, found: &FoundUpload) -> bool {
        self.sessions.get(&found.id).is_some_and(|session| session.try_claim().is_none())
    }
}
