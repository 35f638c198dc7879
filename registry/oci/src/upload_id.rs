//! `UploadId`: the name of one upload session, a UUID as registry:2 writes them. It brings no
//! randomness of its own: whoever makes one hands in the bytes.

use std::fmt;
use std::str::FromStr;

use crate::hex;
use crate::quoted::quoted;

/// An upload session's name: a UUID, written in lower case as 8-4-4-4-12 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId([u8; 16]);

/// Why a text does not name an upload session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{id} is not the id of an upload session: a UUID in lower case")]
pub struct UploadIdError {
    id: String,
}

impl UploadId {
    /// A random UUID (version 4, RFC 9562) of the given random bytes; six of their bits are fixed.
    #[must_use]
    pub fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }
}

impl FromStr for UploadId {
    type Err = UploadIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || UploadIdError { id: quoted(text) };
        let mut bytes = [0; 16];
        let mut digits = text.bytes().enumerate().filter_map(|(index, byte)| match index {
            8 | 13 | 18 | 23 => (byte != b'-').then_some(None),
            _ => Some(hex::value(byte)),
        });
        for byte in &mut bytes {
            let high = digits.next().flatten().ok_or_else(refused)?;
            let low = digits.next().flatten().ok_or_else(refused)?;
            *byte = high << 4 | low;
        }
        if digits.next().is_some() { Err(refused()) } else { Ok(Self(bytes)) }
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UploadId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_canonical_uuids_are_ids() {
        let table = [
            ("0123abcd-0123-4bcd-8ef0-0123456789ab", true),
            ("0123ABCD-0123-4bcd-8ef0-0123456789ab", false),
            ("0123abcd-0123-4bcd-8ef0-0123456789a", false),
            ("0123abcd-0123-4bcd-8ef0-0123456789abc", false),
            ("0123abcd-0123-4bcd-8ef0-0123456789ab0", false),
            ("0123abcd-0123-4bcd-8ef0-0123456789ab-", false),
            ("0123abcd00123-4bcd-8ef0-0123456789ab", false),
            ("0123abcd01234bcd8ef00123456789ab", false),
            ("-0123abcd-0123-4bcd-8ef0-0123456789a", false),
            ("../../../../../../../../../../../../", false),
            ("", false),
        ];
        for (text, valid) in table {
            assert_eq!(text.parse::<UploadId>().is_ok(), valid, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_random_id_is_version_4_and_survives_its_text(bytes: [u8; 16]) {
            let id = UploadId::from_random(bytes);
            let text = id.to_string();
            prop_assert_eq!(text.len(), 36);
            prop_assert_eq!(&text[14..15], "4");
            prop_assert_eq!(text.parse(), Ok(id));
        }
    }
}
