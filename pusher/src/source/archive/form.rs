//! `Form`: whether bytes are compressed, and how, as their beginning tells.

use std::io::{self, Read};

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Not, or in no way that is known.
    Plain,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

impl Form {
    /// The longest beginning that is looked at.
    const BEGINNING_BYTES: u64 = 10;

    /// The form of what `reader` gives, and the bytes that were taken from it to know.
    pub(super) fn of(reader: &mut impl Read) -> io::Result<(Self, Vec<u8>)> {
        let mut beginning = Vec::new();
        reader.by_ref().take(Self::BEGINNING_BYTES).read_to_end(&mut beginning)?;
        let form = match beginning.as_slice() {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            // Its first letters alone could be those of a file's name, with which an archive begins.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59] => Self::Bzip2,
            _ => Self::Plain,
        };
        Ok((form, beginning))
    }
}
