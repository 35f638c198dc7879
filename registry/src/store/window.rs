//! `Window`: a stretch of a blob that is ready to be sent, without the disk having to be waited for.

#![cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "elsewhere no file is mapped, so that no window has a place")
)]

use std::fs::File;
use std::io::IoSlice;
use std::sync::Arc;

use bytes::{Buf, Bytes};

/// Bytes of a blob, all of them in memory.
#[derive(Debug, Clone, Default)]
pub struct Window {
    bytes: Bytes,
    place: Option<Place>,
}

/// Where in a file the bytes of a window lie that came from the disk a moment ago.
///
/// No processor has touched them yet, and whoever copies them is the first to: a pull by copy took up
/// to three times the CPU (`docs/PERFORMANCE.md`). Who knows the place can have the kernel hand the
/// pages on instead.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The file, which keeps its bytes even when its name is gone.
    pub(crate) file: Arc<File>,
    /// The first byte's distance from the beginning of the file.
    pub(crate) start: u64,
}

impl Window {
    /// Bytes that came from the disk, from `place`.
    pub(crate) fn from_disk(bytes: Bytes, place: Place) -> Self {
        Self { bytes, place: Some(place) }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Where they came from, if that was the disk.
    pub(crate) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }
}

impl From<Bytes> for Window {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, place: None }
    }
}

impl Buf for Window {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.bytes.chunks_vectored(slices)
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        if let Some(place) = &mut self.place {
            place.start += count as u64;
        }
    }
}
