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
        _ = writeln!(io::stderr().lock(), "{}", harmless(&words.to_string()));
    }
}

/// A text as a terminal may have it. Parts of it may be names of files, come from a registry, or be the
/// log of a program: what a terminal would take for a command is shown as what it is.
pub fn harmless(text: &str) -> String {
    let is_command = |it: char| it.is_control() && !matches!(it, '\n' | '\t') || is_turning(it);
    let shown = |it: char| if is_command(it) { it.escape_unicode().to_string() } else { it.into() };
    text.chars().map(shown).collect()
}

/// Whether a character changes the direction in which others are shown.
fn is_turning(it: char) -> bool {
    matches!(it, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_commands_no_terminal() {
        let said = "a\u{1b}]0;title\u{7}\r\tb\u{202e}c\näöü";
        assert_eq!(harmless(said), "a\\u{1b}]0;title\\u{7}\\u{d}\tb\\u{202e}c\näöü");
    }
}
