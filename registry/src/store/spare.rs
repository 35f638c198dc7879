//! Folders of upload sessions that ended, kept for the next ones.
//!
//! A session has a folder and a `startedat` that are needed for milliseconds. Made and removed for
//! each blob, they make every new file dearer: ext4 does not give out an inode anew for a minute
//! after it was freed, and looks at all of those first. Where much had been removed, that was nearly
//! half of the CPU of small pushes.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Folders that are kept: as many as sessions end at about the same time.
const SPARES_MAX: usize = 16;

/// Empty session folders beside the tree of registry:2, each of which holds a `startedat`.
#[derive(Debug)]
pub(crate) struct SpareSessions {
    /// What lies there is removed when the volume is opened.
    staging: PathBuf,
    spares: Mutex<Spares>,
}

#[derive(Debug, Default)]
struct Spares {
    free: Vec<PathBuf>,
    /// Names given so far.
    named: u64,
}

impl SpareSessions {
    pub(crate) fn new(staging: &Path) -> Self {
        Self { staging: staging.to_path_buf(), spares: Mutex::default() }
    }

    /// Moves a spare folder to `place`, with `started_at` in it; says whether there is one that can
    /// be moved.
    pub(crate) fn take(&self, place: &Path, started_at: &str) -> bool {
        let Some(spare) = self.lock().free.pop() else { return false };
        if write_again(&spare.join("startedat"), started_at.as_bytes()).is_err() {
            // Somebody took away what was in it: it is of no use, and goes at the next start.
            return false;
        }
        let moved = fs::rename(&spare, place).is_ok();
        if !moved {
            // The first session of a repository, whose folder is to be made yet.
            self.lock().free.push(spare);
        }
        moved
    }

    /// Moves the folder of a session that ended here, if there is room, and if it holds what it has
    /// to hold and nothing else; says whether it did.
    pub(crate) fn keep(&self, session: &Path) -> bool {
        let Some(spare) = self.name_of_next() else { return false };
        let moved =
            holds_its_start_alone(session).unwrap_or(false) && fs::rename(session, &spare).is_ok();
        if moved {
            self.lock().free.push(spare);
        }
        moved
    }

    /// Where the next folder goes, if there is room. Those that come at the same time may be a few more.
    fn name_of_next(&self) -> Option<PathBuf> {
        let mut spares = self.lock();
        if spares.free.len() >= SPARES_MAX {
            return None;
        }
        spares.named += 1;
        Some(self.staging.join(format!("session-{}", spares.named)))
    }

    fn lock(&self) -> MutexGuard<'_, Spares> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes over the file where it stands: cut to nothing first, ext4 would write it out at once.
fn write_again(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = File::options().write(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
    file.write_all_at(bytes, 0)?;
    if file.metadata()?.len() != bytes.len() as u64 {
        file.set_len(bytes.len() as u64)?;
    }
    Ok(())
}

fn holds_its_start_alone(session: &Path) -> io::Result<bool> {
    let mut entries = fs::read_dir(session)?;
    let Some(entry) = entries.next().transpose()? else { return Ok(false) };
    let is_its_start = entry.file_name() == "startedat" && entry.file_type()?.is_file();
    Ok(is_its_start && entries.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A volume, its spare folders, and where sessions are.
    fn volume() -> (tempfile::TempDir, SpareSessions, PathBuf) {
        let volume = tempfile::tempdir().unwrap();
        let (staging, sessions) = (volume.path().join("staging"), volume.path().join("sessions"));
        fs::create_dir(&staging).unwrap();
        fs::create_dir(&sessions).unwrap();
        (volume, SpareSessions::new(&staging), sessions)
    }

    fn session(place: &Path, started_at: &str) {
        fs::create_dir(place).unwrap();
        fs::write(place.join("startedat"), started_at).unwrap();
    }

    #[test]
    fn a_folder_serves_session_after_session() {
        let (_volume, spares, sessions) = volume();
        assert!(!spares.take(&sessions.join("first"), "now"), "there is none yet");
        session(&sessions.join("first"), "2026-01-01T00:00:00Z");
        assert!(spares.keep(&sessions.join("first")));
        assert!(!sessions.join("first").exists());
        for started_at in ["2026-01-01T00:00:01Z", "short", "2026-01-01T00:00:02.123456789Z"] {
            let place = sessions.join("next");
            assert!(spares.take(&place, started_at));
            assert_eq!(fs::read_to_string(place.join("startedat")).unwrap(), started_at);
            assert!(spares.keep(&place));
        }
    }

    #[test]
    fn a_folder_that_holds_anything_else_is_not_kept() {
        let (_volume, spares, sessions) = volume();
        let place = sessions.join("one");
        assert!(!spares.keep(&place), "it is not there");
        fs::create_dir(&place).unwrap();
        assert!(!spares.keep(&place), "it is empty");
        std::os::unix::fs::symlink("/etc/hostname", place.join("startedat")).unwrap();
        assert!(!spares.keep(&place), "its start lies elsewhere");
        fs::remove_file(place.join("startedat")).unwrap();
        fs::write(place.join("startedat"), "now").unwrap();
        fs::write(place.join("data"), "bytes").unwrap();
        assert!(!spares.keep(&place), "it has bytes");
        assert_eq!(fs::read_to_string(place.join("data")).unwrap(), "bytes");
    }

    #[test]
    fn a_place_that_is_not_to_be_had_costs_no_folder() {
        let (_volume, spares, sessions) = volume();
        session(&sessions.join("one"), "now");
        assert!(spares.keep(&sessions.join("one")));
        assert!(!spares.take(&sessions.join("no such repository/one"), "now"));
        assert!(spares.take(&sessions.join("one"), "now"));
    }

    #[test]
    fn a_folder_that_was_emptied_is_given_up() {
        let (volume, spares, sessions) = volume();
        for name in ["one", "two"] {
            session(&sessions.join(name), "now");
            assert!(spares.keep(&sessions.join(name)));
        }
        fs::remove_file(volume.path().join("staging/session-2/startedat")).unwrap();
        assert!(!spares.take(&sessions.join("three"), "now"), "it has no start");
        assert!(spares.take(&sessions.join("three"), "now"), "the other one is sound");
    }

    #[test]
    fn no_more_are_kept_than_are_of_use() {
        let (_volume, spares, sessions) = volume();
        let kept = |number: &usize| {
            let place = sessions.join(number.to_string());
            session(&place, "now");
            spares.keep(&place)
        };
        assert_eq!((0..3 * SPARES_MAX).filter(kept).count(), SPARES_MAX);
    }
}
