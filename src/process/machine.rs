//! The programs of this machine, really started. Refuses to say which: that is the caller's, by the trait.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use wharf_pusher::source::saved::Export;

use super::{ANSWER_MAX, Output, Program, RunError, Runner};

/// The most that is kept of what a program says on stderr, in bytes.
const WORDS_BYTES_MAX: u64 = 64 << 10;
/// How long a short conversation may take: a person may have to unlock a keychain in it.
const CONVERSATION_MAX: Duration = Duration::from_secs(60);
/// How often it is looked whether a program that has closed its stdout has ended, too.
const END_POLL: Duration = Duration::from_millis(2);
/// The most that a program may answer on stdout where an answer is all that is wanted, in bytes.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// The machine's own programs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Machine;

impl Runner for Machine {
    fn answer_within(&self, program: &Program, limit: Duration) -> Result<Vec<u8>, RunError> {
        let until = Instant::now() + limit;
        let late = || RunError::Late { program: program.to_string(), limit };
        let mut command = program.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = Running::start(program, command)?;
        let out = running.out.take();
        let answered = in_passing(move || out.map_or(Ok(Vec::new()), read_answer));
        let answer = answered.recv_timeout(limit).map_err(|_| late())?;
        // One that has more to say than is wanted would be told to have been ended by a signal.
        let answer = answer.map_err(|source| program.cannot_run(source))?;
        running.await_end(until)?.ok_or_else(late)?;
        running.finish().map_err(|error| within(program, error))?;
        Ok(answer)
    }

    fn words(&self, program: &Program) -> Result<String, RunError> {
        let cannot = |source| program.cannot_run(source);
        let (out, writer) = io::pipe().map_err(cannot)?;
        let mut command = program.command();
        command.stdout(writer.try_clone().map_err(cannot)?).stderr(writer);
        let until = Instant::now() + ANSWER_MAX;
        let late = || RunError::Late { program: program.to_string(), limit: ANSWER_MAX };
        // Its ends of the pipe go with the command, and reading would wait for them.
        let mut running = Running::start(program, command)?;
        let said = in_passing(move || read_answer(out));
        let said = said.recv_timeout(ANSWER_MAX).map_err(|_| late())?;
        let status = running.await_end(until)?.ok_or_else(late)?;
        let words = String::from_utf8_lossy(&said.map_err(cannot)?).trim().to_owned();
        match status.success() {
            true => Ok(words),
            false => Err(RunError::Failed { program: program.to_string(), words }),
        }
    }

    fn stream(&self, program: &Program) -> Result<Output, RunError> {
        let mut command = program.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let running = Running::start(program, command)?;
        Ok(Output(Box::new(running)))
    }

    fn feed(
        &self,
        program: &Program,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), RunError> {
        let mut command = program.command();
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut running = Running::start(program, command)?;
        let stdin = running.child.stdin.take();
        let fed = stdin.map_or(Ok(()), |mut stdin| write(&mut stdin));
        // How the program ended tells more than a broken pipe, so that is looked at first.
        running.finish().map_err(|error| within(program, error))?;
        fed.map_err(|source| program.cannot_run(source))
    }

    fn converse(&self, program: &Program, input: &[u8]) -> Result<(bool, Vec<u8>), RunError> {
        converse_within(CONVERSATION_MAX, program, input)
    }

    fn show(&self, program: &Program) -> Result<(), RunError> {
        let mut command = program.command();
        let stderr = io::stderr().as_fd().try_clone_to_owned();
        command.stdout(stderr.map_err(|source| program.cannot_run(source))?);
        let status = command.status().map_err(|source| program.cannot_run(source))?;
        if status.success() {
            return Ok(());
        }
        Err(RunError::Failed { program: program.to_string(), words: status.to_string() })
    }

    fn show_fed(&self, program: &Program, input: &[u8]) -> Result<(), RunError> {
        let cannot = |source| program.cannot_run(source);
        let (mut out, writer) = io::pipe().map_err(cannot)?;
        let mut command = program.command();
        command.stdin(Stdio::piped()).stdout(writer.try_clone().map_err(cannot)?).stderr(writer);
        let mut child = command.spawn().map_err(cannot)?;
        // It holds the end that is written to, and reading would wait for that.
        drop(command);
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not want it says why.
            _ = stdin.write_all(input);
        }
        let (mut words, mut piece) = (Vec::new(), [0; 4 << 10]);
        while let length @ 1.. = out.read(&mut piece).map_err(cannot)? {
            // Nobody may be there to see it.
            _ = io::stderr().write_all(&piece[..length]);
            words.extend_from_slice(&piece[..length]);
            let excess = words.len().saturating_sub(WORDS_BYTES_MAX as usize);
            words.drain(..excess);
        }
        match child.wait().map_err(cannot)? {
            status if status.success() => Ok(()),
            _ => Err(RunError::Failed {
                program: program.to_string(),
                words: String::from_utf8_lossy(&words).trim().to_owned(),
            }),
        }
    }

    fn replace(&self, program: &Program) -> RunError {
        let mut command = program.command();
        command.stdin(Stdio::inherit());
        program.cannot_run(std::os::unix::process::CommandExt::exec(&mut command))
    }
}

/// As [`Runner::converse`], with another limit than a minute.
fn converse_within(
    max: Duration,
    program: &Program,
    input: &[u8],
) -> Result<(bool, Vec<u8>), RunError> {
    let begun = Instant::now();
    let mut command = program.command();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = Running::start(program, command)?;
    if let Some(mut stdin) = running.child.stdin.take() {
        // A program that does not want it says why.
        _ = stdin.write_all(input);
    }
    let out = running.out.take();
    let answered = in_passing(move || out.map_or(Ok(Vec::new()), read_answer));
    let late = || program.cannot_run(io::ErrorKind::TimedOut.into());
    let answer = answered.recv_timeout(max).map_err(|_| late())?;
    let status = running.await_end(begun + max)?.ok_or_else(late)?;
    Ok((status.success(), answer.map_err(|source| program.cannot_run(source))?))
}

/// Does something beside, for one that may not wait until it is done.
fn in_passing<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
    let (sender, done) = mpsc::channel();
    std::thread::spawn(move || {
        // Nobody may wait for it any more: it was late.
        _ = sender.send(work());
    });
    done
}

/// Reads what a program answers, until it has no more to say.
fn read_answer(out: impl Read) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    out.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut answer)?;
    match answer.len() as u64 > ANSWER_BYTES_MAX {
        true => {
            Err(io::Error::other(format!("it answers more than {} MiB", ANSWER_BYTES_MAX >> 20)))
        }
        false => Ok(answer),
    }
}

/// The error that [`Running`] put into one of reading, or else the error of reading.
fn within(program: &Program, error: io::Error) -> RunError {
    match error.downcast::<RunError>() {
        Ok(error) => error,
        Err(error) => program.cannot_run(error),
    }
}

/// A program that was started and not yet waited for.
#[derive(Debug)]
struct Running {
    line: String,
    child: Child,
    out: Option<ChildStdout>,
    words: Option<JoinHandle<String>>,
    is_over: bool,
}

impl Running {
    fn start(program: &Program, mut command: Command) -> Result<Self, RunError> {
        let mut child = command.spawn().map_err(|error| program.cannot_run(error))?;
        // Read beside, as a program that says much would wait for its reader otherwise.
        let words = child.stderr.take().map(|mut stderr| {
            std::thread::spawn(move || {
                let mut words = Vec::new();
                _ = stderr.by_ref().take(WORDS_BYTES_MAX).read_to_end(&mut words);
                _ = io::copy(&mut stderr, &mut io::sink());
                String::from_utf8_lossy(&words).trim().to_owned()
            })
        });
        let out = child.stdout.take();
        Ok(Self { line: program.to_string(), child, out, words, is_over: false })
    }

    /// Waits until it ends, at most until then: one that has nothing more to say may still not end.
    fn await_end(&mut self, until: Instant) -> Result<Option<ExitStatus>, RunError> {
        loop {
            let ended = self
                .child
                .try_wait()
                .map_err(|source| RunError::Run { program: self.line.clone(), source })?;
            self.is_over = ended.is_some();
            if ended.is_some() || Instant::now() >= until {
                return Ok(ended);
            }
            std::thread::sleep(END_POLL);
        }
    }
}

impl Read for Running {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.out.as_mut().map_or(Ok(0), |out| out.read(buffer))
    }
}

impl Export for Running {
    fn finish(&mut self) -> io::Result<()> {
        // A program that has more to say than is wanted is not waited for in vain.
        self.out = None;
        let status = self.child.wait()?;
        self.is_over = true;
        let words = self.words.take().and_then(|words| words.join().ok()).unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        let is_within = self.line.split(' ').nth(1) == Some("exec");
        let words = match words.is_empty() {
            true => status.to_string(),
            false => reason(&words, is_within),
        };
        Err(io::Error::other(RunError::Failed { program: self.line.clone(), words }))
    }
}

/// What a program says of its failure: engines warn of this and that before they come to it. What a
/// program in a container said comes before the engine's own words, and tells more than these.
fn reason(words: &str, is_within: bool) -> String {
    let begins = |line: &str| line.starts_with("Error");
    let Some(at) = words.lines().position(begins) else { return words.to_owned() };
    let is_log = |line: &str| line.contains("level=") || line.starts_with("WARN");
    let told = words.lines().enumerate();
    let told = told.filter(|(number, line)| *number >= at || is_within && !is_log(line));
    told.map(|(_, line)| line).collect::<Vec<_>>().join("\n")
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over {
            _ = self.child.kill();
            _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program::new("sh", ["-c", script])
    }

    #[test]
    fn an_answer_is_what_a_program_writes() {
        assert_eq!(Machine.answer(&shell("echo one; echo two >&2")).unwrap(), b"one\n");
    }

    #[test]
    fn words_are_those_of_both_outputs() {
        let program = shell("echo one; echo two >&2; echo three");
        assert_eq!(Machine.words(&program).unwrap(), "one\ntwo\nthree");
        let error = Machine.words(&shell("echo the reason; exit 3")).unwrap_err().to_string();
        assert!(error.contains("the reason"), "{error}");
    }

    #[test]
    fn a_program_that_fails_says_so_when_it_has_ended() {
        let program = shell("echo half; echo the reason >&2; exit 3");
        let (mut read, mut running) = (String::new(), Machine.stream(&program).unwrap());
        running.read_to_string(&mut read).unwrap();
        let error = running.finish().unwrap_err();
        assert_eq!(read, "half\n");
        assert!(error.to_string().contains("the reason"), "{error}");
        assert!(matches!(Machine.answer(&program), Err(RunError::Failed { .. })));
        let silent = Machine.answer(&shell("exit 3")).unwrap_err().to_string();
        assert!(silent.contains("exit status: 3"), "{silent}");
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        for script in ["exec sleep 1000", "exec sleep 1000 >&-"] {
            let ended = converse_within(Duration::from_millis(50), &shell(script), b"");
            let Err(RunError::Run { source, .. }) = ended else { panic!("{script}: {ended:?}") };
            assert_eq!(source.kind(), io::ErrorKind::TimedOut, "{script}");
        }
    }

    #[test]
    fn an_answer_that_does_not_come_is_not_waited_for() {
        let limit = Duration::from_millis(50);
        // One that says nothing, one that says nothing more, and one whose child has its output.
        for script in ["exec sleep 1000", "echo half; exec sleep 1000 >&-", "sleep 5; true"] {
            let error = Machine.answer_within(&shell(script), limit).unwrap_err();
            let RunError::Late { program, .. } = &error else { panic!("{script}: {error}") };
            assert!(program.contains(script), "{error}");
        }
    }

    #[test]
    fn of_many_words_the_reason_is_told() {
        let said = "level=warning msg=\"no Error\"\nError: no such image\nand more";
        assert_eq!(reason(said, false), "Error: no such image\nand more");
        assert_eq!(reason("no space left", false), "no space left");
        let within =
            "level=warning msg=\"old\"\ncat: write error: No space left on device\nError: exit 1";
        let told = "cat: write error: No space left on device\nError: exit 1";
        assert_eq!(reason(within, true), told);
    }

    #[test]
    fn what_a_program_says_in_excess_does_not_stop_it() {
        let program = shell("head -c 1000000 /dev/zero >&2; echo done");
        assert_eq!(Machine.answer(&program).unwrap(), b"done\n");
    }

    #[test]
    fn an_answer_without_an_end_is_refused() {
        let error = Machine.answer(&shell("exec yes")).unwrap_err();
        assert!(
            matches!(&error, RunError::Run { source, .. } if source.to_string().contains("4 MiB"))
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = Machine.answer(&Program::new("no-such-program", [""; 0])).unwrap_err();
        assert!(matches!(&error, RunError::Missing { program } if program == "no-such-program"));
    }

    #[test]
    fn a_program_takes_its_input() {
        let mut write = |out: &mut dyn Write| out.write_all(b"input");
        Machine.feed(&shell("test $(cat) = input"), &mut write).unwrap();
        assert!(matches!(
            Machine.feed(&shell("cat; echo bad >&2; exit 1"), &mut write),
            Err(RunError::Failed { words, .. }) if words == "bad"
        ));
    }

    #[test]
    fn a_program_that_is_shown_takes_its_input_and_its_last_words_are_kept() {
        Machine.show_fed(&shell("test $(cat) = input"), b"input").unwrap();
        let failed = Machine.show_fed(&shell("echo half; echo why >&2; exit 1"), b"");
        assert!(matches!(failed, Err(RunError::Failed { words, .. }) if words == "half\nwhy"));
    }

    #[test]
    fn a_conversation_has_an_answer_whichever_way_it_ends() {
        let answer = |script, input: &[u8]| Machine.converse(&shell(script), input).unwrap();
        assert_eq!(answer("cat", b"host"), (true, b"host".to_vec()));
        assert_eq!(answer("echo not found; exit 1", b"host"), (false, b"not found\n".to_vec()));
    }

    #[test]
    fn a_stream_that_is_dropped_ends_its_program() {
        // `yes` never ends by itself: the test would not either.
        drop(Machine.stream(&shell("yes")).unwrap());
    }
}
