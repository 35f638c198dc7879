//! The only hand that the setup changes anything with: it looks freely, and changes by starting
//! programs and writing files, each of which is shown with `-v`, and only shown with `--dry-run`.
//!
//! Answers are remembered until something changes, so that steps ask as if asking cost nothing.

mod file;

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fmt::{self, Display};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;

use crate::process::{ANSWER_MAX, Program, RunError, Runner};
use crate::report::Report;
use file::{put, unfinished};
pub use file::{read, read_text};

/// How long a change may take: a container that is stopped has ten seconds, a volume with many files takes
/// its time, and one that takes longer hangs.
const CHANGE_MAX: Duration = Duration::from_secs(600);

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
    /// Who did not answer in time.
    silent: Mutex<HashSet<Asked>>,
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
            silent: Mutex::default(),
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
    /// It cannot be started, or failed, or does not answer in a minute.
    pub fn ask(&self, program: &Program) -> Result<Vec<u8>, RunError> {
        if let Some(answer) = self.answers().get(program) {
            return Ok(answer.clone());
        }
        let answer = self.ask_anew(program)?;
        self.answers().insert(program.clone(), answer.clone());
        Ok(answer)
    }

    /// The answer of a program as of now, for what changes by itself.
    ///
    /// # Errors
    /// It cannot be started, or failed, or does not answer in a minute.
    pub fn ask_anew(&self, program: &Program) -> Result<Vec<u8>, RunError> {
        self.ask_within(program, ANSWER_MAX)
    }

    /// The same with another limit than a minute. Whoever did not answer in time is not asked again until
    /// something changed: there are many questions, and each would take as long.
    ///
    /// # Errors
    /// It cannot be started, or failed, or does not answer within `limit`.
    pub fn ask_within(&self, program: &Program, limit: Duration) -> Result<Vec<u8>, RunError> {
        let asked = Asked::of(program);
        if self.silent().contains(&asked) {
            return Err(RunError::Late { program: program.to_string(), limit });
        }
        let answer = self.runner.answer_within(program, limit);
        if let Err(RunError::Late { .. }) = answer {
            self.silent().insert(asked);
        }
        answer
    }

    /// Runs a program that changes something; empty where it is only shown.
    ///
    /// # Errors
    /// It cannot be started, or failed.
    pub fn act(&self, program: &Program) -> Result<Vec<u8>, RunError> {
        let change = || self.runner.answer_within(program, CHANGE_MAX);
        let changed = self.changing(program.line(), Vec::new(), change);
        self.hope(program);
        changed
    }

    /// The same for long work, whose words the person sees as they come.
    ///
    /// # Errors
    /// It cannot be started, or failed.
    pub fn show(&self, program: &Program) -> Result<(), RunError> {
        let changed = self.changing(program.line(), (), || self.runner.show(program));
        self.hope(program);
        changed
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
        self.changing(shown_file(path, text, mode), (), || put(path, text, mode)).map_err(failed)
    }

    /// The same for wharf's own books, which are no part of the setup and never shown.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_aside(&self, path: &Path, text: &str) -> Result<(), FileError> {
        let failed = |source| FileError { verb: "write", path: path.to_owned(), source };
        put(path, text, 0o600).map_err(failed)
    }

    /// Removes a file of this machine, with what a killed run left beside it; one that is gone is no error.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self, path: &Path) -> Result<(), FileError> {
        let failed = |source| FileError { verb: "remove", path: path.to_owned(), source };
        for path in [path, &unfinished(path)].into_iter().filter(|path| path.exists()) {
            let line = Program::new("rm", [path]).line();
            self.changing(line, (), || fs::remove_file(path)).map_err(failed)?;
        }
        Ok(())
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
        _ = self.report.data(&Planned { command: line });
    }

    #[cfg(test)]
    fn print(&self, line: String) {
        self.shown
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Planned { command: line }.to_string());
    }

    /// What changed something may have mended who did not answer; but not what was done in a container.
    fn hope(&self, program: &Program) {
        if Asked::of(program).container.is_none() {
            self.silent().clear();
        }
    }

    fn silent(&self) -> MutexGuard<'_, HashSet<Asked>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<Program, Vec<u8>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is asked: a program, or by it a container. One that hangs keeps no other from answering.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Asked {
    program: OsString,
    container: Option<OsString>,
}

impl Asked {
    fn of(program: &Program) -> Self {
        let mut words = program.arguments.iter();
        let is_exec = words.next().is_some_and(|word| word == "exec");
        let mut words = words.filter(|word| !word.to_string_lossy().starts_with('-'));
        Self {
            program: program.name.clone(),
            container: if is_exec { words.next().cloned() } else { None },
        }
    }
}

/// A change that is only shown: with `--json` each is a line of it.
#[derive(Debug, serde::Serialize)]
struct Planned {
    command: String,
}

impl Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.command)
    }
}

/// The most that is shown of an input, in bytes.
const INPUT_SHOWN_MAX: usize = 4 << 10;

/// The shell's words for a file that is written with its folders; of a secret, and of a large file, that it
/// is written.
fn shown_file(path: &Path, text: &str, mode: u32) -> String {
    let input = shown_input(text.as_bytes());
    if mode & 0o077 == 0 || input.is_empty() {
        return format!("# writes {}", path.display());
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mkdir = Program::new("mkdir", [Path::new("-p"), folder]);
    format!("{} && {}{input}", mkdir.line(), Program::new("tee", [path]).line())
}

/// An input as a shell's here-document; nothing of a large one.
fn shown_input(input: &[u8]) -> String {
    match str::from_utf8(input) {
        Ok(text) if !text.is_empty() && text.len() <= INPUT_SHOWN_MAX => {
            format!(" <<'END'\n{}\nEND", text.trim_end_matches('\n'))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::recorded::Recorded;

    fn asks(hand: &Hand, words: &[&str]) -> Result<Vec<u8>, RunError> {
        hand.ask(&Program::new("podman", words))
    }

    #[test]
    fn a_file_is_shown_as_a_shell_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some where/50-it's.conf");
        let text = "[[registry]]\nlocation = \"localhost:5000\"\n";
        let line = shown_file(&path, text, 0o644);
        let done = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
        assert!(done.status.success(), "{line}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(shown_file(Path::new("/a/secret"), text, 0o600), "# writes /a/secret");
    }

    #[test]
    fn who_did_not_answer_is_asked_again_when_something_changed() {
        let late = Recorded::transcript([
            ("podman exec stuck", Err(Recorded::LATE.to_owned())),
            ("podman", Ok(b"well".to_vec())),
        ]);
        let recorded = Arc::new(late);
        let hand = Hand::new(Arc::clone(&recorded) as _, Manner::Quiet, Report::new(false));
        for words in [["exec", "stuck", "a"], ["exec", "stuck", "b"]] {
            let error = asks(&hand, &words).unwrap_err().to_string();
            assert!(error.ends_with("did not answer within 60 s"), "{error}");
        }
        assert_eq!(recorded.lines(), ["podman exec stuck a"]);
        asks(&hand, &["exec", "-i", "other", "a"]).unwrap();
        asks(&hand, &["ps"]).unwrap();
        hand.act(&Program::new("podman", ["exec", "other", "rm"])).unwrap();
        asks(&hand, &["exec", "stuck", "c"]).unwrap_err();
        assert!(!recorded.lines().contains(&"podman exec stuck c".to_owned()));
        hand.act(&Program::new("podman", ["restart", "stuck"])).unwrap();
        asks(&hand, &["exec", "stuck", "c"]).unwrap_err();
        assert!(recorded.lines().contains(&"podman exec stuck c".to_owned()));
    }
}
