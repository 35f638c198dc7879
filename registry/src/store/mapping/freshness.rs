//! Which parts of a mapping were brought in a moment ago, so that they need not be walked again for
//! each of several clients.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::store::content::WINDOW_BYTES;

/// How long ago the pages of a range were brought in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// A moment ago: they are there.
    Fresh,
    /// Some time ago: the system may have taken them away.
    Stale,
    /// Not all of them ever were.
    Never,
}

/// When each stretch of a mapping was last brought in.
#[derive(Debug)]
pub(super) struct Freshness {
    begun: Instant,
    length: usize,
    /// Milliseconds since `begun`, counted from 1; 0 for never.
    brought_in: Box<[AtomicU64]>,
}

impl Freshness {
    /// Long enough to serve many clients, too short for the system to take pages in use away.
    const LASTS: Duration = Duration::from_secs(1);
    /// A stretch is as long as the windows that a whole blob is sent in.
    const STRETCH: usize = WINDOW_BYTES;

    /// For a mapping of `length` bytes, of which nothing is brought in.
    pub(super) fn new(length: usize) -> Self {
        let stretches = length.div_ceil(Self::STRETCH);
        let brought_in = (0..stretches).map(|_| AtomicU64::new(0)).collect();
        Self { begun: Instant::now(), length, brought_in }
    }

    /// How long ago the oldest part of `range` was brought in.
    pub(super) fn age(&self, range: &Range<usize>) -> Age {
        let oldest = self.now().saturating_sub(Self::LASTS.as_millis() as u64);
        let stretches = range.start / Self::STRETCH..range.end.div_ceil(Self::STRETCH);
        let times = self.brought_in[stretches].iter().map(|then| then.load(Ordering::Relaxed));
        match times.min() {
            None | Some(0) => Age::Never,
            Some(then) if then < oldest => Age::Stale,
            Some(_) => Age::Fresh,
        }
    }

    /// Notes that `range` is brought in now: the stretches that lie wholly in the range.
    pub(super) fn note(&self, range: &Range<usize>) {
        let now = self.now();
        let last = if range.end == self.length {
            self.brought_in.len()
        } else {
            range.end / Self::STRETCH
        };
        let first = range.start.div_ceil(Self::STRETCH);
        for stretch in self.brought_in.iter().take(last).skip(first) {
            stretch.store(now, Ordering::Relaxed);
        }
    }

    fn now(&self) -> u64 {
        1 + self.begun.elapsed().as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_brought_in_whole_is_fresh() {
        let length = 2 * WINDOW_BYTES + 10;
        let freshness = Freshness::new(length);
        assert_eq!(freshness.age(&(0..1)), Age::Never);
        freshness.note(&(0..WINDOW_BYTES));
        assert_eq!(freshness.age(&(0..WINDOW_BYTES)), Age::Fresh);
        assert_eq!(freshness.age(&(0..WINDOW_BYTES + 1)), Age::Never);
        freshness.note(&(WINDOW_BYTES..WINDOW_BYTES + 1));
        let part = WINDOW_BYTES..WINDOW_BYTES + 1;
        assert_eq!(freshness.age(&part), Age::Never, "a part is not the whole");
        freshness.note(&(2 * WINDOW_BYTES..length));
        let last = 2 * WINDOW_BYTES + 3..length;
        assert_eq!(freshness.age(&last), Age::Fresh, "the last may be short");

        freshness.brought_in[0].store(1, Ordering::Relaxed);
        let begun = Instant::now().checked_sub(2 * Freshness::LASTS).unwrap();
        let older = Freshness { begun, ..freshness };
        assert_eq!(older.age(&(0..WINDOW_BYTES)), Age::Stale);
    }
}
