//! The uploads that are open. Whatever ends a push, what is still open then is cancelled, so that
//! the registry keeps no halves.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use wharf_client::UploadSession;

/// How long a registry has to take uploads back.
const CANCEL_MAX: Duration = Duration::from_millis(800);

/// The open uploads of a push.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    sessions: HashMap<u64, UploadSession>,
}

/// Which open upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(u64);

impl Sessions {
    pub(crate) fn add(&self, session: UploadSession) -> SessionId {
        let mut open = self.lock();
        open.next += 1;
        let id = open.next;
        open.sessions.insert(id, session);
        SessionId(id)
    }

    /// Keeps the address that the registry gave last.
    pub(crate) fn update(&self, id: SessionId, session: &UploadSession) {
        self.lock().sessions.insert(id.0, session.clone());
    }

    /// The upload has ended at the registry.
    pub(crate) fn remove(&self, id: SessionId) {
        self.lock().sessions.remove(&id.0);
    }

    /// Cancels one, as far as the registry lets it in time.
    pub(crate) async fn cancel(&self, id: SessionId) {
        let session = self.lock().sessions.remove(&id.0);
        if let Some(session) = session {
            give_up(session).await;
        }
    }

    /// Cancels all that are open, as far as the registry lets them in time.
    pub(crate) async fn cancel_all(&self) {
        let sessions = std::mem::take(&mut self.lock().sessions);
        join_all(sessions.into_values().map(give_up)).await;
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn give_up(session: UploadSession) {
    match tokio::time::timeout(CANCEL_MAX, session.cancel()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("the registry keeps an upload until it is old: {error}"),
        Err(_) => tracing::debug!("the registry keeps an upload until it is old: no answer"),
    }
}
