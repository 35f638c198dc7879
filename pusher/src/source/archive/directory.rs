//! `Directory`: what an archive has, by name, and where in a file it lies: the archive itself, if it
//! can be read at any place, else the temporary file that keeps what came by. Links are followed
//! inside the archive only, and content is read by any number of readers at once.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use wharf_oci::Digest;

use super::super::content::{Content, SMALL_BYTES_MAX};
use super::super::error::SourceError;
use super::super::index;
use super::form::Form;
use super::headers::Kind;

/// How many entries an archive may have.
const ENTRIES_MAX: usize = 1 << 15;
/// How long their names, and those that links lead to, may be together, in bytes.
const NAMES_BYTES_MAX: usize = 8 << 20;
/// How many links may lead to one entry.
const LINKS_MAX: usize = 8;

/// The entries of an archive, and the file in which their content is.
#[derive(Debug)]
pub(super) struct Directory {
    place: String,
    file: Arc<File>,
    entries: HashMap<String, Entry>,
}

/// Where an entry's content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// In the file.
    Kept {
        /// Its first byte.
        offset: u64,
        /// Its length.
        size: u64,
    },
    /// Nowhere: it went by, since the registry had it.
    PassedOver {
        /// The digest of its bytes, as its name said.
        digest: Digest,
        /// Its length.
        size: u64,
        /// How it is compressed.
        form: Form,
    },
}

/// The entries of an archive whose headers are still going by.
#[derive(Debug)]
pub(super) struct Entries {
    place: String,
    entries: HashMap<String, Entry>,
    names_bytes: usize,
}

#[derive(Debug)]
enum Entry {
    Content(Extent),
    /// To the entry of this name; none if that would be outside.
    Link(Option<String>),
    /// There are several of this name. Which of them counts, programs do not agree on.
    Several,
}

impl Entries {
    /// None yet.
    pub(super) fn new(place: String) -> Self {
        Self { place, entries: HashMap::new(), names_bytes: 0 }
    }

    /// Adds an entry of the given kind, whose content, if it has some, is there.
    pub(super) fn add(
        &mut self,
        name: String,
        kind: Kind,
        extent: Extent,
    ) -> Result<(), SourceError> {
        let entry = match kind {
            Kind::File => Entry::Content(extent),
            Kind::Link(target) => Entry::Link(target),
            Kind::Other => return Ok(()),
        };
        let target = if let Entry::Link(Some(target)) = &entry { target.len() } else { 0 };
        self.names_bytes += name.len() + target;
        if self.entries.len() == ENTRIES_MAX {
            return Err(self.too_large("the number of entries", ENTRIES_MAX));
        }
        if self.names_bytes > NAMES_BYTES_MAX {
            return Err(self.too_large("the length of all names", NAMES_BYTES_MAX));
        }
        let entries = self.entries.entry(name);
        entries.and_modify(|entry| *entry = Entry::Several).or_insert(entry);
        Ok(())
    }

    fn too_large(&self, what: &str, max: usize) -> SourceError {
        let (what, place) = (what.to_owned(), self.place.clone());
        SourceError::TooLarge { what, place, max: max as u64 }
    }

    /// All of them, with the file in which their content is.
    pub(super) fn within(self, file: File) -> Directory {
        Directory { place: self.place, file: Arc::new(file), entries: self.entries }
    }
}

impl Directory {
    /// Where the content of an entry is, through links.
    pub(super) fn find(&self, name: &str) -> Result<Option<Extent>, SourceError> {
        let (place, entry) = (|| self.place.clone(), || name.to_owned());
        let mut at = name;
        for _ in 0..=LINKS_MAX {
            match self.entries.get(at) {
                None => return Ok(None),
                Some(Entry::Content(extent)) => return Ok(Some(*extent)),
                Some(Entry::Link(Some(target))) => at = target,
                Some(Entry::Several) => {
                    return Err(SourceError::Duplicate { place: place(), entry: at.to_owned() });
                }
                Some(Entry::Link(None)) => {
                    return Err(SourceError::Outside { place: place(), entry: entry() });
                }
            }
        }
        Err(SourceError::LinkLoop { place: place(), entry: entry() })
    }

    /// Where the content of an entry is that must be there.
    pub(super) fn expect(&self, name: &str) -> Result<Extent, SourceError> {
        let missing = || SourceError::Missing { what: name.to_owned(), place: self.place.clone() };
        self.find(name)?.ok_or_else(missing)
    }

    /// A reader of an entry's content.
    pub(super) fn open(&self, name: &str) -> Result<EntryReader, SourceError> {
        match self.expect(name)? {
            Extent::Kept { offset, size } => Ok(self.reader(name, offset, size)),
            Extent::PassedOver { digest, .. } => {
                Err(SourceError::PassedOver { digest, place: self.place.clone() })
            }
        }
    }

    /// The content of an entry that must be small; none if there is no such entry.
    pub(super) fn small(&self, name: &str) -> Result<Option<Bytes>, SourceError> {
        let Some(extent) = self.find(name)? else { return Ok(None) };
        let (what, place) = (|| name.to_owned(), || self.place.clone());
        // What went by was larger, too.
        let Extent::Kept { offset, size: size @ ..=SMALL_BYTES_MAX } = extent else {
            return Err(SourceError::TooLarge {
                what: what(),
                place: place(),
                max: SMALL_BYTES_MAX,
            });
        };
        let mut bytes = Vec::new();
        self.reader(name, offset, size)
            .read_to_end(&mut bytes)
            .map_err(|source| SourceError::Read { what: what(), place: place(), source })?;
        Ok(Some(bytes.into()))
    }

    fn reader(&self, name: &str, offset: u64, left: u64) -> EntryReader {
        let (name, place) = (name.to_owned(), self.place.clone());
        EntryReader { file: Arc::clone(&self.file), name, place, offset, left }
    }
}

impl Content for Directory {
    fn place(&self) -> &str {
        &self.place
    }

    fn size(&self, digest: &Digest) -> Result<Option<u64>, SourceError> {
        Ok(self.find(&index::blob_path(digest))?.map(Extent::size))
    }

    fn bytes(&self, digest: &Digest) -> Result<Option<Bytes>, SourceError> {
        self.small(&index::blob_path(digest))
    }
}

impl Extent {
    /// The content's length.
    pub(super) fn size(self) -> u64 {
        match self {
            Self::Kept { size, .. } | Self::PassedOver { size, .. } => size,
        }
    }
}

/// Reads the content of one entry, wherever other readers are.
#[derive(Debug)]
pub(super) struct EntryReader {
    file: Arc<File>,
    name: String,
    place: String,
    offset: u64,
    left: u64,
}

impl Read for EntryReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.file.read_at(&mut buffer[..wanted], self.offset)?;
        if read == 0 {
            // The file was long enough when its headers were read.
            let (what, place) = (self.name.clone(), self.place.clone());
            return Err(SourceError::Truncated { what, place }.into());
        }
        self.offset += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}
