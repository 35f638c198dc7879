//! What the machine must have for these tests, asked before anything is started.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The piece that is not there, in words that fit "the tests need …".
pub(crate) struct Missing(pub(crate) String);

/// Whether a missing piece is a failure rather than a reason to leave the tests out.
pub(crate) fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

/// Finds the first piece that is missing, if any; `programs` are those that the tests run.
pub(crate) fn check(programs: &[&str]) -> Result<(), Missing> {
    if !cfg!(target_os = "linux") {
        return Err(Missing("Linux: the node is a container with containerd in it".into()));
    }
    if !Path::new("/proc/self").metadata().is_ok_and(|process| process.uid() == 0) {
        return Err(Missing("root: debootstrap and a privileged node cannot do without".into()));
    }
    if let Some(program) = programs.iter().find(|program| find(program).is_none()) {
        return Err(Missing(format!("the program `{program}` (./test.sh installs it)")));
    }
    Ok(())
}

/// Where `program` is on the PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The program under test: the release build that `test.sh` names, or the one cargo just built.
pub(crate) fn wharf() -> PathBuf {
    std::env::var_os("WHARF_BINARY")
        .map_or_else(|| env!("CARGO_BIN_EXE_wharf").into(), PathBuf::from)
}

/// A port of the loopback that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
