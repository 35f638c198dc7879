//! An archive that comes by once: from a pipe, or out of a decompressor. What the registry has goes
//! past; the rest is kept in a temporary file that has no name, so that it goes with its last reader.
//!
//! What is asked of the registry is asked before the layer goes by, so it is known by its name or
//! not at all: names that Docker used to give tell nothing, and such layers are kept.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use wharf_oci::{Algorithm, Digest};

use super::super::content::SMALL_BYTES_MAX;
use super::super::error::SourceError;
use super::directory::{Directory, Entries, Extent};
use super::form::Form;
use super::headers::{Forward, Headers, Kind};

/// The most that is kept of one archive, in bytes: what decompresses to more is no image.
const SPOOL_BYTES_MAX: u64 = 1 << 40;
/// How much is moved at a time, in bytes.
const BUFFER_BYTES: usize = 256 << 10;
/// How much may come after the end of the archive and is read all the same, in bytes.
const TRAILER_BYTES_MAX: u64 = 1 << 20;

/// The entries of the archive that `input` gives; the large ones that the registry does not lack go
/// past.
pub(super) fn directory(
    input: impl Read,
    place: &str,
    lacks: impl Fn(&Digest) -> bool,
    folder: &Path,
) -> Result<Directory, SourceError> {
    let mut spool = Spool::new(place, folder)?;
    let mut headers = Headers::new(Once(input), place.to_owned());
    let mut entries = Entries::new(place.to_owned());
    while let Some(entry) = headers.next()? {
        let size = entry.size;
        let mut extent = Extent::Kept { offset: spool.written, size };
        if entry.kind == Kind::File && size > 0 {
            let (form, beginning) =
                Form::of(&mut headers).map_err(|error| headers.failed(&entry.name, error))?;
            let known = (size > SMALL_BYTES_MAX).then(|| digest(&entry.name, form)).flatten();
            match known.filter(|digest| !lacks(digest)) {
                Some(digest) => extent = Extent::PassedOver { digest, size, form },
                None => spool.keep(&beginning, &mut headers, &entry.name)?,
            }
        }
        entries.add(entry.name, entry.kind, extent)?;
    }
    headers.drain(TRAILER_BYTES_MAX)?;
    Ok(entries.within(spool.file))
}

/// The digest that an entry's name gives to the bytes in it, if it does: a blob of a layout, or a
/// layer of a docker-archive. There, `<digest>.tar` is the plain layer's, whatever was done to it.
fn digest(name: &str, form: Form) -> Option<Digest> {
    if let Some(name) = name.strip_prefix("blobs/") {
        return name.replacen('/', ":", 1).parse().ok();
    }
    let hex = match form {
        Form::Gzip => name.strip_suffix(".tar.gz")?,
        _ => name.strip_suffix(".tar").filter(|_| form == Form::Plain)?,
    };
    format!("{}:{hex}", Algorithm::Sha256).parse().ok()
}

/// A temporary file without a name.
struct Spool<'a> {
    file: File,
    written: u64,
    place: &'a str,
    folder: &'a Path,
}

impl<'a> Spool<'a> {
    fn new(place: &'a str, folder: &'a Path) -> Result<Self, SourceError> {
        let failed = |source| Self::failed(place, folder, source);
        let file = tempfile::tempfile_in(folder).map_err(failed)?;
        Ok(Self { file, written: 0, place, folder })
    }

    /// Keeps `beginning` and what is left of the entry after it.
    fn keep<F: Forward>(
        &mut self,
        beginning: &[u8],
        rest: &mut Headers<F>,
        name: &str,
    ) -> Result<(), SourceError> {
        self.write(beginning)?;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match rest.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => self.write(&buffer[..read])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(rest.failed(name, error)),
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SourceError> {
        self.written += bytes.len() as u64;
        if self.written > SPOOL_BYTES_MAX {
            let (what, place) = ("what is kept of it".to_owned(), self.place.to_owned());
            return Err(SourceError::TooLarge { what, place, max: SPOOL_BYTES_MAX });
        }
        let written = self.file.write_all(bytes);
        written.map_err(|source| Self::failed(self.place, self.folder, source))
    }

    fn failed(place: &str, folder: &Path, source: io::Error) -> SourceError {
        SourceError::Spool { place: place.to_owned(), folder: folder.to_owned(), source }
    }
}

/// What comes but once.
struct Once<R>(R);

impl<R: Read> Read for Once<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> Forward for Once<R> {
    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        let mut left = bytes;
        let mut buffer = vec![0; BUFFER_BYTES.min(usize::try_from(bytes).unwrap_or(BUFFER_BYTES))];
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            match self.0.read(&mut buffer[..wanted]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => left -= read as u64,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
