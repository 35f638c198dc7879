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
    transcript: Vec<(String, Answer)>,
    lines: Mutex<Vec<String>>,
    inputs: Mutex<Vec<Vec<u8>>>,
}

impl Recorded {
    /// The words of a failure by which a program does not answer at all.
    pub const LATE: &str = "(no answer)";
    /// The words of a failure by which a program is not there.
    pub const ABSENT: &str = "(no such program)";

    /// A runner with these answers, in this order; without one left, no program is found.
    pub fn new<const N: usize>(answers: [Answer; N]) -> Self {
        Self { answers: Mutex::new(answers.into()), ..Self::default() }
    }

    /// A runner that answers each command line as it was answered once, as often as it is asked: by
    /// the first entry with which the line begins. Any other program fails, with its line.
    pub fn transcript<L: Into<String>>(entries: impl IntoIterator<Item = (L, Answer)>) -> Self {
        let transcript = entries.into_iter().map(|(line, answer)| (line.into(), answer)).collect();
        Self { transcript, ..Self::default() }
    }

    /// The inputs that programs were fed so far.
    pub fn inputs(&self) -> Vec<Vec<u8>> {
        self.inputs.lock().unwrap().clone()
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
    fn answer_within(&self, program: &Program, limit: Duration) -> Result<Vec<u8>, RunError> {
        let line = program.to_string();
        self.lines.lock().unwrap().push(line.clone());
        if !self.transcript.is_empty() {
            let known = self.transcript.iter().find(|(beginning, _)| line.starts_with(beginning));
            let answer = known
                .map_or_else(|| Err(format!("not in the transcript: {line}")), |it| it.1.clone());
            return answer.map_err(|words| match words.as_str() {
                Self::LATE => RunError::Late { program: line, limit },
                Self::ABSENT => program.cannot_run(io::ErrorKind::NotFound.into()),
                _ => RunError::Failed { program: line, words },
            });
        }
        match self.answers.lock().unwrap().pop_front() {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(words)) => Err(RunError::Failed { program: program.to_string(), words }),
            None => Err(program.cannot_run(io::ErrorKind::NotFound.into())),
        }
    }

    fn words(&self, program: &Program) -> Result<String, RunError> {
        self.answer(program).map(|answer| String::from_utf8_lossy(&answer).into_owned())
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
        let mut input = Vec::new();
        write(&mut input).map_err(|source| program.cannot_run(source))?;
        self.inputs.lock().unwrap().push(input);
        self.answer(program).map(drop)
    }

    fn converse(&self, program: &Program, _: &[u8]) -> Result<(bool, Vec<u8>), RunError> {
        match self.answer(program) {
            Err(RunError::Failed { words, .. }) => Ok((false, words.into_bytes())),
            answered => answered.map(|answer| (true, answer)),
        }
    }

    fn show(&self, program: &Program) -> Result<(), RunError> {
        self.answer(program).map(drop)
    }

    fn show_fed(&self, program: &Program, input: &[u8]) -> Result<(), RunError> {
        self.inputs.lock().unwrap().push(input.to_vec());
        self.answer(program).map(drop)
    }

    fn replace(&self, program: &Program) -> RunError {
        self.answer(program).map_or_else(
            |error| error,
            |_| RunError::Failed { program: program.to_string(), words: "replaced".into() },
        )
    }
}
