//! The programs that the setup starts, watched: which calls there were, which of them change something,
//! and an end of everything at one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// One call of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// The program that made it, as `wharf`, or `kind`, which calls podman itself.
    pub(crate) caller: String,
    /// `podman`, `kind` or `kubectl`, or one of the test's own.
    pub(crate) program: String,
    /// The words after it.
    pub(crate) arguments: Vec<String>,
    /// Whether it may change something: a container, a node's file, an image.
    pub(crate) changes: bool,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.program, self.arguments.join(" ").escape_debug())
    }
}

/// Where a command is killed: at its N-th call that changes something, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before the call has done anything.
    Before(usize),
    /// When the call has ended, but before its caller knows.
    After(usize),
    /// The same, and nothing that its caller wrote to it has reached it: it was ended on the way.
    Unfed(usize),
}

/// The folder of the watched programs.
pub(crate) struct Watched {
    folder: PathBuf,
}

impl Watched {
    /// Watches `programs`, each by its name, in a new `folder`.
    pub(crate) fn new(folder: PathBuf, programs: &[(&str, PathBuf)]) -> Self {
        let watched = Self { folder };
        fs::create_dir_all(watched.folder.join("real")).unwrap();
        for (name, real) in programs {
            watched.watch(name, real);
        }
        watched.forget();
        watched
    }

    /// Watches one more program, by the name that `watched.sh` knows it by; in the place of an earlier one.
    pub(crate) fn watch(&self, name: &str, real: &Path) {
        let link = self.folder.join("real").join(name);
        drop(fs::remove_file(&link)); // there may be none
        symlink(real, link).unwrap();
        let script =
            include_str!("watched.sh").replace("WATCHED", &self.folder.display().to_string());
        let file = self.path_of(name).join(name);
        fs::create_dir_all(self.path_of(name)).unwrap();
        fs::write(&file, script).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The folder for the PATH that has one program.
    pub(crate) fn path_of(&self, program: &str) -> PathBuf {
        self.folder.join("path").join(program)
    }

    /// The calls since the last [`forget`](Self::forget), in order.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let entries = fs::read_dir(self.folder.join("calls")).unwrap();
        let by_number: BTreeMap<usize, PathBuf> = entries
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().to_str().unwrap().parse().unwrap(), entry.path()))
            .collect();
        by_number.values().map(|file| read(file)).collect()
    }

    /// Begins the record anew.
    pub(crate) fn forget(&self) {
        let calls = self.folder.join("calls");
        if calls.exists() {
            fs::remove_dir_all(&calls).unwrap();
        }
        fs::create_dir(&calls).unwrap();
        for counter in ["number", "change"] {
            fs::write(self.folder.join(counter), "0\n").unwrap();
        }
    }

    /// Runs `command`, and kills it with everything that it started at `moment`. None if that came;
    /// what the command ended with if it ended before.
    pub(crate) fn interrupt(&self, command: &mut Command, moment: Moment) -> Option<Output> {
        self.forget();
        let (word, number) = match moment {
            Moment::Before(number) => ("before", number),
            Moment::After(number) => ("after", number),
            Moment::Unfed(number) => ("unfed", number),
        };
        let (halt, halted) = (self.folder.join("halt"), self.folder.join("halted"));
        fs::write(&halt, format!("{word} {number}\n")).unwrap();
        // Files, as pipes would be held open by what the command leaves behind.
        let [stdout, stderr] = ["stdout", "stderr"].map(|name| self.folder.join(name));
        command.stdin(Stdio::null()).stdout(fs::File::create(&stdout).unwrap());
        let mut child = command.stderr(fs::File::create(&stderr).unwrap()).spawn().unwrap();
        let status = loop {
            if halted.exists() {
                kill_with_descendants(child.id());
                child.wait().unwrap();
                break None;
            }
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        for file in [halt, halted] {
            drop(fs::remove_file(file));
        }
        let (stdout, stderr) = (fs::read(stdout).unwrap(), fs::read(stderr).unwrap());
        status.map(|status| Output { status, stdout, stderr })
    }
}

/// Reads the record of one call.
fn read(file: &Path) -> Call {
    let text = String::from_utf8(fs::read(file).unwrap()).unwrap();
    let mut words = text.split_terminator('\0').map(str::to_owned);
    let changes = words.next().unwrap() == "changes";
    let (caller, program) = (words.next().unwrap(), words.next().unwrap());
    Call { caller, program, arguments: words.collect(), changes }
}

/// Kills a process and everything below it, as the end of a session does: all are stopped first, so
/// that none has time to start another, or to see the other's end.
fn kill_with_descendants(root: u32) {
    let mut stopped = BTreeSet::new();
    loop {
        let found: Vec<_> =
            descendants(root).into_iter().filter(|it| !stopped.contains(it)).collect();
        if found.is_empty() {
            break;
        }
        for process in found {
            signal(process, Signal::STOP);
            stopped.insert(process);
        }
    }
    for process in stopped {
        signal(process, Signal::KILL);
    }
}

fn signal(process: u32, signal: Signal) {
    let process = Pid::from_raw(process.try_into().unwrap()).unwrap();
    let _ = kill_process(process, signal); // it may have ended
}

/// A process, and all that descend from it.
fn descendants(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|process: u32| {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
            // After the name, which may hold anything: the state, then the parent.
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
            Some((process, parent))
        })
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(process, _)| *process));
        next += 1;
    }
    found
}
