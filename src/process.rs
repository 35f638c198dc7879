//! Starting other programs: the one place that does it, so that what would be started can be looked
//! at without starting anything. Nothing goes through a shell.

mod machine;
mod program;
#[cfg(test)]
pub mod recorded;

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read, Write};
use std::time::Duration;

use wharf_pusher::source::saved::Export;

pub use machine::Machine;
pub use program::{Program, RunError};

/// How long a program may take for an answer if nothing else is said. Engines take seconds at worst, and
/// one that hangs would have us hang for ever.
pub const ANSWER_MAX: Duration = Duration::from_secs(60);

/// What a program writes to stdout, while it runs.
pub struct Output(Box<dyn Export>);

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Output")
    }
}

impl Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Export for Output {
    fn finish(&mut self) -> io::Result<()> {
        self.0.finish()
    }
}

/// Starts programs.
pub trait Runner: fmt::Debug + Send + Sync {
    /// Runs a program to its end, and gives what it wrote to stdout. It has a minute.
    ///
    /// # Errors
    /// It cannot be started, or failed, or does not end.
    fn answer(&self, program: &Program) -> Result<Vec<u8>, RunError> {
        self.answer_within(program, ANSWER_MAX)
    }

    /// The same with another limit than a minute.
    ///
    /// # Errors
    /// It cannot be started, or failed, or does not end.
    fn answer_within(&self, program: &Program, limit: Duration) -> Result<Vec<u8>, RunError>;

    /// Runs a program to its end, and gives what it wrote to stdout and to stderr, as it came. It has a
    /// minute.
    ///
    /// # Errors
    /// It cannot be started, or failed, or does not end.
    fn words(&self, program: &Program) -> Result<String, RunError>;

    /// Starts a program and gives its stdout while it runs. How it ended is told by `finish`, with
    /// a [`RunError`] inside; dropped before that, the program is ended.
    ///
    /// # Errors
    /// It cannot be started.
    fn stream(&self, program: &Program) -> Result<Output, RunError>;

    /// Runs a program to its end with an input written while it runs.
    ///
    /// # Errors
    /// It cannot be started, or failed, or the input could not be written.
    fn feed(
        &self,
        program: &Program,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), RunError>;

    /// Gives a program a short input, and what it answers on stdout, whichever way it ends, with
    /// whether it ended well. It has a minute.
    ///
    /// # Errors
    /// It cannot be started, or does not end.
    fn converse(&self, program: &Program, input: &[u8]) -> Result<(bool, Vec<u8>), RunError>;

    /// Runs a program to its end and lets the person see what it says: its output and its words both
    /// go to our stderr, as they come.
    ///
    /// # Errors
    /// It cannot be started, or failed.
    fn show(&self, program: &Program) -> Result<(), RunError>;

    /// The same with an input. What the program says when it fails is in the error, too.
    ///
    /// # Errors
    /// It cannot be started, or failed.
    fn show_fed(&self, program: &Program, input: &[u8]) -> Result<(), RunError>;

    /// Goes on as another program, which has this one's input and output. Does not return where
    /// that works.
    fn replace(&self, program: &Program) -> RunError;
}

/// Whether a program of that name can be found, without starting it.
pub fn is_on_path(name: &OsStr, path: Option<&OsStr>) -> bool {
    let Some(path) = path else { return false };
    std::env::split_paths(path).any(|folder| folder.join(name).is_file())
}
