//! A real `wharf serve`, one process per test, on a free port of the loopback interface with a
//! store of its own. What it prints is kept, and it is ended by its process id when the test is
//! over. Nothing here knows the API: `wire` speaks HTTP and `repository` speaks the registry's
//! words.

use crate::wire::{Connection, Request};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a process may take to come up, to end, or to say something, on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The program under test: `WHARF_BINARY` when it is set, otherwise the one cargo has just built.
pub(crate) fn program() -> OsString {
    std::env::var_os("WHARF_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_wharf").into())
}

/// Says in one line that a test was left out, which in CI is a failure.
pub(crate) fn left_out(what: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what}: {why}, and in CI nothing is left out");
    println!("left out: {what}: {why}");
}

/// Whether `name` can be started here; says so once when it cannot.
pub(crate) fn has_program(name: &str, what: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {name}")]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        left_out(what, &format!("the program {name} is not installed"));
    }
    found
}

/// How a server is to be started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    listen: Option<String>,
    wrapper: Vec<String>,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    bare: bool,
}

impl Setup {
    /// `wharf serve --listen 127.0.0.1:0 --root STORE` and nothing else.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// `wharf serve` without `--listen` and `--root`: the test says where, by variables or a file.
    pub(crate) fn bare() -> Self {
        Self { bare: true, ..Self::default() }
    }

    /// Listens on another address than 127.0.0.1.
    pub(crate) fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = Some(address.into());
        self
    }

    /// Adds arguments after `serve`.
    pub(crate) fn arguments<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.arguments.extend(arguments.map(str::to_owned));
        self
    }

    /// Sets an environment variable of the server.
    pub(crate) fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Starts the server through another program that replaces itself by it: `sh -c 'exec "$@"'`.
    pub(crate) fn wrapper<const N: usize>(mut self, wrapper: [&str; N]) -> Self {
        self.wrapper = wrapper.map(str::to_owned).to_vec();
        self
    }

    /// Starts the server on an empty store.
    pub(crate) fn start(self) -> Server {
        let folder = TempDir::new().unwrap();
        let root = folder.path().join("store");
        std::fs::create_dir(&root).unwrap();
        self.start_on(folder, root)
    }

    fn start_on(self, folder: TempDir, root: PathBuf) -> Server {
        let mut process = Process::spawn(self.command(&root));
        let address = process.address();
        Server { process, address, root, folder: Some(folder), setup: self }
    }

    /// Starts the server where it must refuse to: gives its exit code and what it said.
    pub(crate) fn refused(self, root: &Path) -> (i32, String) {
        let mut process = Process::spawn(self.command(root));
        let status = process.wait(PATIENCE);
        (status.code().unwrap_or(-1), process.log.text())
    }

    fn command(&self, root: &Path) -> Command {
        let mut words: Vec<OsString> = self.wrapper.iter().map(OsString::from).collect();
        words.push(program());
        words.push("serve".into());
        if !self.bare {
            let listen = self.listen.as_deref().unwrap_or("127.0.0.1:0");
            words.extend(["--listen".into(), listen.into(), "--root".into(), root.into()]);
        }
        words.extend(self.arguments.iter().map(OsString::from));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", root);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A started program and everything it has printed.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: Log,
}

impl Process {
    /// Starts `command` and begins to keep its standard error.
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let log = Log::default();
        log.follow(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// Where it says that it listens.
    pub(crate) fn address(&mut self) -> SocketAddr {
        let line = self.log.wait_for(PATIENCE, |line| line.contains("listening on "));
        let line =
            line.unwrap_or_else(|| panic!("the server does not come up:\n{}", self.log.text()));
        let (_, rest) = line.split_once("listening on ").unwrap();
        let end = rest.find(|c: char| !"0123456789abcdef.:[]".contains(c)).unwrap_or(rest.len());
        rest[..end].parse().unwrap_or_else(|_| panic!("no address in {line:?}"))
    }

    fn wait(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.log.wait_for_end(patience);
                return status;
            }
            assert!(Instant::now() < deadline, "still running:\n{}", self.log.text());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    address: SocketAddr,
    root: PathBuf,
    folder: Option<TempDir>,
    setup: Setup,
}

impl Server {
    /// A server with the defaults.
    pub(crate) fn start() -> Self {
        Setup::new().start()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its store.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// A connection that the test drives byte by byte.
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// A request with any method.
    pub(crate) fn request(&self, method: &str, target: impl Into<String>) -> Request {
        Request::new(self.address, method, target.into())
    }

    /// A GET.
    pub(crate) fn get(&self, target: impl Into<String>) -> Request {
        self.request("GET", target)
    }

    /// A HEAD.
    pub(crate) fn head(&self, target: impl Into<String>) -> Request {
        self.request("HEAD", target)
    }

    /// A POST.
    pub(crate) fn post(&self, target: impl Into<String>) -> Request {
        self.request("POST", target)
    }

    /// A PUT.
    pub(crate) fn put(&self, target: impl Into<String>) -> Request {
        self.request("PUT", target)
    }

    /// A PATCH.
    pub(crate) fn patch(&self, target: impl Into<String>) -> Request {
        self.request("PATCH", target)
    }

    /// A DELETE.
    pub(crate) fn delete(&self, target: impl Into<String>) -> Request {
        self.request("DELETE", target)
    }

    /// Everything it has printed so far.
    pub(crate) fn log(&self) -> String {
        self.process.log.text()
    }

    /// Waits for a line that `wanted` accepts.
    pub(crate) fn log_line(&self, wanted: impl Fn(&str) -> bool) -> String {
        let line = self.process.log.wait_for(PATIENCE, wanted);
        line.unwrap_or_else(|| panic!("no such line in:\n{}", self.log()))
    }

    /// SIGTERM: asks it to end in good order.
    pub(crate) fn terminate(&self) {
        let pid = rustix::process::Pid::from_raw(self.pid().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits for the end and gives the exit code.
    pub(crate) fn exit_code(&mut self) -> i32 {
        let status = self.process.wait(PATIENCE);
        status.code().unwrap_or_else(|| panic!("ended by signal {:?}", status.signal()))
    }

    /// SIGKILL, between one instruction and the next; the store stays as it is at this moment.
    pub(crate) fn kill(&mut self) {
        self.process.child.kill().unwrap();
        self.process.child.wait().unwrap();
    }

    /// SIGKILL, then whatever the test does to the store, then a new process on it.
    pub(crate) fn restart_after(mut self, meanwhile: impl FnOnce(&Path)) -> Self {
        self.kill();
        meanwhile(&self.root);
        let folder = self.folder.take().unwrap();
        self.setup.clone().start_on(folder, self.root.clone())
    }

    /// SIGKILL, then a new process on the same store.
    pub(crate) fn restart(self) -> Self {
        self.restart_after(|_| ())
    }
}

/// The lines a process has printed; shared with the thread that reads them.
#[derive(Clone, Debug, Default)]
struct Log {
    shared: Arc<(Mutex<Lines>, Condvar)>,
}

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

impl Log {
    fn follow(&self, stream: impl std::io::Read + Send + 'static) {
        let log = self.clone();
        std::thread::spawn(move || {
            use std::io::BufRead;
            for line in std::io::BufReader::new(stream).lines().map_while(Result::ok) {
                log.shared.0.lock().unwrap().lines.push(line);
                log.shared.1.notify_all();
            }
            log.shared.0.lock().unwrap().ended = true;
            log.shared.1.notify_all();
        });
    }

    fn text(&self) -> String {
        self.shared.0.lock().unwrap().lines.join("\n")
    }

    fn wait_for_end(&self, patience: Duration) {
        let (lines, changed) = &*self.shared;
        let guard = lines.lock().unwrap();
        drop(changed.wait_timeout_while(guard, patience, |lines| !lines.ended).unwrap());
    }

    fn wait_for(&self, patience: Duration, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let (lines, changed) = &*self.shared;
        let find = |lines: &Lines| lines.lines.iter().find(|line| wanted(line)).cloned();
        let guard = lines.lock().unwrap();
        let waiting = |lines: &mut Lines| find(lines).is_none() && !lines.ended;
        let (guard, _) = changed.wait_timeout_while(guard, patience, waiting).unwrap();
        find(&guard)
    }
}
