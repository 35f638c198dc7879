//! The two programs as processes on a volume, ended when dropped.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::api::Api;

/// How long a program may take to come up or to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running program.
pub(crate) struct Server {
    child: Child,
    lines: Receiver<String>,
    said: String,
}

/// A program that serves, and its API.
pub(crate) struct Serving {
    server: Server,
    api: Api,
}

/// The program under test: the release build that `test.sh` names, or the one cargo just built.
pub(crate) fn wharf() -> PathBuf {
    std::env::var_os("WHARF_BINARY")
        .map_or_else(|| env!("CARGO_BIN_EXE_wharf").into(), PathBuf::from)
}

/// `wharf serve` on the volume at `root`, not waited for.
pub(crate) fn start_wharf(root: &Path) -> Server {
    let mut command = Command::new(wharf());
    command.args(["serve", "--listen", "127.0.0.1:0", "--root"]).arg(root);
    Server::start(&mut command)
}

/// `docker-registry serve` with the settings in `config`, not waited for.
pub(crate) fn start_docker_registry(config: &Path) -> Server {
    Server::start(Command::new("docker-registry").arg("serve").arg(config))
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // Nobody listens any more once the server is dropped; its pipe is emptied all the same.
                _ = sender.send(line);
            }
        });
        Self { child, lines, said: String::new() }
    }

    /// Waits until the program says where it listens. Both say it in the same words.
    pub(crate) fn wait_until_ready(mut self) -> Serving {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("not ready within {PATIENCE:?}:\n{}", self.said);
            };
            let address =
                line.split_once("listening on ").map(|(_, rest)| address(rest).to_owned());
            self.said.push_str(&line);
            self.said.push('\n');
            if let Some(address) = address {
                return Serving { server: self, api: Api::new(&address) };
            }
        }
    }

    /// Asks the program to end.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// The program's process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the program has ended; returns how, and all that it said.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        // Its stderr is closed when it ends.
        while let Ok(line) =
            self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            self.said.push_str(&line);
            self.said.push('\n');
        }
        assert!(Instant::now() < deadline, "still running after {PATIENCE:?}:\n{}", self.said);
        let status = self.child.wait().unwrap();
        (status, std::mem::take(&mut self.said))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!(
                "--- the server said\n{}{}",
                self.said,
                self.lines.try_iter().collect::<Vec<_>>().join("\n")
            );
        }
    }
}

impl Serving {
    /// The API it serves.
    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    /// The program itself.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Ends it and waits for the end.
    pub(crate) fn stop(self) -> (ExitStatus, String) {
        self.server.terminate();
        self.server.wait()
    }
}

/// The host and port at the beginning of `text`.
fn address(text: &str) -> &str {
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || ".:[]".contains(c)))
        .unwrap_or(text.len());
    text[..end].trim_end_matches('.')
}
