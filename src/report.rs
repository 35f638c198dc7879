//! What a person or a script gets to see of a subcommand: data on stdout, words on stderr, data as
//! JSON when `--json` asks for it.
//!
//! The running registry does not report: it logs (see [`crate::log`]).

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

/// Where a subcommand's results go. Cheap to make; made once per run.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    json: bool,
}

impl Report {
    /// A report as text, or as JSON.
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether `--json` was given.
    pub const fn json(&self) -> bool {
        self.json
    }

    /// Writes one result: its `Display` form, or with `--json` one line of JSON.
    pub fn data(&self, result: &(impl Display + Serialize)) -> io::Result<()> {
        let mut text = if self.json {
            serde_json::to_string(result).map_err(io::Error::other)?
        } else {
            result.to_string()
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        self.bytes(text.as_bytes())
    }

    /// Writes bytes to stdout as they are. A reader that has gone (`wharf ls | head`) is no error.
    pub fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(gone) if gone.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }

    /// Tells the person at the terminal something that is not a result. Silent when stderr is
    /// closed: there is nobody to tell.
    pub fn say(&self, words: impl Display) {
        _ = writeln!(io::stderr().lock(), "{words}");
    }
}
