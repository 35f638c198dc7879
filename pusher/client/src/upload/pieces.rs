//! The bytes of a source in pieces: a blocking thread reads a few ahead of the connection, into
//! buffers that come back when the connection lets go of them. Fresh memory for each piece would
//! cost more than the copy into it.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::mpsc as queue;

/// How much is read at once.
const PIECE_BYTES: usize = 1 << 20;
/// How many buffers there are at most: one being filled, one being sent, one in between.
const BUFFERS_MAX: usize = 3;

pub(crate) type Open = Box<dyn FnOnce() -> io::Result<Box<dyn Read + Send>> + Send>;
/// Told how many bytes more the connection has taken.
pub(crate) type Taken = Arc<dyn Fn(u64) + Send + Sync>;

/// What is read, in order. Nothing is before the first piece is asked for.
pub(crate) struct Pieces {
    waiting: Option<Reading>,
    taken: Option<Taken>,
    // Bounded by the number of buffers.
    pieces: queue::UnboundedReceiver<io::Result<Bytes>>,
    /// What was left of a piece that was longer than asked for.
    rest: Bytes,
}

impl Pieces {
    /// What `open` gives, less the first `skip` bytes, and `size` bytes from there.
    pub(crate) fn new(open: Open, skip: u64, size: u64) -> Self {
        let (sender, pieces) = queue::unbounded_channel();
        let waiting = Some(Reading { open, skip, left: size, sender });
        Self { waiting, taken: None, pieces, rest: Bytes::new() }
    }

    /// Tells `taken` of every piece that the connection lets go of.
    pub(crate) fn count(&mut self, taken: Taken) {
        self.taken = Some(taken);
    }

    /// The next bytes, `length` at most. An early end is an error.
    pub(crate) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        length: u64,
    ) -> Poll<io::Result<Bytes>> {
        if let Some(reading) = self.waiting.take() {
            let buffers = Buffers::new(self.taken.clone());
            tokio::task::spawn_blocking(move || reading.run(buffers));
        }
        if self.rest.is_empty() {
            self.rest = match ready!(self.pieces.poll_recv(context)) {
                Some(piece) => piece?,
                None => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            };
        }
        let length = usize::try_from(length).map_or(self.rest.len(), |it| it.min(self.rest.len()));
        Poll::Ready(Ok(self.rest.split_to(length)))
    }
}

/// The pieces, which one request at a time takes from.
pub(crate) fn lock(pieces: &Mutex<Pieces>) -> MutexGuard<'_, Pieces> {
    pieces.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes in memory that are counted when nobody holds them any more.
pub(crate) fn counted(bytes: Bytes, taken: Taken) -> Bytes {
    struct Counted(Bytes, Taken);
    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            (self.1)(self.0.len() as u64);
        }
    }
    Bytes::from_owner(Counted(bytes, taken))
}

/// What the thread has to do.
struct Reading {
    open: Open,
    skip: u64,
    left: u64,
    sender: queue::UnboundedSender<io::Result<Bytes>>,
}

impl Reading {
    /// Reads until everything was taken or nobody takes it any more.
    fn run(self, mut buffers: Buffers) {
        let Self { open, skip, mut left, sender } = self;
        let mut reader = match open().and_then(|reader| pass_over(reader, skip, &mut buffers)) {
            Ok(reader) => reader,
            Err(error) => {
                // If nobody takes the reason, nobody asks for one.
                _ = sender.send(Err(error));
                return;
            }
        };
        while left > 0 {
            let length = PIECE_BYTES.min(usize::try_from(left).unwrap_or(PIECE_BYTES));
            // The queue has gone with its request: so have the buffers that were in it.
            let Some(mut buffer) = buffers.take() else { return };
            let piece = match reader.read_exact(&mut buffer[..length]) {
                Ok(()) => Ok(buffers.lend(buffer, length)),
                Err(error) => Err(error),
            };
            if sender.send(piece).is_err() {
                return;
            }
            left -= length as u64;
        }
    }
}

/// The reader without its first `skip` bytes.
fn pass_over(
    mut reader: Box<dyn Read + Send>,
    skip: u64,
    buffers: &mut Buffers,
) -> io::Result<Box<dyn Read + Send>> {
    let mut left = skip;
    let Some(mut buffer) = buffers.take().filter(|_| left > 0) else { return Ok(reader) };
    while left > 0 {
        let length = PIECE_BYTES.min(usize::try_from(left).unwrap_or(PIECE_BYTES));
        reader.read_exact(&mut buffer[..length])?;
        left -= length as u64;
    }
    buffers.give_back(buffer);
    Ok(reader)
}

/// A few buffers that go round.
struct Buffers {
    made: usize,
    free: mpsc::Receiver<Vec<u8>>,
    back: mpsc::Sender<Vec<u8>>,
    taken: Option<Taken>,
}

impl Buffers {
    fn new(taken: Option<Taken>) -> Self {
        let (back, free) = mpsc::channel();
        Self { made: 0, free, back, taken }
    }

    /// One that is free; waits for it if there are enough.
    fn take(&mut self) -> Option<Vec<u8>> {
        if let Ok(buffer) = self.free.try_recv() {
            return Some(buffer);
        }
        if self.made == BUFFERS_MAX {
            return self.free.recv().ok();
        }
        self.made += 1;
        Some(vec![0; PIECE_BYTES])
    }

    fn give_back(&self, buffer: Vec<u8>) {
        // The other end is here.
        _ = self.back.send(buffer);
    }

    /// The first `length` bytes of the buffer, which comes back when they are dropped.
    fn lend(&self, buffer: Vec<u8>, length: usize) -> Bytes {
        let (back, taken) = (self.back.clone(), self.taken.clone());
        Bytes::from_owner(Lent { buffer, length, back, taken })
    }
}

struct Lent {
    buffer: Vec<u8>,
    length: usize,
    back: mpsc::Sender<Vec<u8>>,
    taken: Option<Taken>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(taken) = &self.taken {
            taken(self.length as u64);
        }
        // A thread that has read everything does not miss it.
        _ = self.back.send(std::mem::take(&mut self.buffer));
    }
}
