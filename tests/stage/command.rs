//! Programs that are run to their end, with a failure that can be read.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Runs `command` and returns what it wrote to stdout, less the white space around it.
///
/// # Panics
/// When it cannot be started or fails, with everything it said.
pub(crate) fn run(command: &mut Command) -> String {
    let output = output(command);
    assert!(output.status.success(), "{command:?} failed ({})\n{}", output.status, words(&output));
    String::from_utf8(output.stdout).expect("programs print UTF-8").trim().to_owned()
}

/// Runs `command`, whatever it ends with.
pub(crate) fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Runs `command` with `input` on its stdin, which must do well.
pub(crate) fn feed(command: &mut Command, input: &[u8]) -> Output {
    let output = fed(command, input);
    assert!(output.status.success(), "{command:?} failed ({})\n{}", output.status, words(&output));
    output
}

/// Runs `command` with `input` on its stdin, whatever it ends with.
pub(crate) fn fed(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    child
        .stdin
        .take()
        .expect("stdin is piped")
        .write_all(input)
        .expect("the program reads its input");
    child.wait_with_output().expect("the program ends")
}

/// Everything a program said.
pub(crate) fn words(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Asks `question` again and again until it has an answer.
///
/// # Panics
/// When there is none after 30 s, with `what` was awaited.
pub(crate) fn wait_for<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    const PATIENCE: Duration = Duration::from_secs(30);
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
