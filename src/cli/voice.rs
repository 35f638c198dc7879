//! How much a push or a load says on stderr: the words that everybody gets, those of `-v`, and none with `-q`.

use std::fmt::Display;

use crate::report::Report;

/// What is said beside a result.
#[derive(Debug, Clone, Copy)]
pub struct Voice {
    /// Where it goes.
    pub report: Report,
    /// `--quiet`: nothing.
    pub quiet: bool,
    /// `--verbose`: why things are done as they are.
    pub verbose: bool,
}

impl Voice {
    /// Something that everybody should read.
    pub fn say(&self, words: impl Display) {
        if !self.quiet && !self.report.json() {
            self.report.say(words);
        }
    }

    /// Something that may be wrong, though it can be done.
    pub fn warn(&self, words: impl Display) {
        if !self.quiet {
            self.report.say(format_args!("warning: {words}"));
        }
    }

    /// Something for those who want to know why.
    pub fn explain(&self, words: impl Display) {
        if self.verbose {
            self.report.say(words);
        }
    }
}
