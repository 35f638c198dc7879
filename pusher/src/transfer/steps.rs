//! How often progress is told: a thousand times for a blob at most, so that a listener who does not
//! listen costs little.

/// The most events of one attempt to move one blob.
const STEPS_MAX: u64 = 1000;

/// Which counts are worth telling.
#[derive(Debug)]
pub(crate) struct Steps {
    each: u64,
    next: u64,
}

impl Steps {
    /// For something of so many bytes.
    pub(crate) fn of(size: u64) -> Self {
        Self { each: size.div_ceil(STEPS_MAX), next: 0 }
    }

    /// Whether this count, which never goes back, is worth telling.
    pub(crate) fn is_due(&mut self, count: u64) -> bool {
        let is_due = count >= self.next;
        if is_due {
            self.next = count + self.each;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_a_thousand_steps_and_one_at_most() {
        for (size, piece) in [(1 << 40, 1 << 20), (10, 1), (5_000_000, 7)] {
            let mut steps = Steps::of(size);
            let counts = (0..=size).step_by(piece);
            let told = counts.filter(|count| steps.is_due(*count)).count() as u64;
            assert!((1..=STEPS_MAX + 1).contains(&told), "{size}: {told}");
        }
    }
}
