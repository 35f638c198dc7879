//! Amounts as a person reads them: bytes, durations and speeds, each with three digits or fewer.

use std::fmt;
use std::time::Duration;

/// A number of bytes, in decimal units.
#[derive(Debug, Clone, Copy)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
        let mut unit = 0;
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let mut number = self.0 as f64;
        // What would round to 1000 is 1 of the next unit.
        while number >= 999.5 && unit + 1 < UNITS.len() {
            number /= 1000.0;
            unit += 1;
        }
        let decimals = usize::from(unit > 0 && number < 99.95);
        f.pad(&format!("{number:.decimals$} {}", UNITS[unit]))
    }
}

/// A duration, from microseconds to seconds.
#[derive(Debug, Clone, Copy)]
pub struct Time(pub Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        let text = if seconds >= 0.9995 {
            format!("{seconds:.2} s")
        } else if seconds >= 0.000_999_5 {
            format!("{:.1} ms", seconds * 1e3)
        } else {
            format!("{:.0} µs", seconds * 1e6)
        };
        f.pad(&text)
    }
}

/// Bytes moved in a time.
#[derive(Debug, Clone, Copy)]
pub struct Speed(pub u64, pub Duration);

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_second = u128::from(self.0) * 1_000_000_000 / self.1.as_nanos().max(1);
        let per_second = u64::try_from(per_second).unwrap_or(u64::MAX);
        f.pad(&format!("{}/s", Bytes(per_second)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_to_three_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (99_949, "99.9 kB"),
            (99_950, "100 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (6_200_000, "6.2 MB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
        for (microseconds, text) in
            [(7, "7 µs"), (999, "999 µs"), (1000, "1.0 ms"), (999_500, "1.00 s")]
        {
            assert_eq!(Time(Duration::from_micros(microseconds)).to_string(), text);
        }
        assert_eq!(Speed(6_200_000, Duration::from_millis(10)).to_string(), "620 MB/s");
        assert_eq!(Speed(1, Duration::ZERO).to_string(), "1.0 GB/s");
        assert_eq!(format!("[{:>8}]", Bytes(1000)), "[  1.0 kB]");
    }
}
