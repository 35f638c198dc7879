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
    /// A repository or a session that cannot be read is passed over: the others are looked at.
    fn purge(&self, now: SystemTime) -> Result<usize, StoreError> {
        let mut purged = 0;
        for name in self.store.repository_names()? {
            let found = self.store.uploads(&name).unwrap_or_else(|error| {
                tracing::warn!("cannot look for idle uploads of {name}: {error}");
                Vec::new()
            });
            for found in found {
                match self.purge_one(&found, now) {
                    Ok(gone) => purged += usize::from(gone),
                    Err(error) => tracing::warn!("cannot purge upload {}: {error}", found.id),
                }
            }
        }
        Ok(purged)
    }

    fn purge_one(&self, found: &FoundUpload, now: SystemTime) -> Result<bool, StoreError> {
        let limits = &self.config.uploads;
        let idle = now.duration_since(found.touched_at).unwrap_or_default();
        if idle <= limits.idle_max {
            return Ok(false);
        }
        let (id, name, hours) = (found.id, &found.name, idle.as_secs() / 3600);
        if limits.purge_dry_run {
            tracing::info!("would purge upload {id} of {name}, idle {hours} h");
            return Ok(false);
        }
        let gone = self.remove_idle(name, &id)?;
        if gone {
            tracing::info!("purged upload {id} of {name}, idle {hours} h");
        }
        Ok(gone)
    }
}
