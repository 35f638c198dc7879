//! A lane: buffers in order through one worker, which borrows a blocking thread while there are any.
//!
//! One worker both writes and hashes. With a lane for each, every buffer woke two threads and went through
//! the caches of two processors, which cost more than it won (`docs/PERFORMANCE.md`).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::buffer::Buffer;
use super::worker::Worker;
use crate::store::error::StoreError;

/// So many buffers are given back together, while others wait: whoever receives is woken for each time,
/// not for each buffer.
const GIVEN_BACK_TOGETHER: usize = 2;

/// A worker and the buffers that wait for it.
#[derive(Debug)]
pub(super) struct Lane {
    state: Arc<Mutex<LaneState>>,
    rested: Arc<Notify>,
}

#[derive(Debug)]
struct LaneState {
    waiting: VecDeque<Buffer>,
    /// `None` while it works.
    worker: Option<Worker>,
    failed: Option<StoreError>,
}

impl Lane {
    pub(super) fn new(worker: Worker) -> Self {
        let state = LaneState { waiting: VecDeque::new(), worker: Some(worker), failed: None };
        Self { state: Arc::new(Mutex::new(state)), rested: Arc::new(Notify::new()) }
    }

    /// Hands a buffer over, unless an earlier one failed.
    pub(super) fn push(&self, full: Buffer) -> Result<(), StoreError> {
        let mut state = lock(&self.state);
        if let Some(error) = state.failed.take() {
            return Err(error);
        }
        state.waiting.push_back(full);
        if let Some(worker) = state.worker.take() {
            let (state, rested) = (Arc::clone(&self.state), Arc::clone(&self.rested));
            tokio::task::spawn_blocking(move || {
                drain_lane(&state, worker);
                rested.notify_one();
            });
        }
        Ok(())
    }

    /// Waits until everything is done; gives the worker back.
    pub(super) async fn finish(self) -> Result<Worker, StoreError> {
        loop {
            {
                let mut state = lock(&self.state);
                if let Some(error) = state.failed.take() {
                    return Err(error);
                }
                if let Some(worker) = state.worker.take() {
                    return Ok(worker);
                }
            }
            self.rested.notified().await;
        }
    }
}

fn drain_lane(state: &Mutex<LaneState>, mut worker: Worker) {
    let mut done = Vec::with_capacity(GIVEN_BACK_TOGETHER);
    loop {
        let (next, is_last) = {
            let mut held = lock(state);
            match held.waiting.pop_front() {
                Some(next) => (next, held.waiting.is_empty()),
                None => {
                    held.worker = Some(worker);
                    return;
                }
            }
        };
        if let Err(error) = worker.work(next.bytes()) {
            let mut held = lock(state);
            held.waiting.clear();
            held.failed = Some(error);
            held.worker = Some(worker);
            return;
        }
        done.push(next);
        if is_last || done.len() == GIVEN_BACK_TOGETHER {
            done.clear();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
