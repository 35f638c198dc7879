//! `Page`: which part of a list is asked for (distribution spec, end-8b). How long a page may be is
//! for the server to say.

use crate::quoted::quoted;

/// The `n` and `last` of a question for tags or repositories.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Page {
    /// How many entries at most; `Some(0)` asks for none.
    pub n: Option<usize>,
    /// Only entries after this one, in the order of their bytes. It need not exist.
    pub last: Option<String>,
}

/// Why the `n` of a page is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("n={n} is not a number of entries: give a whole number, 0 or more")]
pub struct PageError {
    n: String,
}

impl Page {
    /// Reads the text of `n`.
    pub(crate) fn parse_n(text: &str) -> Result<usize, PageError> {
        // `parse` alone would take a plus sign.
        let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse().ok());
        number.ok_or_else(|| PageError { n: quoted(text) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n_is_a_whole_number() {
        assert_eq!(Page::parse_n("0"), Ok(0));
        assert_eq!(Page::parse_n("100"), Ok(100));
        for text in ["", "-1", "+1", "1.5", "ten", "0x10", "99999999999999999999999"] {
            assert!(Page::parse_n(text).is_err(), "{text}");
        }
    }
}
