//! `TarSplit`: the record of how a layer's archive was put together, which the store keeps beside the
//! layer's files: gzip, and in it one JSON object a line, in the order of the archive. A line is either
//! bytes of the archive itself (headers, padding) or the name of a file to put there.

use std::io::{self, BufRead, BufReader, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

/// Longest line. Headers come in lines of some hundred bytes; what follows the archive's end, in lines
/// of at most a megabyte of bytes.
const LINE_BYTES_MAX: u64 = 16 << 20;
/// Most lines of one layer: two for each file.
const LINES_MAX: u64 = 1 << 24;
/// How much is unpacked at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// Type of a line that names a file.
const FILE: u8 = 1;
/// Type of a line that holds bytes.
const SEGMENT: u8 = 2;

/// The lines of one layer's record.
pub(crate) struct TarSplit<R> {
    lines: BufReader<MultiGzDecoder<R>>,
    line: Vec<u8>,
    count: u64,
}

/// What comes next in the archive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The bytes that were put into the caller's buffer.
    Segment,
    /// The content of a file.
    File(FileEntry),
}

/// A file of which the content comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileEntry {
    /// Its name in the archive, whatever bytes that are.
    pub(crate) name: Vec<u8>,
    /// The length of its content in bytes; never 0.
    pub(crate) size: u64,
}

/// Why a record cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TarSplitError {
    /// It cannot be read or unpacked.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    /// A line has no end in sight.
    #[error("its line {line} is longer than {LINE_BYTES_MAX} bytes")]
    LineTooLong {
        /// Which line, from 1.
        line: u64,
    },
    /// There is no end in sight.
    #[error("it has more than {LINES_MAX} lines")]
    TooLong,
    /// A line is not the JSON that is written there.
    #[error("its line {line} is not of its form")]
    Json {
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A line's bytes are not base64.
    #[error("its line {line} is not base64")]
    Base64 {
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        #[source]
        source: base64::DecodeError,
    },
    /// A line has a type or numbers that mean nothing.
    #[error("its line {line} makes no sense")]
    Senseless {
        /// Which line, from 1.
        line: u64,
    },
}

/// A line as it is written. Text in base64 never needs escapes, so it is read where it stands.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: u8,
    #[serde(default)]
    name: Option<String>,
    /// A name that is not UTF-8, in base64.
    #[serde(default)]
    name_raw: Option<&'a str>,
    #[serde(default)]
    size: Option<i64>,
    #[serde(default)]
    payload: Option<&'a str>,
}

impl<R: Read> TarSplit<R> {
    /// The record that `reader` gives, packed as it is stored.
    pub(crate) fn new(reader: R) -> Self {
        let lines = BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(reader));
        Self { lines, line: Vec::new(), count: 0 }
    }

    /// What comes next; none at the end. `segment` is overwritten if it is bytes.
    pub(crate) fn next(&mut self, segment: &mut Vec<u8>) -> Result<Option<Entry>, TarSplitError> {
        while self.next_line()? {
            let at = self.count;
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            let line: Line<'_> = serde_json::from_slice(&self.line)
                .map_err(|source| TarSplitError::Json { line: at, source })?;
            let decoded = |text: &str, bytes: &mut Vec<u8>| {
                bytes.clear();
                STANDARD
                    .decode_vec(text, bytes)
                    .map_err(|source| TarSplitError::Base64 { line: at, source })
            };
            let senseless = || TarSplitError::Senseless { line: at };
            match line.kind {
                SEGMENT => {
                    decoded(line.payload.unwrap_or_default(), segment)?;
                    return Ok(Some(Entry::Segment));
                }
                // Folders, links and files that are only marked as removed have a header and no more.
                FILE if line.size.unwrap_or(0) == 0 => {}
                FILE => {
                    let mut name = line.name.unwrap_or_default().into_bytes();
                    if let Some(raw) = line.name_raw.filter(|raw| !raw.is_empty()) {
                        decoded(raw, &mut name)?;
                    }
                    let size = line.size.and_then(|size| u64::try_from(size).ok());
                    return Ok(Some(Entry::File(FileEntry {
                        name,
                        size: size.ok_or_else(senseless)?,
                    })));
                }
                _ => return Err(senseless()),
            }
        }
        Ok(None)
    }

    fn next_line(&mut self) -> Result<bool, TarSplitError> {
        self.line.clear();
        self.count += 1;
        if self.count > LINES_MAX {
            return Err(TarSplitError::TooLong);
        }
        let mut limited = self.lines.by_ref().take(LINE_BYTES_MAX);
        limited.read_until(b'\n', &mut self.line).map_err(TarSplitError::Read)?;
        match self.line.len() as u64 == LINE_BYTES_MAX && !self.line.ends_with(b"\n") {
            true => Err(TarSplitError::LineTooLong { line: self.count }),
            false => Ok(!self.line.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests;
