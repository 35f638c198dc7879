//! A number of bytes as people ask for it: `1000`, `64KiB`, `256MiB`, `1GiB`.

use std::fmt;
use std::str::FromStr;

/// The units, largest first, and by how many bits each is shifted.
const UNITS: [(u32, &str); 3] = [(30, "GiB"), (20, "MiB"), (10, "KiB")];

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
        let unit = &text[digits.len()..];
        let shift = match unit {
            "" => Some(0),
            _ => UNITS.iter().find(|(_, name)| *name == unit).map(|(shift, _)| *shift),
        };
        let size = digits.parse::<u64>().ok().zip(shift);
        size.and_then(|(number, shift)| number.checked_mul(1 << shift)).map(Self).ok_or_else(|| {
            format!("`{text}` is no size: give bytes, or a number with KiB, MiB or GiB")
        })
    }
}

impl fmt::Display for Size {
    /// In the largest unit of which it is a whole number.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let divides = |shift: u32| self.0 > 0 && self.0.is_multiple_of(1 << shift);
        match UNITS.iter().find(|(shift, _)| divides(*shift)) {
            Some((shift, unit)) => write!(formatter, "{} {unit}", self.0 >> shift),
            None => write!(formatter, "{} bytes", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!("10".parse(), Ok(Size(10)));
        assert_eq!("256MiB".parse(), Ok(Size(256 << 20)));
        for wrong in ["", "MiB", "1 MiB", "1MB", "99999999999999GiB"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
        assert_eq!(Size(256 << 20).to_string(), "256 MiB");
        assert_eq!(Size(1000).to_string(), "1000 bytes");
    }
}
