//! One wharf at a time changes the setups of a user: two at once would each write the receipt without
//! what the other made, and both make the registry. Who only looks waits for nobody.

use std::fs::{self, File, TryLockError};

use super::place::Places;
use crate::report::Report;

/// The turn of a run that changes something; it is over when this is dropped, or the program ends,
/// whichever way.
#[derive(Debug)]
pub struct Turn(
    #[cfg_attr(not(test), expect(dead_code, reason = "it is held, not read"))] Option<File>,
);

impl Turn {
    /// Waits until nobody else changes anything, which is said. Where there can be no lock, as in a folder
    /// that cannot be written, there is no waiting either: the first file that is written there says so.
    pub fn take(places: &Places, report: &Report) -> Self {
        let folder = places.state.join("wharf");
        // The folder itself is locked, so that no file is left behind for it.
        let opened = fs::create_dir_all(&folder).and_then(|()| File::open(&folder));
        let Ok(lock) = opened else { return Self(None) };
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            report.say("another wharf changes the setup just now: this one waits for it to end");
            _ = lock.lock();
        }
        Self(Some(lock))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_turn_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places { state: folder.path().join("state"), ..Places::default() };
        let turn = Turn::take(&places, &Report::new(false));
        let other = File::open(places.state.join("wharf")).unwrap();
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
        drop(turn);
        other.try_lock().unwrap();
    }

    #[test]
    fn without_a_folder_there_is_no_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("file");
        fs::write(&state, "").unwrap();
        let places = Places { state, ..Places::default() };
        let report = Report::new(false);
        let turns = [Turn::take(&places, &report), Turn::take(&places, &report)];
        assert!(turns.iter().all(|turn| turn.0.is_none()));
    }
}
