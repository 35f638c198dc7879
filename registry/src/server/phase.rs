//! `Phase`: what a connection is waiting for, and since when; from it follows how long it may wait.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Shared by the parts of one connection, all of which run in its one task: relaxed order is enough.
#[derive(Debug)]
pub(super) struct Phase {
    state: AtomicU8,
    /// When the state began, in milliseconds since the connection did.
    since: AtomicU64,
    begun: Instant,
    idle_time_max: Duration,
    header_time_max: Duration,
}

/// Between two requests.
const IDLE: u8 = 0;
/// The head of a request is on its way; a new connection owes one.
const HEAD: u8 = 1;
/// A request is being answered.
const BUSY: u8 = 2;

impl Phase {
    pub(super) fn new(idle_time_max: Duration, header_time_max: Duration) -> Self {
        Self {
            state: AtomicU8::new(HEAD),
            since: AtomicU64::new(0),
            begun: Instant::now(),
            idle_time_max,
            header_time_max,
        }
    }

    /// Bytes came.
    pub(super) fn received(&self) {
        if self.state.load(Ordering::Relaxed) == IDLE {
            self.enter(HEAD);
        }
    }

    /// A whole head came.
    pub(super) fn request(&self) {
        self.enter(BUSY);
    }

    /// The answer is out, or about to be.
    pub(super) fn answered(&self) {
        self.enter(IDLE);
    }

    /// Until when the client has to send something; `None` while it is the server's turn.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let limit = match self.state.load(Ordering::Relaxed) {
            IDLE => self.idle_time_max,
            HEAD => self.header_time_max,
            _ => return None,
        };
        let since = Duration::from_millis(self.since.load(Ordering::Relaxed));
        Some(self.begun + since + limit)
    }

    /// Waits until the client should have sent something and has not. It looks as often as the
    /// shortest limit, so that no phase that begins meanwhile lasts too long.
    pub(super) async fn overdue(&self) {
        let shortest = self.idle_time_max.min(self.header_time_max);
        loop {
            let now = Instant::now();
            let next_look = now + shortest;
            let wake = match self.deadline() {
                Some(deadline) if deadline <= now => return,
                Some(deadline) => deadline.min(next_look),
                None => next_look,
            };
            // A deadline: dropped with the connection, and looked at anew as phases change unseen.
            tokio::time::sleep_until(wake.into()).await;
        }
    }

    fn enter(&self, state: u8) {
        let since = self.begun.elapsed().as_millis();
        self.since.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.state.store(state, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_has_its_limit() {
        let (idle, header) = (Duration::from_secs(100), Duration::from_secs(10));
        let phase = Phase::new(idle, header);
        let within = |limit: Duration| {
            let left = phase.deadline().unwrap() - Instant::now();
            left <= limit && left > limit - Duration::from_secs(5)
        };
        assert!(within(header), "a new connection owes a head");
        phase.request();
        assert_eq!(phase.deadline(), None);
        phase.received();
        assert_eq!(phase.deadline(), None, "bytes of a body");
        phase.answered();
        assert!(within(idle));
        phase.received();
        assert!(within(header));
    }
}
