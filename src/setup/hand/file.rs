//! Files of this machine, read with a limit, and written in one step.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The most that is read of a file, in bytes: what the setup reads is written by people, or by itself.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Reads a file of this machine.
///
/// # Errors
/// It cannot be read, or is larger than any such file is.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > FILE_BYTES_MAX {
        true => Err(io::Error::other(format!("it is larger than {} MiB", FILE_BYTES_MAX >> 20))),
        false => Ok(bytes),
    }
}

/// The same of a text.
///
/// # Errors
/// As those of [`read`]; or it is no text.
pub fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|_| io::Error::other("it is no text in UTF-8"))
}

/// Writes a file in one step: a reader finds all of it, or what was there before.
pub(super) fn put(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let new = unfinished(path);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = put_into(&new, text, mode).and_then(|()| fs::rename(&new, path));
    written.inspect_err(|_| drop(fs::remove_file(&new)))?;
    fs::File::open(folder)?.sync_all()
}

/// Writes a file that is not there yet.
fn put_into(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    // Nobody else is to read it before it has its mode.
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    // Where the machine goes down, a file of nothing in its place would be worse than the one before.
    file.sync_all()
}

/// Where a file is until all of it is written: always the same place, so that what a killed run leaves there
/// goes with the next one.
pub(super) fn unfinished(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::process::recorded::Recorded;
    use crate::report::Report;
    use crate::setup::hand::{Hand, Manner};

    #[test]
    fn what_a_killed_run_left_of_a_file_goes_with_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("50-wharf.conf");
        let names = || {
            let entries = fs::read_dir(folder.path()).unwrap();
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
        };
        let hand = Hand::new(Arc::new(Recorded::new([])), Manner::Quiet, Report::new(false));
        fs::write(unfinished(&path), "a part").unwrap();
        hand.write(&path, "all of it", 0o644).unwrap();
        assert_eq!(names(), ["50-wharf.conf"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "all of it");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        fs::write(unfinished(&path), "a part").unwrap();
        hand.remove(&path).unwrap();
        assert_eq!(names(), [""; 0]);
        fs::write(unfinished(&path), "a part").unwrap();
        hand.remove(&path).unwrap();
        assert_eq!(names(), [""; 0]);
    }
}
