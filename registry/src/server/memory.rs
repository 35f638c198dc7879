//! Memory of connections: how large their reading buffers may be, keeping it while it is used, and giving
//! it back once a crowd has left. The allocator of glibc keeps what was freed in the middle of its heaps
//! until it is told not to, and gives back what was freed at their end a moment too early; other
//! allocators are left alone.

#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(
        unsafe_code,
        reason = "malloc_trim and mallopt have no safe bindings; they take no pointers"
    )
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

/// hyper's reading buffer may grow to this size, or to that of the largest head. A connection may
/// have two, while an upload waits for the disk or for others.
pub(super) const READ_BUFFER_BYTES: usize = 64 << 10;

/// It may grow to this size on a few connections, which spares calls where few clients send much.
pub(super) const LARGE_READ_BUFFER_BYTES: usize = 256 << 10;

/// Connections with such a large buffer.
const LARGE_READ_BUFFERS_MAX: usize = 4;

/// Memory is given back after so many connections have ended.
const CROWD_CONNECTIONS: usize = 16;

/// Free memory that a heap of glibc keeps at its end: 4 MiB. The default is twice its largest allocation,
/// so that reading buffers, which the disk and the hash give back one by one, would go back to the
/// system and come again page by page.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAP_KEEPS_BYTES: i32 = 4 << 20;

/// What is larger than this is mapped by itself: 1 MiB, more than any reading buffer.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED_ALONE_BYTES: i32 = 1 << 20;

/// How often, until a time in which none ends: then all of the crowd have left.
const CROWD_TIME: Duration = Duration::from_secs(1);

/// What the connections take of memory.
#[derive(Debug)]
pub(super) struct ConnectionMemory {
    large_buffers: Semaphore,
    ended: AtomicUsize,
    crowd_left: Notify,
}

/// The share of one connection, until it ends.
#[derive(Debug)]
pub(super) struct Share<'a> {
    memory: &'a ConnectionMemory,
    large_buffer: Option<SemaphorePermit<'a>>,
}

impl ConnectionMemory {
    pub(super) fn new() -> Self {
        keep();
        Self {
            large_buffers: Semaphore::new(LARGE_READ_BUFFERS_MAX),
            ended: AtomicUsize::new(0),
            crowd_left: Notify::new(),
        }
    }

    /// The share of a connection that has just begun.
    pub(super) fn share(&self) -> Share<'_> {
        Share { memory: self, large_buffer: self.large_buffers.try_acquire().ok() }
    }

    /// Gives memory back to the system whenever a crowd has left.
    pub(super) async fn give_back_forever(&self) {
        loop {
            self.crowd_left.notified().await;
            while self.ended.swap(0, Ordering::Relaxed) > 0 {
                // Connections of a crowd end one by one: trimming after each would stall the rest.
                tokio::time::sleep(CROWD_TIME).await;
                // It ends by itself, and nothing depends on it.
                _ = tokio::task::spawn_blocking(trim).await;
            }
        }
    }
}

impl Share<'_> {
    /// Whether the connection may have a large reading buffer.
    pub(super) fn has_large_buffer(&self) -> bool {
        self.large_buffer.is_some()
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        if self.memory.ended.fetch_add(1, Ordering::Relaxed) + 1 >= CROWD_CONNECTIONS {
            self.memory.crowd_left.notify_one();
        }
    }
}

/// Has the heaps keep the memory of reading buffers.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keep() {
    // SAFETY: both set a number, under the allocator's own lock. A refusal costs speed alone.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_ALONE_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, HEAP_KEEPS_BYTES);
    }
}

/// Elsewhere the allocator knows by itself.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep() {}

/// Gives free pages of the heaps back to the system.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim() {
    // SAFETY: it only walks the allocator's own lists, under the allocator's own locks.
    unsafe { libc::malloc_trim(0) };
}

/// Elsewhere the allocator does so by itself.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() {}
