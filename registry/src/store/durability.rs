//! What is on disk for good, with as few syncs as that needs.
//!
//! Bytes survive a power cut once their file is synced, a rename once its folder is, and a new folder
//! once the folder above it is. Commits hand in the files they wrote, and then the folders they
//! touched, and wait; whoever comes first syncs for all that wait ("group commit"), each path once,
//! while the next round gathers.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::error::StoreError;

/// What may wait to be written, by anybody, for a sync of the whole file system: 16 MiB.
#[cfg(target_os = "linux")]
const DIRTY_KIB_MAX: u64 = 16 << 10;

/// The folders of one volume and how far they are durable.
#[derive(Debug)]
pub(crate) struct Durability {
    volume: PathBuf,
    /// Folders that this process made and whose entry in the folder above is not synced yet.
    fresh: Mutex<HashMap<PathBuf, Made>>,
    made: AtomicU64,
    rounds: Mutex<Rounds>,
    round_ended: Condvar,
    /// Whether what an earlier process left behind has been synced.
    inherited: Mutex<bool>,
}

/// How far a fresh folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    /// Perhaps not there yet: a sync that runs now may miss it.
    Making,
    /// There, for the how many-th time a folder was made by this process.
    Done(u64),
}

#[derive(Debug, Default)]
struct Rounds {
    gathering: BTreeSet<PathBuf>,
    outcome: Arc<Mutex<Option<Outcome>>>,
    running: bool,
}

/// How a round ended; the error's kind and text are kept because `io::Error` cannot be shared.
type Outcome = Result<(), (PathBuf, io::ErrorKind)>;

impl Durability {
    pub(crate) fn new(volume: &Path) -> Self {
        Self {
            volume: volume.to_path_buf(),
            fresh: Mutex::default(),
            made: AtomicU64::new(0),
            rounds: Mutex::default(),
            round_ended: Condvar::new(),
            inherited: Mutex::new(false),
        }
    }

    /// Makes `folder` and what is missing above it, and adds to `touched` every folder that must be
    /// synced before an entry in `folder` is durable: `folder` itself and the parents of new ones.
    pub(crate) fn make_folder(
        &self,
        folder: &Path,
        touched: &mut BTreeSet<PathBuf>,
    ) -> Result<(), StoreError> {
        touched.insert(folder.to_path_buf());
        let mut missing = Vec::new();
        let mut current = folder;
        // A folder that another commit has just made is as new to this one as its own.
        while current.starts_with(&self.volume) && current != self.volume {
            let fresh = lock(&self.fresh).contains_key(current);
            if !fresh && current.is_dir() {
                break;
            }
            if let Some(parent) = current.parent() {
                touched.insert(parent.to_path_buf());
                missing.push(current.to_path_buf());
                current = parent;
            }
        }
        lock(&self.fresh).extend(missing.iter().map(|folder| (folder.clone(), Made::Making)));
        fs::create_dir_all(folder).map_err(|error| StoreError::io("make", folder, error))?;
        let made = Made::Done(self.made.fetch_add(1, Ordering::Relaxed));
        lock(&self.fresh).extend(missing.into_iter().map(|folder| (folder, made)));
        Ok(())
    }

    /// Forgets a folder that is being removed, and what was in it.
    pub(crate) fn forget(&self, folder: &Path) {
        lock(&self.fresh).retain(|made, _| !made.starts_with(folder));
    }

    /// Returns once all of `paths`, files or folders, are synced.
    ///
    /// Blocks the thread; commits that wait at the same time share the work.
    pub(crate) fn sync(&self, paths: BTreeSet<PathBuf>) -> Result<(), StoreError> {
        self.sync_inherited()?;
        if paths.is_empty() {
            return Ok(());
        }
        let mut rounds = lock(&self.rounds);
        rounds.gathering.extend(paths);
        let outcome = Arc::clone(&rounds.outcome);
        loop {
            if let Some(ended) = lock(&outcome).clone() {
                return ended
                    .map_err(|(path, kind)| StoreError::io("sync", path, io::Error::from(kind)));
            }
            if rounds.running {
                rounds = self.round_ended.wait(rounds).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            rounds.running = true;
            let round = std::mem::take(&mut rounds.gathering);
            let shared = std::mem::take(&mut rounds.outcome);
            drop(rounds);
            let ended = self.sync_round(&round);
            *lock(&shared) = Some(ended);
            rounds = lock(&self.rounds);
            rounds.running = false;
            self.round_ended.notify_all();
        }
    }

    fn sync_round(&self, paths: &BTreeSet<PathBuf>) -> Outcome {
        // What is made from here on may come too late for this round's syncs.
        let in_time: Vec<_> = {
            let fresh = lock(&self.fresh);
            let in_round = |made: &Path| made.parent().is_some_and(|above| paths.contains(above));
            let done = fresh.iter().filter(|(path, made)| **made != Made::Making && in_round(path));
            done.map(|(path, made)| (path.clone(), *made)).collect()
        };
        if paths.len() > 1 && little_is_dirty() {
            File::open(&self.volume)
                .and_then(|volume| sync_file_system(&volume))
                .map_err(|error| (self.volume.clone(), error.kind()))?;
        } else {
            sync_each(paths)?;
        }
        let mut fresh = lock(&self.fresh);
        for (path, made) in in_time {
            if fresh.get(&path) == Some(&made) {
                fresh.remove(&path);
            }
        }
        Ok(())
    }

    /// Before the first promise of this process, everything that an earlier one wrote is made
    /// durable: it may have been killed between a rename and its sync.
    pub(crate) fn sync_inherited(&self) -> Result<(), StoreError> {
        let mut inherited = lock(&self.inherited);
        if !*inherited {
            File::open(&self.volume)
                .and_then(|volume| sync_file_system(&volume))
                .map_err(|error| StoreError::io("sync", &self.volume, error))?;
            *inherited = true;
        }
        Ok(())
    }
}

fn sync_each(paths: &BTreeSet<PathBuf>) -> Outcome {
    for path in paths {
        match File::open(path).and_then(|file| file.sync_all()) {
            Ok(()) => {}
            // Deleted since: nothing in it is left to promise.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err((path.clone(), error.kind())),
        }
    }
    Ok(())
}

/// Whether the system has so little to write that one sync of everything costs less than one for
/// each path. While a build or a large push fills the page cache, it would wait for their bytes too.
#[cfg(target_os = "linux")]
fn little_is_dirty() -> bool {
    let Ok(memory) = fs::read_to_string("/proc/meminfo") else { return false };
    let waiting: Option<u64> = ["Dirty:", "Writeback:"]
        .iter()
        .map(|field| {
            let line = memory.lines().find(|line| line.starts_with(field))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .sum();
    waiting.is_some_and(|kibibytes| kibibytes <= DIRTY_KIB_MAX)
}

/// Elsewhere there is no sync of one file system.
#[cfg(not(target_os = "linux"))]
fn little_is_dirty() -> bool {
    false
}

#[cfg(target_os = "linux")]
pub(super) fn sync_file_system(volume: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(volume)?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn sync_file_system(_volume: &File) -> io::Result<()> {
    rustix::fs::sync();
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
