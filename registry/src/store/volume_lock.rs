//! One process writes a volume: the lock at `wharf/lock`, and the name of who holds it.
//!
//! It is an advisory `flock`, so it ends with the process however that dies, and it holds between
//! containers that share the volume. registry:2 does not take it: it must not run at the same time.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

/// How long a second process waits for the first to let go, so that a container can be replaced.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(crate) struct VolumeLock {
    _file: File,
}

/// Why the lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process writes this volume.
    #[error("{} is in use by {holder}", path.display())]
    Held {
        /// The lock's file.
        path: PathBuf,
        /// Who wrote its name into the file: process id, host name and version.
        holder: String,
    },
    /// The lock's file cannot be opened or written.
    #[error("cannot lock {}", path.display())]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl VolumeLock {
    /// Takes the lock, waiting up to [`WAIT_MAX`] while another process holds it.
    pub(crate) fn take(path: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { path: path.to_path_buf(), source };
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                    // flock waits without a time limit, or not at all. Nothing is served yet.
                    std::thread::sleep(POLL);
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(LockError::Held { path: path.to_path_buf(), holder: holder(file) });
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
        sign(&mut file).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn sign(file: &mut File) -> io::Result<()> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "process {} on {host}, wharf {}", std::process::id(), env!("CARGO_PKG_VERSION"))
}

fn holder(mut file: File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "another process".to_owned(),
    }
}
