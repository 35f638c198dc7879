//! `Budget`: what all manifests that are on their way in may take of memory together. Each has its
//! own limit, but a client may open many connections, send almost all of a manifest on each, and
//! stop.
//!
//! A manifest of ordinary size takes nothing from the budget, so that no crowd of large ones can
//! keep it waiting. It never deadlocks: one manifest at a time goes on beyond the budget, up to its
//! own limit, and who waits for that in vain is sent away.

use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::http::error::Failure;

/// What the large manifests that are on their way may take together; one more may go beyond it.
const BUDGET_BYTES: usize = 32 << 20;

/// What each manifest has without asking: more than nearly all of them need.
const FREE_BYTES: usize = 64 << 10;

/// How much is taken at once.
const STEP_BYTES: usize = 64 << 10;

/// How long a manifest may wait for memory, all its waits together.
const WAIT_TIME_MAX: Duration = Duration::from_secs(5);

/// The memory for large manifests that is left.
#[derive(Debug)]
pub(crate) struct Budget {
    steps: Semaphore,
    beyond: Semaphore,
    wait_time_max: Duration,
}

/// What one manifest has of the budget, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share<'a> {
    budget: &'a Budget,
    covered: usize,
    waited: Duration,
    steps: Option<SemaphorePermit<'a>>,
    beyond: Option<SemaphorePermit<'a>>,
}

impl Budget {
    pub(crate) fn new() -> Self {
        let steps = Semaphore::new(BUDGET_BYTES / STEP_BYTES);
        Self { steps, beyond: Semaphore::new(1), wait_time_max: WAIT_TIME_MAX }
    }

    /// The share of a manifest that has just begun.
    pub(super) fn share(&self) -> Share<'_> {
        Share {
            budget: self,
            covered: FREE_BYTES,
            waited: Duration::ZERO,
            steps: None,
            beyond: None,
        }
    }
}

impl Share<'_> {
    /// Takes what is needed for `length` bytes in all.
    ///
    /// # Errors
    /// [`Failure::ManifestsTooMany`], when that is not to be had in time.
    pub(super) async fn cover(&mut self, length: usize) -> Result<(), Failure> {
        if length <= self.covered {
            return Ok(());
        }
        let missing = (length - self.covered).div_ceil(STEP_BYTES);
        let steps = u32::try_from(missing).unwrap_or(u32::MAX);
        let taking = async {
            tokio::select! {
                biased;
                Ok(taken) = self.budget.steps.acquire_many(steps) => {
                    self.covered += missing * STEP_BYTES;
                    match &mut self.steps {
                        Some(held) => held.merge(taken),
                        None => self.steps = Some(taken),
                    }
                }
                Ok(taken) = self.budget.beyond.acquire() => {
                    self.covered = usize::MAX;
                    self.beyond = Some(taken);
                }
                // The semaphores are never closed.
                else => std::future::pending().await,
            }
        };
        let limit = self.budget.wait_time_max;
        let begun = Instant::now();
        let taken = tokio::time::timeout(limit.saturating_sub(self.waited), taking).await;
        self.waited += begun.elapsed();
        taken.map_err(|_| Failure::ManifestsTooMany { limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_crowd_waits_for_its_turn_and_small_manifests_do_not() {
        let budget = Budget { wait_time_max: Duration::from_millis(20), ..Budget::new() };
        let mut crowd: Vec<_> = (0..4).map(|_| budget.share()).collect();
        for share in &mut crowd {
            share.cover(BUDGET_BYTES / 4 + FREE_BYTES).await.unwrap();
        }
        let mut beyond = budget.share();
        beyond.cover(FREE_BYTES + 1).await.unwrap();
        beyond.cover(10 * BUDGET_BYTES).await.unwrap();

        let mut small = budget.share();
        small.cover(FREE_BYTES).await.unwrap();
        let refused = small.cover(FREE_BYTES + 1).await;
        assert!(matches!(refused, Err(Failure::ManifestsTooMany { .. })), "{refused:?}");

        let leaves = async { drop(crowd.pop()) };
        let mut next = budget.share();
        let (covered, ()) = tokio::join!(next.cover(FREE_BYTES + 1), leaves);
        covered.unwrap();
        drop((next, beyond, crowd));
        assert_eq!(budget.steps.available_permits() * STEP_BYTES, BUDGET_BYTES);
        assert_eq!(budget.beyond.available_permits(), 1);
    }
}
