//! The buffers of an upload: so many and no more, used again and again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Size of a buffer: 128 KiB.
pub(super) const BUFFER_BYTES: usize = 128 << 10;

/// Buffers of one upload that may be under way at once, beside the one being filled.
const BUFFERS: usize = 4;

/// Empty buffers that are kept for use again: what a client that stalls holds.
const EMPTY_MAX: usize = 2;

/// The buffers of one upload, used again and again.
#[derive(Debug)]
pub(super) struct Buffers {
    empty: Mutex<Vec<Vec<u8>>>,
    permits: Arc<Semaphore>,
}

/// A buffer on its way through both lanes.
#[derive(Debug)]
pub(super) struct Full {
    bytes: Vec<u8>,
    buffers: Arc<Buffers>,
    _permit: OwnedSemaphorePermit,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self { empty: Mutex::default(), permits: Arc::new(Semaphore::new(BUFFERS)) }
    }

    /// Waits for a buffer's turn; gives an empty one.
    pub(super) async fn take(&self) -> (OwnedSemaphorePermit, Vec<u8>) {
        #[expect(clippy::expect_used, reason = "the semaphore is private and never closed")]
        let permit = Arc::clone(&self.permits).acquire_owned().await.expect("never closed");
        let empty = lock(&self.empty).pop().unwrap_or_default();
        (permit, empty)
    }
}

impl Full {
    /// `bytes` on their way, by the turn that was waited for.
    pub(super) fn new(
        bytes: Vec<u8>,
        buffers: &Arc<Buffers>,
        permit: OwnedSemaphorePermit,
    ) -> Arc<Self> {
        Arc::new(Self { bytes, buffers: Arc::clone(buffers), _permit: permit })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        let mut empty = lock(&self.buffers.empty);
        if empty.len() < EMPTY_MAX {
            empty.push(bytes);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
