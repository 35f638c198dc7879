//! `Told`: where the events of an ingest go. Whoever listens may be slow, and may leave: what is
//! only progress is left out then, and the ingest ends.

use tokio::sync::mpsc;
use wharf_oci::ingest::IngestEvent;

/// Events that wait for the client to take them.
const EVENTS_MAX: usize = 64;

/// Tells events to one listener.
#[derive(Debug, Clone)]
pub(crate) struct Told(mpsc::Sender<IngestEvent>);

impl Told {
    /// Both ends of the way.
    pub(crate) fn new() -> (Self, mpsc::Receiver<IngestEvent>) {
        let (sender, receiver) = mpsc::channel(EVENTS_MAX);
        (Self(sender), receiver)
    }

    /// Tells an event that must be heard; waits while too many others wait.
    pub(crate) async fn tell(&self, event: IngestEvent) {
        // That nobody listens is seen by `is_heard`.
        _ = self.0.send(event).await;
    }

    /// Tells an event, or leaves it out where too many others wait.
    pub(crate) fn mention(&self, event: IngestEvent) {
        _ = self.0.try_send(event);
    }

    /// Waits until nobody listens.
    pub(crate) async fn unheard(&self) {
        self.0.closed().await;
    }

    /// Whether anybody listens still.
    pub(crate) fn is_heard(&self) -> bool {
        !self.0.is_closed()
    }
}
