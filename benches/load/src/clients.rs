//! Clients in threads that start at the same moment, and the clock and the look at the server around
//! them.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::server::Usage;
use crate::{LoadError, ServerProcess};

/// What came of a run.
pub(crate) struct Run<T> {
    /// What each client returned.
    pub(crate) results: Vec<T>,
    /// From the common start to the end of the last client.
    pub(crate) time: Duration,
    /// What the server used meanwhile.
    pub(crate) usage: Option<Usage>,
}

/// Runs `prepare` in the thread of each client; when all have done that, the clock starts and `work` runs.
pub(crate) fn run<C, T: Send>(
    clients: usize,
    server: Option<&ServerProcess>,
    prepare: impl Fn(usize) -> Result<C, LoadError> + Sync,
    work: impl Fn(C) -> Result<T, LoadError> + Sync,
) -> Result<Run<T>, LoadError> {
    let (ready, start) = (Barrier::new(clients + 1), Barrier::new(clients + 1));
    let client = |index| {
        let prepared = prepare(index);
        ready.wait();
        start.wait();
        work(prepared?)
    };
    let client = &client;
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..clients).map(|index| scope.spawn(move || client(index))).collect();
        ready.wait();
        let watch = server.map(ServerProcess::watch).transpose();
        let started = Instant::now();
        start.wait();
        let results: Result<Vec<T>, LoadError> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect();
        let time = started.elapsed();
        let usage = watch?.map(crate::server::Watch::end).transpose()?;
        Ok(Run { results: results?, time, usage })
    })
}

/// Work that clients share: so many units in all, and so much time.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicU64,
    most: u64,
    started: Instant,
    time_max: Duration,
}

impl Budget {
    pub(crate) fn new(most: u64, time_max: Duration) -> Self {
        Self { used: AtomicU64::new(0), most, started: Instant::now(), time_max }
    }

    /// Counts `units` as used; true while some are left after that.
    pub(crate) fn spend(&self, units: u64) -> bool {
        self.used.fetch_add(units, Ordering::Relaxed) + units < self.most
    }

    /// Whether one more thing of `units` may begin: it fits, and `time` has not passed.
    pub(crate) fn allows(&self, units: u64, time: Duration) -> bool {
        self.used.load(Ordering::Relaxed) + units <= self.most && self.started.elapsed() < time
    }

    /// Counts `units` as used, however many are left.
    ///
    /// # Errors
    /// When the time is over.
    pub(crate) fn use_up(&self, units: u64) -> Result<(), LoadError> {
        self.used.fetch_add(units, Ordering::Relaxed);
        if self.started.elapsed() > self.time_max {
            return Err(LoadError::Overtime { limit: self.time_max });
        }
        Ok(())
    }

    /// Takes one unit, and says which one; `None` when there is none left.
    pub(crate) fn take(&self) -> Option<u64> {
        let taken = self.used.fetch_add(1, Ordering::Relaxed);
        (taken < self.most).then_some(taken)
    }

    /// Whether there is work left.
    ///
    /// # Errors
    /// When the time is over before the work.
    pub(crate) fn is_left(&self) -> Result<bool, LoadError> {
        if self.used.load(Ordering::Relaxed) >= self.most {
            return Ok(false);
        }
        if self.started.elapsed() > self.time_max {
            return Err(LoadError::Overtime { limit: self.time_max });
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_fails_ends_the_run_with_its_error() {
        let prepare = |index| match index {
            3 => Err(LoadError::Overtime { limit: Duration::ZERO }),
            _ => Ok(index),
        };
        assert!(run(4, None, prepare, Ok).is_err());
        let run = run(3, None, prepare, |index| Ok(index * 2)).unwrap();
        assert_eq!(run.results, [0, 2, 4]);
    }

    #[test]
    fn a_budget_is_spent_once() {
        let budget = Budget::new(2, Duration::from_secs(60));
        assert_eq!((budget.take(), budget.take(), budget.take()), (Some(0), Some(1), None));
        assert!(!budget.is_left().unwrap());
        let budget = Budget::new(10, Duration::ZERO);
        assert!(budget.spend(9) && budget.is_left().is_err());
        assert!(!budget.spend(1) && !budget.is_left().unwrap());
        assert!(!budget.allows(1, Duration::MAX) && budget.use_up(1).is_err());
        let budget = Budget::new(10, Duration::from_secs(60));
        assert!(budget.use_up(6).is_ok() && budget.allows(4, Duration::MAX));
        assert!(!budget.allows(5, Duration::MAX) && !budget.allows(4, Duration::ZERO));
    }
}
