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
    /// Reads the text of `n`; one beyond `usize` means as many as there are.
    pub(crate) fn parse_n(text: &str) -> Result<usize, PageError> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(text.parse().unwrap_or(usize::MAX))
        } else {
            Err(PageError { n: quoted(text) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n_is_a_whole_number() {
        assert_eq!(Page::parse_n("0"), Ok(0));
        assert_eq!(Page::parse_n("100"), Ok(100));
        assert_eq!(Page::parse_n("99999999999999999999999"), Ok(usize::MAX));
        for text in ["", "-1", "+1", "1.5", "ten", "0x10"] {
            assert!(Page::parse_n(text).is_err(), "{text}");
        }
    }
}
