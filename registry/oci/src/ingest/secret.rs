//! `Secret`: what lets its holder ask for an ingest. It is never shown, and compared in a time that
//! does not depend on where two secrets differ.

use std::fmt;
use std::hint::black_box;
use std::str::FromStr;

use crate::{Algorithm, Digest};

/// The fewest characters of a secret.
pub const SECRET_LENGTH_MIN: usize = 16;
/// The most characters of a secret: it goes in a header.
pub const SECRET_LENGTH_MAX: usize = 1024;

/// A secret of at least [`SECRET_LENGTH_MIN`] visible ASCII characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why a text is no secret. The text itself is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Too easy to guess.
    #[error("a secret has at least {SECRET_LENGTH_MIN} characters")]
    TooShort,
    /// Too long for a header.
    #[error("a secret has at most {SECRET_LENGTH_MAX} characters")]
    TooLong,
    /// Something in it cannot go in a header.
    #[error("a secret is one word of letters, digits and signs")]
    Character,
}

impl Secret {
    /// The secret itself, to be sent.
    #[must_use]
    pub fn exposed(&self) -> &str {
        &self.0
    }

    /// Whether `presented` is this secret. Digests are compared, whole, so that the time tells
    /// neither how much of it is right nor how long the secret is.
    #[must_use]
    pub fn is(&self, presented: &[u8]) -> bool {
        let [own, other] =
            [self.0.as_bytes(), presented].map(|it| Digest::of(Algorithm::Sha256, it));
        let pairs = own.bytes().iter().zip(other.bytes());
        black_box(pairs.fold(0, |difference, (a, b)| difference | (a ^ b))) == 0
    }
}

impl FromStr for Secret {
    type Err = SecretError;

    /// White space around the secret is left out: files end with a line break.
    fn from_str(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        match text.len() {
            _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => Err(SecretError::Character),
            ..SECRET_LENGTH_MIN => Err(SecretError::TooShort),
            length if length > SECRET_LENGTH_MAX => Err(SecretError::TooLong),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_long_word() {
        let longest = "x".repeat(SECRET_LENGTH_MAX);
        for (text, secret) in [
            ("0123456789abcdef", Ok("0123456789abcdef")),
            (" 0123456789abcdef+/=\r\n", Ok("0123456789abcdef+/=")),
            (longest.as_str(), Ok(longest.as_str())),
            ("0123456789abcde", Err(SecretError::TooShort)),
            ("", Err(SecretError::TooShort)),
            (&format!("{longest}x"), Err(SecretError::TooLong)),
            ("0123456789 abcdef", Err(SecretError::Character)),
            ("0123456789abcdef\0", Err(SecretError::Character)),
            ("0123456789abcdé", Err(SecretError::Character)),
        ] {
            let parsed = text.parse::<Secret>();
            assert_eq!(parsed.as_ref().map(Secret::exposed).map_err(|it| *it), secret, "{text:?}");
        }
    }

    #[test]
    fn only_the_secret_is_the_secret() {
        let secret: Secret = "0123456789abcdef".parse().unwrap();
        assert!(secret.is(b"0123456789abcdef"));
        for other in [&b""[..], b"0123456789abcde", b"0123456789abcdeF", b"0123456789abcdef "] {
            assert!(!secret.is(other), "{other:?}");
        }
    }

    #[test]
    fn it_is_not_shown() {
        let secret: Secret = "0123456789abcdef".parse().unwrap();
        assert_eq!(format!("{secret:?}"), "Secret");
    }
}
