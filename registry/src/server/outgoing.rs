//! `Outgoing`: which of the bytes that hyper writes to a connection came from the disk a moment ago,
//! so that the kernel can be told to hand their pages on instead of copying them. hyper knows nothing
//! of files; it writes from the addresses of what it was given, and by those a window is found again.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::{Place, Window};

/// The windows from the disk that hyper was given on one connection and has still to write.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    windows: Mutex<VecDeque<FromDisk>>,
}

#[derive(Debug)]
struct FromDisk {
    /// Held so that nothing else can lie at their address.
    bytes: Bytes,
    place: Place,
}

/// What hyper writes next.
#[derive(Debug)]
pub(super) enum Next {
    /// So many slices, to be written from memory.
    Memory(usize),
    /// So many bytes, to be taken from that place.
    File(Place, usize),
}

impl Outgoing {
    /// Notes a window that hyper is given now.
    pub(super) fn note(&self, window: &Window) {
        if let Some(place) = window.place() {
            let from_disk = FromDisk { bytes: window.bytes().clone(), place: place.clone() };
            self.lock().push_back(from_disk);
        }
    }

    /// What comes first of `slices`, which hyper is about to write.
    pub(super) fn next(&self, slices: &[IoSlice<'_>]) -> Next {
        let mut windows = self.lock();
        while let Some(FromDisk { bytes, place }) = windows.front() {
            let addresses = bytes.as_ptr_range();
            match slices.iter().position(|slice| addresses.contains(&slice.as_ptr())) {
                Some(0) => {
                    let written = slices[0].as_ptr().addr() - addresses.start.addr();
                    let mut place = place.clone();
                    place.start += written as u64;
                    return Next::File(place, slices[0].len());
                }
                Some(before) => return Next::Memory(before),
                // It is written.
                None => _ = windows.pop_front(),
            }
        }
        Next::Memory(slices.len())
    }

    /// Forgets all windows: hyper has written what it was given.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<FromDisk>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A window of `length` bytes that came from the disk, from `start` on.
    fn from_disk(length: usize, start: u64) -> Window {
        let file = Arc::new(tempfile::tempfile().unwrap());
        Window::from_disk(Bytes::from(vec![7; length]), Place { file, start })
    }

    /// What comes next of `parts`, in words.
    fn next(outgoing: &Outgoing, parts: &[&[u8]]) -> String {
        let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        match outgoing.next(&slices) {
            Next::Memory(count) => format!("{count} slices"),
            Next::File(place, length) => format!("{length} bytes from {}", place.start),
        }
    }

    #[test]
    fn the_bytes_of_a_window_are_found_wherever_hyper_stands() {
        let (first, second) = (from_disk(100, 4000), from_disk(50, 8000));
        let (one, two) = (&first.bytes()[..], &second.bytes()[..]);
        let outgoing = Outgoing::default();
        assert_eq!(next(&outgoing, &[b"head"]), "1 slices");

        outgoing.note(&Window::from(Bytes::from_static(b"in memory")));
        outgoing.note(&first);
        outgoing.note(&second);
        assert_eq!(next(&outgoing, &[b"head", b"text", one, two]), "2 slices");
        assert_eq!(next(&outgoing, &[&b"ead"[..], one, two]), "1 slices");
        assert_eq!(next(&outgoing, &[one, two]), "100 bytes from 4000");
        assert_eq!(next(&outgoing, &[&one[99..], two]), "1 bytes from 4099");
        assert_eq!(next(&outgoing, &[two, b"text"]), "50 bytes from 8000");
        assert_eq!(next(&outgoing, &[&two[20..], b"text"]), "30 bytes from 8020");
        assert_eq!(next(&outgoing, &[b"text"]), "1 slices");
    }

    #[test]
    fn nothing_is_held_once_it_is_written() {
        let window = from_disk(100, 0);
        let file = Arc::downgrade(&window.place().unwrap().file);
        let outgoing = Outgoing::default();
        outgoing.note(&window);
        drop(window);
        assert!(file.upgrade().is_some(), "hyper has still to write it");
        outgoing.clear();
        assert!(file.upgrade().is_none());
    }
}
