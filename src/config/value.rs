//! Sizes, times and switches as people write them, and back.
//!
//! Knows no setting: a `None` becomes a message where the setting and the place are known.

use std::time::Duration;

/// What a size may look like, as a person is told.
pub const SIZE_FORM: &str = "a size such as 8MiB, 512k or 1048576";
/// What a time may look like, as a person is told.
pub const TIME_FORM: &str = "a time such as 30s, 1h30m or 7d";
/// What a switch may look like, as a person is told.
pub const SWITCH_FORM: &str = "true or false";

/// What a folder may look like, as a person is told.
pub const FOLDER_FORM: &str = "a folder, written in full (no ~)";
/// What a file may look like, as a person is told.
pub const FILE_FORM: &str = "a file, written in full (no ~)";

/// Units of size with their bytes. Bare letters and `…i…` are powers of 1024; `kB`, `MB`, `GB` and
/// `TB`, as the standard has it, are powers of 1000.
const SIZES: [(&[&str], u64); 9] = [
    (&["", "b"], 1),
    (&["k", "ki", "kib"], 1 << 10),
    (&["m", "mi", "mib"], 1 << 20),
    (&["g", "gi", "gib"], 1 << 30),
    (&["t", "ti", "tib"], 1 << 40),
    (&["kb"], 1_000),
    (&["mb"], 1_000_000),
    (&["gb"], 1_000_000_000),
    (&["tb"], 1_000_000_000_000),
];

/// Units of time with their nanoseconds: those of Go, which registry:2's settings use, and the day.
const TIMES: [(&str, u64); 8] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];

/// Reads a size in bytes.
pub fn size(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, bytes) = SIZES.iter().find(|(names, _)| names.contains(&unit.trim_start()))?;
    number.parse::<u64>().ok()?.checked_mul(*bytes)
}

/// Writes a size in the largest unit that divides it.
pub fn size_text(bytes: u64) -> String {
    let units = [("TiB", 1u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

/// Reads a time: numbers with units, one after the other (`1h30m`). A number without a unit is
/// refused, since registry:2 would take it for nanoseconds and a person for seconds; but for `0`.
pub fn time(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, nanos) = TIMES.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(times(number, *nanos)?)?;
        rest = tail;
    }
    Some(Duration::from_nanos(total))
}

/// `number`, which may have a decimal point, times `unit`.
fn times(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut total = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction.chars() {
        place /= 10;
        total = total.checked_add(u64::from(digit.to_digit(10)?) * place)?;
    }
    Some(total)
}

/// Writes a time with the units of an hour, a minute, a second and a millisecond.
pub fn time_text(time: Duration) -> String {
    if time.is_zero() {
        return "0s".to_owned();
    }
    let mut rest = time.as_millis();
    let mut text = String::new();
    for (unit, millis) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if rest >= millis {
            text.push_str(&format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    text
}

/// Reads a switch, in the words of YAML too.
pub fn switch(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("1048576", Some(1 << 20)),
            ("512k", Some(512 << 10)),
            ("8MiB", Some(8 << 20)),
            ("8 MiB", Some(8 << 20)),
            ("8mi", Some(8 << 20)),
            ("2G", Some(2 << 30)),
            ("1TiB", Some(1 << 40)),
            ("5kB", Some(5_000)),
            ("5GB", Some(5_000_000_000)),
            ("17b", Some(17)),
            ("", None),
            ("MiB", None),
            ("-1", None),
            ("1.5GiB", None),
            ("8 apples", None),
            ("16777216TiB", None),
        ] {
            assert_eq!(size(text), bytes, "{text}");
        }
    }

    #[test]
    fn sizes_are_written_so_that_they_read_the_same() {
        for (bytes, text) in [(0, "0"), (1000, "1000"), (65536, "64KiB"), (8 << 20, "8MiB")] {
            assert_eq!(size_text(bytes), text);
            assert_eq!(size(text), Some(bytes));
        }
    }

    #[test]
    fn times_are_read() {
        for (text, millis) in [
            ("0", Some(0)),
            ("0s", Some(0)),
            ("30s", Some(30_000)),
            ("168h", Some(604_800_000)),
            ("7d", Some(604_800_000)),
            ("1h30m", Some(5_400_000)),
            ("1.5h", Some(5_400_000)),
            ("250ms", Some(250)),
            ("2m0.5s", Some(120_500)),
            ("30", None),
            ("", None),
            ("h", None),
            ("-1h", None),
            ("1 h", None),
            ("5parsecs", None),
            ("999999999999h", None),
        ] {
            assert_eq!(time(text).map(|time| time.as_millis()), millis, "{text}");
        }
    }

    #[test]
    fn times_are_written_so_that_they_read_the_same() {
        for (millis, text) in
            [(0, "0s"), (90_000, "1m30s"), (86_400_000, "24h"), (120_000, "2m"), (1_500, "1s500ms")]
        {
            let duration = Duration::from_millis(millis);
            assert_eq!(time_text(duration), text);
            assert_eq!(time(text), Some(duration));
        }
    }

    #[test]
    fn switches_are_read() {
        for (text, on) in
            [("true", Some(true)), ("Yes", Some(true)), ("off", Some(false)), ("maybe", None)]
        {
            assert_eq!(switch(text), on, "{text}");
        }
    }
}
