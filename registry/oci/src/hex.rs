//! Lower-case hexadecimal digits, the only ones that digests and upload ids are written in.

/// The value of a digit; `None` for anything else, upper case included.
pub(crate) fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
