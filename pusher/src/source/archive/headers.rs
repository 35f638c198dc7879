//! The headers of a tar archive, one after the other, from a file or from a stream: which entries
//! there are, and where their content lies. The names, numbers and extended headers in it may have
//! been written by anybody: nothing is believed that the bytes do not bear out, and nothing grows
//! with what a header claims. Sparse entries are refused: no program that saves images writes them.

use std::io::{self, Read};

use tar::{EntryType, Header};

use super::super::error::{HeaderProblem, SourceError};
use super::name;

/// The unit of a tar archive.
const BLOCK_BYTES: u64 = 512;
/// The longest name of an entry or a link, in bytes.
const NAME_BYTES_MAX: u64 = 1024;
/// The most that one entry's extended fields may take, in bytes.
const EXTENDED_BYTES_MAX: u64 = 1 << 20;

/// What an archive is read from: forward, and past what is not wanted.
pub(super) trait Forward: Read {
    /// Passes over so many bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if there are fewer.
    fn pass(&mut self, bytes: u64) -> io::Result<()>;
}

/// The entries of an archive. Reading it is reading the content of the last entry it gave.
#[derive(Debug)]
pub(super) struct Headers<F> {
    input: F,
    place: String,
    /// Where `input` stands, in bytes from the archive's start.
    at: u64,
    /// The entry whose content comes now, for messages.
    name: String,
    /// What is left of its content.
    left: u64,
    /// What fills its last block.
    padding: u64,
}

/// An entry of an archive.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name, inside of the archive.
    pub(super) name: String,
    /// What it is.
    pub(super) kind: Kind,
    /// Where its content begins, in bytes from the archive's start.
    pub(super) offset: u64,
    /// How long its content is.
    pub(super) size: u64,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A regular file.
    File,
    /// A link of either sort to another entry, whose name inside of the archive it gives; none if it
    /// leads outside.
    Link(Option<String>),
    /// A folder, or something without content.
    Other,
}

/// What the headers before an entry's own one say of it.
#[derive(Debug, Default)]
struct Extended {
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    is_there: bool,
}

impl<F: Forward> Headers<F> {
    /// The entries of the archive that `input` gives from here on.
    pub(super) fn new(input: F, place: String) -> Self {
        Self { input, place, at: 0, name: String::new(), left: 0, padding: 0 }
    }

    /// The next entry, or none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, SourceError> {
        let mut extended = Extended::default();
        loop {
            self.pass()?;
            let start = self.at;
            let Some(header) = self.header()? else {
                return match extended.is_there {
                    true => Err(self.broken(start, HeaderProblem::Stray)),
                    false => Ok(None),
                };
            };
            let kind = header.entry_type();
            let size =
                header.entry_size().map_err(|_| self.broken(start, HeaderProblem::Number))?;
            if kind == EntryType::GNUSparse {
                return Err(self.broken(start, HeaderProblem::Sparse));
            }
            if !self.extend(&mut extended, kind, size, start)? {
                return self.entry(&header, kind, size, extended, start).map(Some);
            }
        }
    }

    /// Takes in a header that only says something of the next one, if this is such a header. What is
    /// said of all entries is passed over: nothing of it matters here.
    fn extend(
        &mut self,
        extended: &mut Extended,
        kind: EntryType,
        size: u64,
        start: u64,
    ) -> Result<bool, SourceError> {
        let stray = self.broken(start, HeaderProblem::Stray);
        match kind {
            EntryType::GNULongName | EntryType::GNULongLink => {
                let text = self.small(size, NAME_BYTES_MAX, start)?;
                let text = text.strip_suffix(b"\0").unwrap_or(&text).to_vec();
                let of_it = match kind {
                    EntryType::GNULongName => &mut extended.name,
                    _ => &mut extended.target,
                };
                if of_it.replace(text).is_some() {
                    return Err(stray);
                }
            }
            EntryType::XHeader => {
                let records = self.small(size, EXTENDED_BYTES_MAX, start)?;
                extended.read(&records).map_err(|problem| self.broken(start, problem))?;
            }
            EntryType::XGlobalHeader => {
                return self.enter("an extended header".to_owned(), size, start).map(|()| true);
            }
            _ => return Ok(false),
        }
        extended.is_there = true;
        Ok(true)
    }

    fn entry(
        &mut self,
        header: &Header,
        kind: EntryType,
        size: u64,
        extended: Extended,
        start: u64,
    ) -> Result<Entry, SourceError> {
        let text = extended.name.unwrap_or_else(|| header.path_bytes().into_owned());
        let text = self.text(text, start)?;
        let outside = || SourceError::Outside { place: self.place.clone(), entry: text.clone() };
        let name = name::inside("", &text).ok_or_else(outside)?;
        let (kind, has_content) = match kind {
            EntryType::Regular | EntryType::Continuous => (Kind::File, true),
            EntryType::Link | EntryType::Symlink => {
                let target = extended
                    .target
                    .or_else(|| header.link_name_bytes().map(|text| text.into_owned()))
                    .unwrap_or_default();
                let target = self.text(target, start)?;
                // A hard link counts from the archive's root, a symbolic one from where it stands.
                let from = if kind == EntryType::Symlink { name::folder(&name) } else { "" };
                (Kind::Link(name::inside(from, &target)), false)
            }
            EntryType::Directory | EntryType::Char | EntryType::Block | EntryType::Fifo => {
                (Kind::Other, false)
            }
            _ => (Kind::Other, true),
        };
        let size = if has_content { extended.size.unwrap_or(size) } else { 0 };
        self.enter(name.clone(), size, start)?;
        Ok(Entry { name, kind, offset: self.at, size })
    }

    /// The header that comes here; none where the archive ends.
    fn header(&mut self) -> Result<Option<Header>, SourceError> {
        let mut block = [0; BLOCK_BYTES as usize];
        let start = self.at;
        let mut filled = 0;
        while filled < block.len() {
            match self.input.read(&mut block[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed("the header of an entry", error)),
            }
        }
        self.at += filled as u64;
        // Nothing at all instead of two empty blocks is what some programs leave.
        if filled == 0 || block == [0; BLOCK_BYTES as usize] {
            return Ok(None);
        }
        if filled < block.len() {
            return Err(self.failed("the header of an entry", io::ErrorKind::UnexpectedEof.into()));
        }
        let header = Header::from_byte_slice(&block).clone();
        // The sum counts its own field as blanks.
        let sum =
            block[..148].iter().chain(&block[156..]).map(|byte| u32::from(*byte)).sum::<u32>();
        match header.cksum() {
            Ok(said) if said == sum + 8 * u32::from(b' ') => Ok(Some(header)),
            _ => Err(self.broken(start, HeaderProblem::Checksum)),
        }
    }

    /// Whatever comes after the end of the archive, up to `bytes`: a program that writes it should
    /// not find its reader gone.
    pub(super) fn drain(&mut self, bytes: u64) -> Result<(), SourceError> {
        let drained = io::copy(&mut (&mut self.input).take(bytes), &mut io::sink());
        drained.map(drop).map_err(|error| self.failed("its end", error))
    }

    /// The content of the last entry, as an error names it.
    pub(super) fn failed(&self, what: &str, error: io::Error) -> SourceError {
        let (what, place) = (what.to_owned(), self.place.clone());
        match error.kind() {
            io::ErrorKind::UnexpectedEof => SourceError::Truncated { place, what },
            _ => SourceError::Read { what, place, source: error },
        }
    }

    /// Content of so many bytes begins here.
    fn enter(&mut self, name: String, size: u64, start: u64) -> Result<(), SourceError> {
        let end =
            self.at.checked_add(size).and_then(|end| end.checked_next_multiple_of(BLOCK_BYTES));
        let Some(end) = end else { return Err(self.broken(start, HeaderProblem::Overflow)) };
        self.name = name;
        self.left = size;
        self.padding = end - self.at - size;
        Ok(())
    }

    /// Passes over what is left of the last entry.
    fn pass(&mut self) -> Result<(), SourceError> {
        let bytes = self.left + self.padding;
        if bytes > 0 {
            self.input.pass(bytes).map_err(|error| self.failed(&self.name, error))?;
        }
        self.at += bytes;
        (self.left, self.padding) = (0, 0);
        Ok(())
    }

    /// Content that is kept in memory.
    fn small(&mut self, size: u64, max: u64, start: u64) -> Result<Vec<u8>, SourceError> {
        if size > max {
            return Err(self.broken(start, HeaderProblem::Long { max }));
        }
        self.enter("an extended header".to_owned(), size, start)?;
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).map_err(|error| self.failed(&self.name, error))?;
        Ok(bytes)
    }

    fn text(&self, text: Vec<u8>, start: u64) -> Result<String, SourceError> {
        if text.len() as u64 > NAME_BYTES_MAX {
            return Err(self.broken(start, HeaderProblem::Long { max: NAME_BYTES_MAX }));
        }
        // What is not text is none of the names that are looked for.
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn broken(&self, offset: u64, problem: HeaderProblem) -> SourceError {
        SourceError::Header { place: self.place.clone(), offset, problem }
    }
}

impl<F: Forward> Read for Headers<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.input.read(&mut buffer[..wanted])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        self.at += read as u64;
        Ok(read)
    }
}

impl Extended {
    /// Reads records of the form `length key=value\n` (POSIX, pax, "pax Header Block").
    fn read(&mut self, mut records: &[u8]) -> Result<(), HeaderProblem> {
        while !records.is_empty() {
            let (key, value, rest) = record(records).ok_or(HeaderProblem::Extended)?;
            records = rest;
            match key {
                b"path" => self.name = Some(value.to_vec()),
                b"linkpath" => self.target = Some(value.to_vec()),
                b"size" => {
                    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                    self.size = Some(number.ok_or(HeaderProblem::Number)?);
                }
                _ if key.starts_with(b"GNU.sparse.") => return Err(HeaderProblem::Sparse),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The first record's key and value, and the records after it.
fn record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = records.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&records[..blank]).ok()?.parse().ok()?;
    let (record, rest) = records.split_at_checked(length)?;
    let record = record.get(blank + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], rest))
}
