//! A command line of the built program, run to its end: what it printed, what it said, how it ended.

use std::process::{Command, Output};

/// Exit code, stdout and stderr.
pub(crate) fn outcome(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

/// What one that does well prints and says.
#[track_caller]
pub(crate) fn said(command: &mut Command) -> (String, String) {
    let (code, stdout, stderr) = outcome(command);
    assert_eq!(code, 0, "{command:?}: {stdout}{stderr}");
    (stdout, stderr)
}

/// What one says that fails with that code, and prints nothing.
#[track_caller]
pub(crate) fn failed(command: &mut Command, code: i32) -> String {
    let (ended, stdout, stderr) = outcome(command);
    assert_eq!((ended, &*stdout), (code, ""), "{command:?}: {stderr}");
    stderr
}
