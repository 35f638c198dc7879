//! `ReadLock`: the lock under which Podman writes its lists, taken for reading.
//!
//! Podman takes record locks of fcntl(2); flock(2) would not exclude it. Ours belongs to the open file
//! (`F_OFD_SETLK`) and so is not lost when another part of the program closes the same file.

use std::fs::File;
#[cfg(target_os = "linux")]
use std::time::{Duration, Instant};

use crate::folder::Folder;

/// How long a writer is waited for. One that unpacks a layer can hold the lock for long; lists are
/// replaced by renaming, so reading without the lock gives a whole list all the same, if an older one.
#[cfg(target_os = "linux")]
const WAIT_MAX: Duration = Duration::from_secs(2);

/// A lock, held until it is dropped.
#[derive(Debug)]
pub(crate) struct ReadLock {
    _file: File,
}

impl ReadLock {
    /// The lock of the file `name`, or none if it cannot be had in time, or cannot be had at all: a
    /// store on a medium that is only read may have no such file.
    #[cfg(target_os = "linux")]
    pub(crate) fn take(folder: &Folder, name: &str) -> Option<Self> {
        use nix::errno::Errno;
        use nix::fcntl::{FcntlArg, fcntl};
        use nix::libc;

        const POLL: Duration = Duration::from_millis(2);

        let (file, _) = folder.file(name.as_bytes()).ok()?;
        let whole = libc::flock {
            l_type: libc::F_RDLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole)) {
                Ok(_) => return Some(Self { _file: file }),
                Err(Errno::EAGAIN | Errno::EACCES) if Instant::now() < deadline => {
                    // The call that waits for a lock (F_OFD_SETLKW) knows no time limit.
                    std::thread::sleep(POLL);
                }
                Err(_) => return None,
            }
        }
    }

    /// Elsewhere no store is written: Podman's is in a virtual machine.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn take(_folder: &Folder, _name: &str) -> Option<Self> {
        None
    }
}
