//! An archive in a file that can be read at any place: only its headers are read, once, and content
//! stays where it is.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use super::super::error::SourceError;
use super::directory::{Directory, Entries, Extent};
use super::headers::{Forward, Headers};

/// The entries of the archive `file`, which is `size` bytes long.
pub(super) fn directory(file: File, size: u64, place: &str) -> Result<Directory, SourceError> {
    let mut headers = Headers::new(InFile { file: &file, at: 0, size }, place.to_owned());
    let mut entries = Entries::new(place.to_owned());
    while let Some(entry) = headers.next()? {
        let extent = Extent::Kept { offset: entry.offset, size: entry.size };
        entries.add(entry.name, entry.kind, extent)?;
    }
    Ok(entries.within(file))
}

/// The file, from its start on.
struct InFile<'a> {
    file: &'a File,
    at: u64,
    size: u64,
}

impl Read for InFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Forward for InFile<'_> {
    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        match self.at.checked_add(bytes) {
            Some(at) if at <= self.size => {
                self.at = at;
                Ok(())
            }
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
