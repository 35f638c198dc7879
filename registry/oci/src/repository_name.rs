//! `RepositoryName`: the grammar and the length of the distribution spec ("Pulling manifests"),
//! checked once. It knows nothing of hosts: those belong to `ImageReference`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::quoted::quoted;

/// Longest repository name, in bytes: the spec leaves it open, registry:2 allows 255.
pub const NAME_LENGTH_MAX: usize = 255;

/// The name of a repository: components of `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`, joined by `/`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepositoryName(Arc<str>);

/// Why a text is not a repository name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryNameError {
    /// Longer than [`NAME_LENGTH_MAX`].
    #[error("a repository name of {length} bytes is too long: {NAME_LENGTH_MAX} at most")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// Outside the grammar.
    #[error(
        "{name} is not a repository name: components of lower-case letters and digits, with \
         `.`, `_`, `__` or dashes only between them, joined by `/`"
    )]
    Grammar {
        /// What was given, shortened for the message.
        name: String,
    },
}

impl RepositoryName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RepositoryName {
    type Err = RepositoryNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > NAME_LENGTH_MAX {
            return Err(RepositoryNameError::TooLong { length: text.len() });
        }
        if !text.split('/').all(is_component) {
            return Err(RepositoryNameError::Grammar { name: quoted(text) });
        }
        Ok(Self(text.into()))
    }
}

/// Whether `text` is `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_component(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_separator = |bytes: &[u8]| match bytes {
        b"." | b"_" | b"__" => true,
        dashes => dashes.iter().all(|&byte| byte == b'-'),
    };
    let bytes = text.as_bytes();
    bytes.first().copied().is_some_and(is_letter)
        && bytes.last().copied().is_some_and(is_letter)
        && bytes.split(|&byte| is_letter(byte)).all(is_separator)
}

impl TryFrom<String> for RepositoryName {
    type Error = RepositoryNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RepositoryName> for String {
    fn from(name: RepositoryName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RepositoryName({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_inside_and_outside_the_grammar() {
        let longest = "a".repeat(NAME_LENGTH_MAX);
        let too_long = "a".repeat(NAME_LENGTH_MAX + 1);
        let table = [
            ("a", true),
            ("library/alpine", true),
            ("0/1/2", true),
            ("a.b_c__d-e---f/g", true),
            ("tags/list/blobs/uploads/manifests", true),
            (longest.as_str(), true),
            ("", false),
            ("/a", false),
            ("a/", false),
            ("a//b", false),
            ("A", false),
            ("é", false),
            ("a b", false),
            ("a..b", false),
            ("a___b", false),
            ("a._b", false),
            ("a-_b", false),
            (".a", false),
            ("a.", false),
            ("-a", false),
            ("a-", false),
            ("_catalog", false),
            ("a/../b", false),
            ("..", false),
            ("a\0", false),
            ("a:5000/b", false),
            (too_long.as_str(), false),
        ];
        for (text, valid) in table {
            let parsed = text.parse::<RepositoryName>();
            assert_eq!(parsed.is_ok(), valid, "{text:?}");
            if let Ok(name) = parsed {
                assert_eq!(name.to_string(), text);
            }
        }
    }

    proptest! {
        #[test]
        fn every_word_of_the_grammar_is_a_name(
            text in r"[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,3}){0,3}(/[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}){0,4}"
        ) {
            prop_assert_eq!(text.parse::<RepositoryName>().map(|name| name.to_string()), Ok(text));
        }

        #[test]
        fn a_name_is_always_a_safe_relative_path(text in "[a-z./_-]{0,12}") {
            if text.parse::<RepositoryName>().is_ok() {
                prop_assert!(text.split('/').all(|part| !part.is_empty() && !part.starts_with('.')));
            }
        }
    }
}
