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
    const BEGINNING_BYTES: u64 = 6;
    const BEGINNINGS: [(&[u8], Self); 4] = [
        (b"\x1f\x8b", Self::Gzip),
        (b"\x28\xb5\x2f\xfd", Self::Zstd),
        (b"BZh", Self::Bzip2),
        (b"\xfd7zXZ\0", Self::Xz),
    ];

    /// The form of what `reader` gives, and the bytes that were taken from it to know.
    pub(super) fn of(reader: &mut impl Read) -> io::Result<(Self, Vec<u8>)> {
        let mut beginning = Vec::new();
        reader.by_ref().take(Self::BEGINNING_BYTES).read_to_end(&mut beginning)?;
        let is_it = |(bytes, _): &&(&[u8], Self)| beginning.starts_with(bytes);
        let form = Self::BEGINNINGS.iter().find(is_it).map_or(Self::Plain, |(_, form)| *form);
        Ok((form, beginning))
    }
}
