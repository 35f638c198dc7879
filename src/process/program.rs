//! A program to start, as a value that can be shown before it is started, and why one did not do its
//! work.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use thiserror::Error;

/// A program, its arguments, and what its environment has besides ours.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Program {
    /// Its name, looked for on the PATH, or its path.
    pub name: OsString,
    /// What stands after the name.
    pub arguments: Vec<OsString>,
    /// Variables that it is given.
    pub environment: Vec<(OsString, OsString)>,
}

impl Program {
    /// A program and its arguments.
    pub fn new<A: Into<OsString>>(
        name: impl Into<OsString>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            name: name.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
        }
    }

    /// The same with a variable set.
    pub fn with(mut self, variable: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((variable.into(), value.into()));
        self
    }

    /// The command line as it can be pasted into a shell.
    pub fn line(&self) -> String {
        let variables = self
            .environment
            .iter()
            .map(|(name, value)| format!("{}={}", name.to_string_lossy(), quoted(value)));
        let words = std::iter::once(&self.name).chain(&self.arguments).map(|word| quoted(word));
        variables.chain(words).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.name);
        command.args(&self.arguments).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(super) fn cannot_run(&self, source: io::Error) -> RunError {
        let program = self.name.to_string_lossy().into_owned();
        match source.kind() {
            io::ErrorKind::NotFound => RunError::Missing { program },
            _ => RunError::Run { program, source },
        }
    }
}

/// A word as a shell takes it.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    // It fails for a zero byte only, which no argument can hold.
    shlex::try_quote(&word).map_or_else(|_| word.to_string(), std::borrow::Cow::into_owned)
}

impl fmt::Display for Program {
    /// As one would type it, for people; not quoted for a shell, and of a script the first line alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.to_string_lossy().fmt(f)?;
        self.arguments.iter().try_for_each(|word| match word.to_string_lossy().split_once('\n') {
            Some((first, _)) => write!(f, " {first} …"),
            None => write!(f, " {}", word.to_string_lossy()),
        })
    }
}

/// Why a program did not do what it was started for.
#[derive(Debug, Error)]
pub enum RunError {
    /// It is not there.
    #[error("the program {program} is not on the PATH")]
    Missing {
        /// Its name.
        program: String,
    },
    /// It cannot be started, or talked to.
    #[error("cannot run {program}")]
    Run {
        /// Its name.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It did not end in the time that it had, and was ended.
    #[error("`{program}` did not answer within {} s", limit.as_secs())]
    Late {
        /// The whole command line.
        program: String,
        /// How long it had.
        limit: Duration,
    },
    /// It ended with another code than 0.
    #[error("`{program}` failed: {words}")]
    Failed {
        /// The whole command line.
        program: String,
        /// What it said on stderr, or else how it ended.
        words: String,
    },
}

impl RunError {
    /// What the program itself has to say of its failure, or that it says nothing.
    ///
    /// # Errors
    /// It is not the program's failure: it was never started.
    pub fn said(self) -> Result<String, Self> {
        match self {
            Self::Failed { words, .. } => Ok(words),
            Self::Late { .. } => Ok(self.to_string()),
            Self::Missing { .. } | Self::Run { .. } => Err(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_be_pasted() {
        let program = Program::new("podman", ["exec", "node", "sh", "-c", "echo 'a b' > $c"])
            .with("KIND_EXPERIMENTAL_PROVIDER", "podman");
        assert_eq!(
            program.line(),
            r#"KIND_EXPERIMENTAL_PROVIDER=podman podman exec node sh -c "echo 'a b' > "'$c'"#
        );
    }
    #[test]
    fn of_a_script_people_are_told_the_first_line() {
        let program = Program::new("podman", ["exec", "sh", "-c", "cd /etc\nmkdir a", "b"]);
        assert_eq!(program.to_string(), "podman exec sh -c cd /etc … b");
    }
}
