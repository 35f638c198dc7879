//! `RangeRequest` and `ContentRange`: which bytes of a blob a client wants (RFC 9110, section 14),
//! and which bytes of an upload it sends (distribution spec, end-5).

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::quoted::quoted;

/// Most ranges in one request; clients that read zstd:chunked layers ask for hundreds.
pub const RANGES_MAX: usize = 1024;

/// The ranges of a `Range: bytes=…` header, before the size of the blob is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeRequest {
    ranges: Vec<Asked>,
    too_many: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// `first-last`, both inclusive.
    Between(u64, u64),
    /// `first-`.
    From(u64),
    /// `-length`.
    Last(u64),
}

/// Why a request for ranges cannot be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// No range lies within the content.
    #[error("none of the ranges asked for lies within the {total} bytes there are")]
    Unsatisfiable {
        /// The size of the content.
        total: u64,
    },
    /// Together more bytes than there are, which only overlapping ranges can be.
    #[error("the ranges overlap, and ask for more than the {total} bytes there are")]
    TooMuch {
        /// The size of the content.
        total: u64,
    },
    /// More than [`RANGES_MAX`] ranges.
    #[error("too many ranges in one request: {RANGES_MAX} at most")]
    TooMany,
}

impl RangeRequest {
    /// Reads a `Range` header. `None` means that the header is to be ignored: another unit than
    /// bytes, or a form that is not understood.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let (unit, list) = header.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let mut ranges = Vec::new();
        for text in list.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            if ranges.len() == RANGES_MAX {
                return Some(Self { ranges, too_many: true });
            }
            ranges.push(Asked::parse(text)?);
        }
        (!ranges.is_empty()).then_some(Self { ranges, too_many: false })
    }

    /// The ranges within content of `total` bytes, in the order asked; those that lie outside are
    /// left out. A range whose end comes before its start is outside too, where RFC 9110 would
    /// ignore the header: the conformance suite asks for 416.
    ///
    /// # Errors
    /// [`RangeError::Unsatisfiable`] when none is left; [`RangeError::TooMany`];
    /// [`RangeError::TooMuch`], so that no small request makes for an answer of a thousand blobs
    /// (RFC 9110, section 14.2, allows to reject ranges that overlap).
    pub fn resolve(&self, total: u64) -> Result<Vec<Range<u64>>, RangeError> {
        if self.too_many {
            return Err(RangeError::TooMany);
        }
        let ranges: Vec<_> = self.ranges.iter().filter_map(|asked| asked.within(total)).collect();
        if ranges.is_empty() {
            return Err(RangeError::Unsatisfiable { total });
        }
        let asked: u128 = ranges.iter().map(|range| u128::from(range.end - range.start)).sum();
        if asked > u128::from(total) { Err(RangeError::TooMuch { total }) } else { Ok(ranges) }
    }
}

impl Asked {
    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        match (first.trim(), last.trim()) {
            ("", length) => Some(Self::Last(position(length)?)),
            (first, "") => Some(Self::From(position(first)?)),
            (first, last) => Some(Self::Between(position(first)?, position(last)?)),
        }
    }

    fn within(self, total: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::Between(first, last) => first..last.saturating_add(1).min(total),
            Self::From(first) => first..total,
            Self::Last(length) => total.saturating_sub(length)..total,
        };
        (!range.is_empty()).then_some(range)
    }
}

/// A byte position; one beyond `u64` is as good as the end of it.
fn position(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

/// The `Content-Range` of an upload's chunk: `first-last`, both inclusive, as the distribution spec
/// writes it; `bytes first-last/total`, as RFC 9110 writes it, is read as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// The position of the chunk's first byte.
    pub first: u64,
    /// The position of the chunk's last byte: never before the first, nor the last of all `u64`, so
    /// that lengths and ends can be counted.
    pub last: u64,
}

/// Why a text is not a chunk's range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{range} is not a chunk's range: expected first-last, both counted from 0")]
pub struct ContentRangeError {
    range: String,
}

impl ContentRange {
    /// The number of bytes in it, at least 1.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.last - self.first + 1
    }
}

impl FromStr for ContentRange {
    type Err = ContentRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let range = match text.strip_prefix("bytes ") {
            Some(range) => range.split('/').next().unwrap_or(range),
            None => text,
        };
        let bounds = range.split_once('-').map(|(first, last)| (exact(first), exact(last)));
        match bounds {
            Some((Some(first), Some(last))) if first <= last && last < u64::MAX => {
                Ok(Self { first, last })
            }
            _ => Err(ContentRangeError { range: quoted(text) }),
        }
    }
}

fn exact(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UNSATISFIABLE: Result<Vec<Range<u64>>, RangeError> =
        Err(RangeError::Unsatisfiable { total: 10 });

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "the ranges are the content here")]
    fn ranges_of_ten_bytes() {
        let table = [
            ("bytes=0-0", Ok(vec![0..1])),
            ("bytes=2-5", Ok(vec![2..6])),
            ("bytes=5-", Ok(vec![5..10])),
            ("bytes=-3", Ok(vec![7..10])),
            ("bytes=-30", Ok(vec![0..10])),
            ("bytes=2-500", Ok(vec![2..10])),
            ("bytes=0-99999999999999999999999", Ok(vec![0..10])),
            ("bytes=0-18446744073709551615", Ok(vec![0..10])),
            ("Bytes= 0-1 , 3-4,, 2-2", Ok(vec![0..2, 3..5, 2..3])),
            ("bytes=20-30,1-1", Ok(vec![1..2])),
            ("bytes=10-", UNSATISFIABLE),
            ("bytes=10-20", UNSATISFIABLE),
            ("bytes=5-0", UNSATISFIABLE),
            ("bytes=-0", UNSATISFIABLE),
        ];
        for (header, expected) in table {
            assert_eq!(RangeRequest::parse(header).unwrap().resolve(10), expected, "{header}");
        }
    }

    #[test]
    fn other_forms_are_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "items=0-1",
            "bytes=a-b",
            "bytes=1",
            "bytes=1--2",
            "bytes=-",
        ] {
            assert_eq!(RangeRequest::parse(header), None, "{header}");
        }
    }

    #[test]
    fn the_number_of_ranges_is_limited() {
        let header = |count: usize| format!("bytes={}", vec!["0-1"; count].join(","));
        let most = RangeRequest::parse(&header(RANGES_MAX)).unwrap();
        assert_eq!(most.resolve(2 * RANGES_MAX as u64).unwrap().len(), RANGES_MAX);
        let more = RangeRequest::parse(&header(RANGES_MAX + 1)).unwrap();
        assert_eq!(more.resolve(10), Err(RangeError::TooMany));
    }

    #[test]
    fn ranges_ask_for_no_more_than_there_is() {
        let most = RangeRequest::parse("bytes=0-5,3-6").unwrap();
        assert_eq!(most.resolve(10), Ok(vec![0..6, 3..7]), "overlapping, and no more than all");
        let table = ["bytes=0-,0-0".to_owned(), format!("bytes={}", ["0-"; RANGES_MAX].join(","))];
        for header in table {
            let asked = RangeRequest::parse(&header).unwrap();
            assert_eq!(asked.resolve(10), Err(RangeError::TooMuch { total: 10 }));
            assert!(asked.resolve(u64::MAX).is_err(), "counted without overflow");
        }
    }

    #[test]
    fn nothing_can_be_cut_from_empty_content() {
        for header in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert!(RangeRequest::parse(header).unwrap().resolve(0).is_err(), "{header}");
        }
    }

    #[test]
    fn chunks_in_both_spellings() {
        let table = [
            ("0-9", Some((0, 9))),
            ("5-5", Some((5, 5))),
            ("bytes 5-9/10", Some((5, 9))),
            ("bytes 5-9/*", Some((5, 9))),
            ("bytes 5-9", Some((5, 9))),
            ("9-5", None),
            ("-5", None),
            ("5-", None),
            ("a-b", None),
            ("0-18446744073709551615", None),
            ("0-99999999999999999999999", None),
            ("bytes=0-9", None),
            ("", None),
        ];
        for (text, expected) in table {
            let range = text.parse::<ContentRange>().ok();
            assert_eq!(range.map(|range| (range.first, range.last)), expected, "{text}");
        }
        assert_eq!("5-9".parse::<ContentRange>().unwrap().length(), 5);
    }

    proptest! {
        #[test]
        fn every_range_lies_within(header in "bytes=([0-9]{0,3}-[0-9]{0,3},?){1,5}", total in 0u64..500) {
            if let Some(Ok(ranges)) = RangeRequest::parse(&header).map(|asked| asked.resolve(total)) {
                prop_assert!(!ranges.is_empty());
                prop_assert!(ranges.iter().all(|range| range.start < range.end && range.end <= total));
            }
        }

        #[test]
        fn parsing_never_panics(text in "(bytes[ =])?[0-9,* /-]{0,40}") {
            let _ = RangeRequest::parse(&text).map(|asked| asked.resolve(u64::MAX));
            let _ = text.parse::<ContentRange>().map(|range| range.length());
        }
    }
}
