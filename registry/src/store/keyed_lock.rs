//! One mutex per key, made when it is asked for and gone when nobody holds it.
//!
//! There is no lock over the whole store: work on one digest or one tag waits only for other work on
//! the same one. The table's own mutex is held for a look-up, never while a key is held.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Mutual exclusion by key.
#[derive(Debug)]
pub(crate) struct KeyedLock<K> {
    keys: Mutex<HashMap<K, Arc<Turn>>>,
}

#[derive(Debug, Default)]
struct Turn {
    /// How many hold or wait for the key; the table forgets it at zero.
    interested: Mutex<Interest>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Interest {
    count: usize,
    held: bool,
}

/// The right to work on one key, until it is dropped.
#[derive(Debug)]
pub(crate) struct KeyGuard<'a, K: Eq + Hash + Clone> {
    lock: &'a KeyedLock<K>,
    key: K,
    turn: Arc<Turn>,
}

impl<K: Eq + Hash + Clone> KeyedLock<K> {
    pub(crate) fn new() -> Self {
        Self { keys: Mutex::new(HashMap::new()) }
    }

    /// Waits for the key. Blocks the thread: for blocking threads only.
    pub(crate) fn lock(&self, key: K) -> KeyGuard<'_, K> {
        let turn = {
            let mut keys = lock(&self.keys);
            let turn = Arc::clone(keys.entry(key.clone()).or_default());
            lock(&turn.interested).count += 1;
            turn
        };
        let mut interest = lock(&turn.interested);
        while interest.held {
            interest = turn.freed.wait(interest).unwrap_or_else(PoisonError::into_inner);
        }
        interest.held = true;
        drop(interest);
        KeyGuard { lock: self, key, turn }
    }
}

impl<K: Eq + Hash + Clone> Drop for KeyGuard<'_, K> {
    fn drop(&mut self) {
        let mut keys = lock(&self.lock.keys);
        let mut interest = lock(&self.turn.interested);
        interest.held = false;
        interest.count -= 1;
        if interest.count == 0 {
            keys.remove(&self.key);
        } else {
            self.turn.freed.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn one_key_admits_one_holder_and_leaves_nothing_behind() {
        let locks = KeyedLock::new();
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for round in 0..500 {
                        let _held = locks.lock(round % 3);
                        if round % 3 == 0 {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                        }
                    }
                });
            }
        });
        assert!(lock(&locks.keys).is_empty());
    }

    #[test]
    fn different_keys_do_not_wait_for_each_other() {
        let locks = KeyedLock::new();
        let _a = locks.lock("a");
        let _b = locks.lock("b");
    }
}
