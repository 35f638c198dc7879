//! The one layer of Wharf's image: a tar whose bytes depend on the program alone. Owner, time and
//! order are fixed, and nothing is compressed, since a registry beside its nodes gains nothing.

use std::io;

use bytes::Bytes;
use tar::{Builder, EntryType, Header};

/// The folders of the image, in order. `tmp` is open to all, as everywhere.
const FOLDERS: [(&str, u32); 4] =
    [("tmp/", 0o1777), ("var/", 0o755), ("var/lib/", 0o755), ("var/lib/registry/", 0o755)];

/// The program's place, without the slash that a tar leaves out.
const PROGRAM: &str = "wharf";

/// The tar: the folders, and the program.
#[expect(clippy::expect_used, reason = "the entries are fixed and memory takes every write")]
pub fn layer(program: &[u8]) -> Bytes {
    let write = || -> io::Result<Vec<u8>> {
        let mut archive = Builder::new(Vec::with_capacity(program.len() + (16 << 10)));
        for (path, mode) in FOLDERS {
            append(&mut archive, path, EntryType::Directory, mode, &[])?;
        }
        append(&mut archive, PROGRAM, EntryType::Regular, 0o755, program)?;
        archive.into_inner()
    };
    write().expect("a tar of fixed entries is written to memory").into()
}

/// Adds an entry that belongs to root and dates from 1970.
pub fn append<W: io::Write>(
    archive: &mut Builder<W>,
    path: &str,
    entry_type: EntryType,
    mode: u32,
    contents: &[u8],
) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(entry_type);
    header.set_path(path)?;
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(contents.len() as u64);
    header.set_cksum();
    archive.append(&header, contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_sorted_and_belong_to_nobody_and_no_time() {
        let layer = layer(b"program");
        let mut archive = tar::Archive::new(&layer[..]);
        let entries: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                assert_eq!(header.uid().unwrap() + header.gid().unwrap(), 0);
                assert_eq!(header.mtime().unwrap(), 0);
                (entry.path().unwrap().display().to_string(), header.mode().unwrap())
            })
            .collect();
        let expected = [
            ("tmp/", 0o1777),
            ("var/", 0o755),
            ("var/lib/", 0o755),
            ("var/lib/registry/", 0o755),
            ("wharf", 0o755),
        ];
        assert_eq!(entries, expected.map(|(path, mode)| (path.to_owned(), mode)));
        assert!(entries.is_sorted());
    }
}
