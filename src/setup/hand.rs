//! The only hand that the setup changes anything with: it looks freely, and changes by starting
//! programs and writing files, each of which is shown with `-v`, and only shown with `--dry-run`.
//!
//! Answers are remembered until something changes, so that steps ask as if asking cost nothing.

use std::collections::HashMap;
use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;

use crate::process::{Program, RunError, Runner};
use crate::report::Report;

/// A file of this machine that the setup cannot write or remove.
#[derive(Debug, Error)]
#[error("cannot {verb} {}", path.display())]
pub struct FileError {
    verb: &'static str,
    path: std::path::PathBuf,
    #[source]
    source: io::Error,
}

/// How a hand works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Does what it is told.
    Quiet,
    /// The same, and shows every change on stderr first.
    Verbose,
    /// Shows every change on stdout, and makes none.
    Dry,
}

/// Looks and changes. Can be shared by threads.
#[derive(Debug)]
pub struct Hand {
    runner: Arc<dyn Runner>,
    manner: Manner,
    report: Report,
    answers: Mutex<HashMap<Program, Vec<u8>>>,
    /// What was only shown, for tests that compare it.
    #[cfg(test)]
    pub shown: Mutex<Vec<String>>,
}

impl Hand {
    /// A hand that starts programs by `runner`.
    pub fn new(runner: Arc<dyn Runner>, manner: Manner, report: Report) -> Self {
        Self {
            runner,
            manner,
            report,
            answers: Mutex::default(),
            #[cfg(test)]
            shown: Mutex::default(),
        }
    }

    /// Whether nothing is really changed.
    pub fn is_dry(&self) -> bool {
        self.manner == Manner::Dry
    }

    /// What starts the programs, for work that is no change of the setup.
    pub fn runner(&self) -> &Arc<dyn Runner> {
        &self.runner
    }

    /// The answer of a program that changes nothing; the same as before unless something changed
    /// since. A failure is not remembered.
    ///
    /// # Errors
    /// It cannot be started, or failed.
    pub fn ask(&self, program: &Program) -> Result<Vec<u8>, RunError> {
        if let Some(answer) = self.answers().get(program) {
            return Ok(answer.clone());
        }
        let answer = self.runner.answer(program)?;
        self.answers().insert(program.clone(), answer.clone());
        Ok(answer)
    }

    /// The answer of a program as of now, for what changes by itself.
    ///
    /// # Errors
    /// It cannot be started, or failed.
    pub fn ask_anew(&self, program: &Program) -> Result<Vec<u8>, RunError> {
        self.runner.answer(program)
    }

    /// Runs a program that changes something; empty where it is only shown.
    ///
    /// # Errors
    /// It cannot be started, or failed.
    pub fn act(&self, program: &Program) -> Result<Vec<u8>, RunError> {
        self.changing(program.line(), Vec::new(), || self.runner.answer(program))
    }

    /// The same for long work, whose words the person sees as they come.
    ///
    /// # Errors
    /// It cannot be started, or failed.
    pub fn show(&self, program: &Program) -> Result<(), RunError> {
        self.changing(program.line(), (), || self.runner.show(program))
    }

    /// The same for long work that reads `input`. What it says when it fails is in the error, too.
    ///
    /// # Errors
    /// It cannot be started, or failed.
    pub fn show_fed(&self, program: &Program, input: &[u8]) -> Result<(), RunError> {
        self.show_fed_as(program, &shown_input(input), input)
    }

    /// The same, and what to show in the place of the input.
    ///
    /// # Errors
    /// It cannot be started, or failed.
    pub fn show_fed_as(
        &self,
        program: &Program,
        shown: &str,
        input: &[u8],
    ) -> Result<(), RunError> {
        let line = format!("{}{shown}", program.line());
        self.changing(line, (), || self.runner.show_fed(program, input))
    }

    /// Runs a program that changes something and reads `input`. Shown with the input if that is a text
    /// of a few lines.
    ///
    /// # Errors
    /// It cannot be started, or failed.
    pub fn feed(&self, program: &Program, input: &[u8]) -> Result<(), RunError> {
        self.stream(program, &shown_input(input), &mut |stdin| stdin.write_all(input))
    }

    /// The same with an input that is written while the program runs, and what to show in its place.
    ///
    /// # Errors
    /// It cannot be started, or failed.
    pub fn stream(
        &self,
        program: &Program,
        shown: &str,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), RunError> {
        self.changing(format!("{}{shown}", program.line()), (), || self.runner.feed(program, write))
    }

    /// Writes a file of this machine, with its folders, in one step, and with `mode`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path, text: &str, mode: u32) -> Result<(), FileError> {
        let failed = |source| FileError { verb: "write", path: path.to_owned(), source };
        let line = format!(
            "# writes {}{}",
            path.display(),
            match mode & 0o077 {
                0 => String::new(), // a secret
                _ => shown_input(text.as_bytes()),
            }
        );
        self.changing(line, (), || put(path, text, mode)).map_err(failed)
    }

    /// The same for wharf's own books, which are no part of the setup and never shown.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_aside(&self, path: &Path, text: &str) -> Result<(), FileError> {
        let failed = |source| FileError { verb: "write", path: path.to_owned(), source };
        put(path, text, 0o600).map_err(failed)
    }

    /// Removes a file of this machine; one that is gone is no error.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self, path: &Path) -> Result<(), FileError> {
        let failed = |source| FileError { verb: "remove", path: path.to_owned(), source };
        if !path.exists() {
            return Ok(());
        }
        let line = Program::new("rm", [path]).line();
        self.changing(line, (), || fs::remove_file(path)).map_err(failed)
    }

    /// Tells the person what was done, or found.
    pub fn say(&self, words: impl Display) {
        self.report.say(words);
    }

    /// Forgets what was learnt, as something changed that this hand did not.
    pub fn forget(&self) {
        self.answers().clear();
    }

    fn changing<T, E>(
        &self,
        line: String,
        untouched: T,
        change: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        match self.manner {
            Manner::Quiet => {}
            Manner::Verbose => self.report.say(format_args!("+ {line}")),
            Manner::Dry => {
                self.print(line);
                return Ok(untouched);
            }
        }
        let changed = change();
        self.forget();
        changed
    }

    #[cfg(not(test))]
    fn print(&self, line: String) {
        // A reader that has gone does not want the rest.
        _ = self.report.bytes(format!("{line}\n").as_bytes());
    }

    #[cfg(test)]
    fn print(&self, line: String) {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, HashMap<Program, Vec<u8>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a file in one step: a reader finds all of it, or what was there before.
fn put(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    fs::set_permissions(file.path(), fs::Permissions::from_mode(mode))?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The most that is shown of an input, in bytes.
const INPUT_SHOWN_MAX: usize = 4 << 10;

/// An input as a shell's here-document; nothing of a large one.
fn shown_input(input: &[u8]) -> String {
    match str::from_utf8(input) {
        Ok(text) if !text.is_empty() && text.len() <= INPUT_SHOWN_MAX => {
            format!(" <<'END'\n{}\nEND", text.trim_end_matches('\n'))
        }
        _ => String::new(),
    }
}
