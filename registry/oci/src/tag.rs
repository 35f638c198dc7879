//! `Tag`: a name for a manifest inside its repository, in the grammar of the distribution spec
//! ("Pulling manifests"). It says nothing about what it points at.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::quoted::quoted;

/// Longest tag, in bytes.
pub const TAG_LENGTH_MAX: usize = 128;

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(Arc<str>);

/// Why a text is not a tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{tag} is not a tag: 1 to {TAG_LENGTH_MAX} letters, digits, `_`, `.` and `-`, the first of \
     them neither `.` nor `-`"
)]
pub struct TagError {
    tag: String,
}

impl Tag {
    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let bytes = text.as_bytes();
        let valid = bytes.len() <= TAG_LENGTH_MAX
            && bytes.first().copied().is_some_and(is_word)
            && bytes.iter().all(|&byte| is_word(byte) || matches!(byte, b'.' | b'-'));
        if valid { Ok(Self(text.into())) } else { Err(TagError { tag: quoted(text) }) }
    }
}

impl TryFrom<String> for Tag {
    type Error = TagError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.as_str().to_owned()
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tags_inside_and_outside_the_grammar() {
        let longest = "t".repeat(TAG_LENGTH_MAX);
        let too_long = "t".repeat(TAG_LENGTH_MAX + 1);
        let table = [
            ("latest", true),
            ("v1.2.3-rc.1", true),
            ("_", true),
            ("A", true),
            ("0", true),
            ("sha256-0123.sig", true),
            (longest.as_str(), true),
            ("", false),
            (".a", false),
            ("-a", false),
            ("a/b", false),
            ("a:b", false),
            ("a b", false),
            ("a\n", false),
            ("é", false),
            ("..", false),
            (too_long.as_str(), false),
        ];
        for (text, valid) in table {
            assert_eq!(text.parse::<Tag>().is_ok(), valid, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_word_of_the_grammar_is_a_tag(text in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}") {
            prop_assert_eq!(text.parse::<Tag>().map(|tag| tag.to_string()), Ok(text));
        }
    }
}
