//! The command line itself: how it is answered when it is wrong, what goes to stdout and what to
//! stderr, the words that registry:2's image is started with, and how the registry ends.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::content::blob;
use crate::harness::{PATIENCE, Server, Setup, program};
use crate::repository::Repository;

/// Exit code, stdout and stderr of `wharf WORDS`.
fn wharf(words: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = Command::new(program());
    command.args(words).env_clear().envs(variables.iter().copied()).stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn what_is_asked_for_goes_to_stdout() {
    for (words, part) in [
        (&["--version"][..], concat!("wharf ", env!("CARGO_PKG_VERSION"), "\n")),
        (&["registry", "--version"], concat!("wharf ", env!("CARGO_PKG_VERSION"), "\n")),
        (&["--help"], "Usage: wharf"),
        (&["serve", "--help"], "--manifest-size-max <SIZE>"),
        (&["completion", "bash"], "complete -F _wharf"),
        (&["completion", "zsh"], "#compdef wharf"),
        (&["completion", "fish"], "complete -c wharf"),
    ] {
        let (code, stdout, stderr) = wharf(words, &[]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{words:?}");
        assert!(stdout.contains(part), "{words:?}: {stdout}");
    }
}

#[test]
fn a_wrong_command_line_ends_with_code_2_and_words_on_stderr() {
    for (words, part) in [
        (&[][..], "Usage: wharf"),
        (&["sevre"], "'sevre'"),
        (&["serve", "--manifest-max-size", "1"], "--manifest-size-max"),
        (&["serve", "--manifest-size-max", "much"], "hint: "),
        (&["serve"], "HOME"),
        (&["serve", "--root", "/r", "--listen", ":5", "--admin-listen", ":5"], "covers the other"),
        (&["garbage-collect", "--delete-untagged", "/etc/registry.yml"], "nothing was deleted"),
        (&["registry", "garbage-collect", "-m", "/etc/registry.yml"], "nothing was deleted"),
    ] {
        let (code, stdout, stderr) = wharf(words, &[]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{words:?}: {stderr}");
        assert!(stderr.contains(part), "{words:?}: {stderr}");
    }
}

#[test]
fn a_misspelt_variable_is_answered_with_the_one_that_is_meant() {
    let (code, _, stderr) = wharf(&["serve"], &[("WHARF_SERVE_READONLY", "true")]);
    assert_eq!(code, 2);
    assert_eq!(
        stderr,
        "wharf: cannot use the variable WHARF_SERVE_READONLY: there is no such setting\n\
         hint: WHARF_SERVE_READ_ONLY may be meant; `wharf serve --help` names all\n"
    );
}

#[test]
fn a_file_of_registry_2_alone_is_a_command_line() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("config.yml");
    std::fs::write(&file, "log:\n  level: debug\n").unwrap();
    for words in [&[file.to_str().unwrap()][..], &["registry", "serve", file.to_str().unwrap()]] {
        let (code, _, stderr) = wharf(words, &[]);
        assert_eq!(code, 2, "{words:?}: {stderr}");
        assert!(stderr.contains("line 2: REGISTRY_LOG_LEVEL=debug"), "{words:?}: {stderr}");
    }
}

#[test]
fn a_folder_that_cannot_be_a_store_is_answered_with_the_reason() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let root = file.join("store");
    let words = ["serve", "--listen", "127.0.0.1:0", "--root", root.to_str().unwrap()];
    let (code, _, stderr) = wharf(&words, &[]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("Not a directory") && stderr.contains("hint: "), "{stderr}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_taken_port_is_answered_with_the_process_that_holds_it() {
    let server = Server::start();
    let folder = tempfile::TempDir::new().unwrap();
    let address = server.address().to_string();
    let words = ["serve", "--listen", &address, "--root", folder.path().to_str().unwrap()];
    let (code, _, stderr) = wharf(&words, &[]);
    assert_eq!(code, 1, "{stderr}");
    let holder = format!("wharf (process {}) listens there", server.pid());
    assert!(stderr.contains(&holder) && stderr.contains("--listen"), "{stderr}");
}

#[test]
fn the_log_begins_with_the_settings_and_where_they_were_written() {
    let server = Setup::new()
        .variable("REGISTRY_STORAGE_DELETE_ENABLED", "false")
        .variable("REGISTRY_HTTP_ADRR", ":1")
        .start();
    let line = server.log_line(|line| line.contains("settings:"));
    assert!(line.contains("deletes=false (REGISTRY_STORAGE_DELETE_ENABLED)"), "{line}");
    assert!(line.contains("(--root)"), "{line}");
    let line = server.log_line(|line| line.contains("REGISTRY_HTTP_ADRR"));
    assert!(line.contains("WARN") && line.contains("REGISTRY_HTTP_ADDR"), "{line}");
}

#[test]
fn the_log_can_be_json_and_silent() {
    let server = Setup::new().arguments(["--log-format", "json", "--log-level", "error"]).start();
    server.get("/v2/").expect(200);
    for line in server.log().lines() {
        let fields: serde_json::Value = serde_json::from_str(line).unwrap();
        let message = fields["message"].as_str().unwrap();
        // Said at any level: people and scripts wait for it.
        assert!(
            message.starts_with("settings: ") || message.starts_with("listening on "),
            "{line}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_ends_it_while_it_waits_for_the_volume() {
    let server = Server::start();
    let mut command = Command::new(program());
    command.args(["serve", "--listen", "127.0.0.1:0", "--root"]).arg(server.root());
    let mut waiting = command.env_clear().stderr(Stdio::null()).spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&waiting);
    let start = Instant::now();
    while !catches_sigterm(waiting.id()) {
        assert!(start.elapsed() < PATIENCE && waiting.try_wait().unwrap().is_none(), "it ended");
        std::thread::sleep(Duration::from_millis(2));
    }
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    // Without the signal it would end with code 2, saying who holds the volume.
    assert_eq!(waiting.wait().unwrap().code(), Some(0));
}

/// Whether a process no longer ends by SIGTERM alone.
#[cfg(target_os = "linux")]
fn catches_sigterm(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
    caught >> (rustix::process::Signal::TERM.as_raw() - 1) & 1 == 1
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut server = Setup::new().arguments(["--drain-time-max", "1h"]).start();
    let repository = Repository::new(&server, "library/unfinished");
    let location = repository.start_upload();
    let mut unfinished = server.connect();
    let request = repository.patch(&location, 0, &blob("unfinished", 2_000_000)).to_bytes();
    unfinished.write(&request[..1_500_000]).unwrap();
    crate::chunked_upload::wait_for_bytes(&server, &location);
    server.terminate();
    server.log_line(|line| line.contains("finishing the requests"));
    let start = Instant::now();
    server.terminate();
    assert_eq!(server.exit_code(), 1);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
