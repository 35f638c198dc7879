//! A lane: buffers in order through one worker, which borrows a blocking thread while there are any.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::buffer::Buffer;
use crate::store::error::StoreError;

/// What a lane does with each buffer.
pub(super) trait Work: Send + 'static {
    fn work(&mut self, bytes: &[u8]) -> Result<(), StoreError>;
}

/// A worker and the buffers that wait for it.
#[derive(Debug)]
pub(super) struct Lane<W> {
    state: Arc<Mutex<LaneState<W>>>,
    rested: Arc<Notify>,
}

#[derive(Debug)]
struct LaneState<W> {
    waiting: VecDeque<Arc<Buffer>>,
    /// `None` while it works.
    worker: Option<W>,
    failed: Option<StoreError>,
}

impl<W: Work> Lane<W> {
    pub(super) fn new(worker: W) -> Self {
        let state = LaneState { waiting: VecDeque::new(), worker: Some(worker), failed: None };
        Self { state: Arc::new(Mutex::new(state)), rested: Arc::new(Notify::new()) }
    }

    /// Hands a buffer over, unless an earlier one failed.
    pub(super) fn push(&self, full: Arc<Buffer>) -> Result<(), StoreError> {
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
    pub(super) async fn finish(self) -> Result<W, StoreError> {
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

fn drain_lane<W: Work>(state: &Mutex<LaneState<W>>, mut worker: W) {
    loop {
        let next = {
            let mut held = lock(state);
            match held.waiting.pop_front() {
                Some(next) => next,
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
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
