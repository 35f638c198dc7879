//! `Pool`: the memory of all uploads together, in buffers that are used again and again.
//!
//! An upload takes a buffer when bytes have come and never while it waits for them with an empty one
//! in hand; it gives it back when its lane is done with it, which waits for no client. One that is
//! partly full and waits for its client is sent on as it is as soon as somebody else waits for a
//! buffer ([`Buffers::wanted`]). So every upload comes to its turn, in the order of asking, however
//! many there are and however slow some of them send.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use memmap2::MmapMut;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Size of a buffer: 256 KiB. Each one that is full wakes the lane, so that half the size is twice the
/// wakings.
pub(super) const BUFFER_BYTES: usize = 256 << 10;

/// Buffers of all uploads together: 8 MiB.
const POOL_BUFFERS: usize = (8 << 20) / BUFFER_BYTES;

/// Buffers of one upload: one that fills, and four on their way.
const UPLOAD_BUFFERS: usize = 5;

/// Bytes that come together from here on are not copied: 128 KiB. They lie in memory of hyper's, up to
/// twice as much, and count as a buffer.
pub(super) const HANDED_ON_BYTES: usize = BUFFER_BYTES / 2;

/// Empty buffers that are kept while nobody uploads: 1 MiB.
const KEPT_BUFFERS: usize = (1 << 20) / BUFFER_BYTES;

/// The buffers of all uploads.
#[derive(Debug)]
pub(crate) struct Pool {
    places: Arc<Semaphore>,
    empty: Mutex<Empty>,
    /// Uploads that wait for a buffer.
    waiting: AtomicUsize,
    short: Notify,
}

#[derive(Debug, Default)]
struct Empty {
    buffers: Vec<MmapMut>,
    /// Uploads that are running.
    uploads: usize,
}

/// What one upload has of the pool.
#[derive(Debug)]
pub(super) struct Buffers {
    pool: Arc<Pool>,
    turns: Arc<Semaphore>,
}

/// A buffer: first filled, then handed to the lane. Dropped, it goes back to the pool.
#[derive(Debug)]
pub(super) struct Buffer {
    memory: Memory,
    length: usize,
    pool: Arc<Pool>,
    _turn: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

/// What a buffer is made of.
#[derive(Debug)]
enum Memory {
    /// A mapping of the pool's, not allocated: when it goes, it goes back to the system.
    Pooled(MmapMut),
    /// What somebody else allocated, full from the beginning.
    HandedOn(Bytes),
}

impl Pool {
    pub(crate) fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(POOL_BUFFERS)),
            empty: Mutex::default(),
            waiting: AtomicUsize::new(0),
            short: Notify::new(),
        }
    }

    /// Waits for a place in the pool, behind everybody who asked before.
    async fn place(self: &Arc<Self>) -> OwnedSemaphorePermit {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return place;
        }
        let _waiting = Waiting::new(self);
        let place = Arc::clone(&self.places).acquire_owned().await;
        #[expect(clippy::expect_used, reason = "the semaphore is private and never closed")]
        place.expect("never closed")
    }

    fn lock(&self) -> MutexGuard<'_, Empty> {
        self.empty.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Empty {
    /// How many empty buffers are worth keeping.
    fn kept(&self) -> usize {
        self.uploads.saturating_mul(UPLOAD_BUFFERS).max(KEPT_BUFFERS)
    }
}

impl Buffers {
    pub(super) fn new(pool: &Arc<Pool>) -> Self {
        pool.lock().uploads += 1;
        Self { pool: Arc::clone(pool), turns: Arc::new(Semaphore::new(UPLOAD_BUFFERS)) }
    }

    /// An empty buffer. Waits while too many of this upload, or of all, are under way.
    pub(super) async fn take(&self) -> Buffer {
        let (turn, place) = self.permits().await;
        let empty = self.pool.lock().buffers.pop();
        self.buffer(Memory::Pooled(empty.unwrap_or_else(map)), 0, turn, place)
    }

    /// `bytes` as a buffer that is full: they are not copied. Waits as for an empty one.
    pub(super) async fn hand_on(&self, bytes: Bytes) -> Buffer {
        let (turn, place) = self.permits().await;
        let length = bytes.len();
        self.buffer(Memory::HandedOn(bytes), length, turn, place)
    }

    async fn permits(&self) -> (OwnedSemaphorePermit, OwnedSemaphorePermit) {
        #[expect(clippy::expect_used, reason = "the semaphore is private and never closed")]
        let turn = Arc::clone(&self.turns).acquire_owned().await.expect("never closed");
        (turn, self.pool.place().await)
    }

    fn buffer(
        &self,
        memory: Memory,
        length: usize,
        turn: OwnedSemaphorePermit,
        place: OwnedSemaphorePermit,
    ) -> Buffer {
        Buffer { memory, length, pool: Arc::clone(&self.pool), _turn: turn, _place: place }
    }

    /// Waits until another upload waits for a buffer.
    pub(super) async fn wanted(&self) {
        loop {
            let short = self.pool.short.notified();
            if self.pool.waiting.load(Ordering::SeqCst) > 0 {
                return;
            }
            short.await;
        }
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        let mut empty = self.pool.lock();
        empty.uploads -= 1;
        let kept = empty.kept();
        empty.buffers.truncate(kept);
    }
}

impl Buffer {
    /// The bytes that are in it.
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.memory {
            Memory::Pooled(memory) => &memory[..self.length],
            Memory::HandedOn(bytes) => bytes,
        }
    }

    /// The room that is left in it.
    pub(super) fn room(&mut self) -> &mut [u8] {
        match &mut self.memory {
            Memory::Pooled(memory) => &mut memory[self.length..],
            Memory::HandedOn(_) => &mut [],
        }
    }

    /// Counts `length` bytes that were written to the beginning of [`Buffer::room`]; says whether it
    /// is full now.
    pub(super) fn advance(&mut self, length: usize) -> bool {
        self.length += length;
        self.length == BUFFER_BYTES
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let memory = std::mem::replace(&mut self.memory, Memory::HandedOn(Bytes::new()));
        let Memory::Pooled(memory) = memory else { return };
        let mut empty = self.pool.lock();
        if empty.buffers.len() < empty.kept() {
            empty.buffers.push(memory);
        }
    }
}

fn map() -> MmapMut {
    #[expect(clippy::expect_used, reason = "as with any allocation, nothing goes on without it")]
    MmapMut::map_anon(BUFFER_BYTES).expect("the system has memory for a buffer")
}

/// Somebody who waits for a buffer, counted.
struct Waiting<'a>(&'a Pool);

impl<'a> Waiting<'a> {
    fn new(pool: &'a Pool) -> Self {
        pool.waiting.fetch_add(1, Ordering::SeqCst);
        pool.short.notify_waiters();
        Self(pool)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}
