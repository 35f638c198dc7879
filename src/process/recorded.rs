//! A runner that starts nothing: it gives the answers it was given, and keeps what was asked.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;

/// What a program is to answer: its stdout, or what it says when it fails.
pub type Answer = Result<Vec<u8>, String>;

/// The answers to come, and the command lines that came.
#[derive(Debug, Default)]
pub struct Recorded {
    answers: Mutex<VecDeque<Answer>>,
    lines: Mutex<Vec<String>>,
}

impl Recorded {
    /// A runner with these answers, in this order; without one left, no program is found.
    pub fn new<const N: usize>(answers: [Answer; N]) -> Self {
        Self { answers: Mutex::new(answers.into()), lines: Mutex::default() }
    }

    /// The command lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

/// The answer of a program that did well.
struct Said(io::Cursor<Vec<u8>>);

impl Read for Said {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Export for Said {
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Runner for Recorded {
    fn answer(&self, program: &Program) -> Result<Vec<u8>, RunError> {
        self.lines.lock().unwrap().push(program.to_string());
        match self.answers.lock().unwrap().pop_front() {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(words)) => Err(RunError::Failed { program: program.to_string(), words }),
            None => Err(program.cannot_run(io::ErrorKind::NotFound.into())),
        }
    }

    fn stream(&self, program: &Program) -> Result<Output, RunError> {
        let answer = self.answer(program)?;
        Ok(Output(Box::new(Said(io::Cursor::new(answer)))))
    }

    fn feed(
        &self,
        program: &Program,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), RunError> {
        write(&mut io::sink()).map_err(|source| program.cannot_run(source))?;
        self.answer(program).map(drop)
    }

    fn converse(&self, program: &Program, _: &[u8]) -> Result<(bool, Vec<u8>), RunError> {
        match self.answer(program) {
            Err(RunError::Failed { words, .. }) => Ok((false, words.into_bytes())),
            answered => answered.map(|answer| (true, answer)),
        }
    }

    fn replace(&self, program: &Program) -> RunError {
        self.answer(program).map_or_else(
            |error| error,
            |_| RunError::Failed { program: program.to_string(), words: "replaced".into() },
        )
    }
}
