//! The uploads that are open. Whatever ends a push, what is still open then is cancelled, so that
//! the registry keeps no halves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use wharf_client::{Begun, Error, UploadSession};

/// How long a registry has to take uploads back.
const CANCEL_MAX: Duration = Duration::from_millis(800);

/// The open uploads of a push. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sessions {
    open: Arc<Mutex<Open>>,
    /// How many requests to begin one have not been answered.
    asked: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    sessions: HashMap<u64, UploadSession>,
}

/// An upload that the registry has begun.
#[derive(Debug)]
pub(crate) struct Upload {
    id: u64,
    pub(crate) session: UploadSession,
    /// Nothing was sent into it.
    pub(crate) is_fresh: bool,
}

impl Sessions {
    /// Has the registry begin an upload, or mount: none then. The request is answered even if nobody
    /// waits for it any more: else there would be an upload that nobody knows.
    pub(crate) async fn begin(
        &self,
        request: impl Future<Output = Result<Begun, Error>> + Send + 'static,
    ) -> Result<Option<Box<Upload>>, Error> {
        self.asked.send_modify(|asked| *asked += 1);
        let sessions = self.clone();
        let task = tokio::spawn(async move {
            let upload = request.await.map(|begun| match begun {
                Begun::Mounted => None,
                Begun::Session(session) => Some(Box::new(sessions.add(*session))),
            });
            sessions.asked.send_modify(|asked| *asked -= 1);
            upload
        });
        match task.await.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(begun) => begun,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The runtime ends, and with it whoever waits here.
            Err(Err(_)) => std::future::pending().await,
        }
    }

    fn add(&self, session: UploadSession) -> Upload {
        let mut open = self.lock();
        open.next += 1;
        let id = open.next;
        open.sessions.insert(id, session.clone());
        Upload { id, session, is_fresh: true }
    }

    /// Keeps the address that the registry gave last.
    pub(crate) fn update(&self, upload: &Upload) {
        self.lock().sessions.insert(upload.id, upload.session.clone());
    }

    /// The upload has ended at the registry.
    pub(crate) fn ended(&self, upload: &Upload) {
        self.lock().sessions.remove(&upload.id);
    }

    /// Cancels one, as far as the registry lets it in time.
    pub(crate) async fn cancel(&self, upload: &Upload) {
        let session = self.lock().sessions.remove(&upload.id);
        _ = tokio::time::timeout(CANCEL_MAX, join_all(session.map(give_up))).await;
    }

    /// Cancels all that are open, as far as the registry lets them in time.
    pub(crate) async fn cancel_all(&self) {
        let all = async {
            // The sender lives as long as `self`, so waiting does not fail.
            _ = self.asked.subscribe().wait_for(|asked| *asked == 0).await;
            let sessions = std::mem::take(&mut self.lock().sessions);
            join_all(sessions.into_values().map(give_up)).await;
        };
        if tokio::time::timeout(CANCEL_MAX, all).await.is_err() {
            tracing::debug!("the registry keeps uploads until they are old: no answer in time");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn give_up(session: UploadSession) {
    if let Err(error) = session.cancel().await {
        tracing::debug!("the registry keeps an upload until it is old: {error}");
    }
}
