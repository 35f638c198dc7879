//! `EventBody`: what an ingest tells, one line of JSON for each event, sent as it happens.

use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::mpsc;
use wharf_oci::ingest::IngestEvent;

/// A body that ends when the ingest does; when it is dropped before that, nobody listens any more,
/// and the ingest ends too.
#[derive(Debug)]
pub(crate) struct EventBody {
    events: mpsc::Receiver<IngestEvent>,
}

impl EventBody {
    pub(crate) fn new(events: mpsc::Receiver<IngestEvent>) -> Self {
        Self { events }
    }

    /// All lines that wait; `None` at the end.
    pub(crate) fn poll_lines(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut lines = Vec::new();
        loop {
            match self.events.poll_recv(cx) {
                Poll::Ready(Some(event)) => write_line(&mut lines, &event),
                _ if !lines.is_empty() => return Poll::Ready(Some(Bytes::from(lines))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

fn write_line(lines: &mut Vec<u8>, event: &IngestEvent) {
    match serde_json::to_writer(&mut *lines, event) {
        Ok(()) => lines.push(b'\n'),
        // It cannot happen: the event is text and numbers, and memory takes all.
        Err(error) => tracing::error!("cannot write an event as JSON: {error}"),
    }
}
