//! `compress`: a layer into its compressed form, in blocks, on several threads, in bounded memory.
//!
//! ```text
//! reading thread ──► hashing thread                           the digest of the tar archive
//!       └──► a lane per thread: a block in, its compressed form out
//!                  └──► the calling thread: takes the lanes in turn, writes, hashes
//! ```
//!
//! Block `n` goes down lane `n` modulo their number, and out of the lanes in the same turn: the order
//! is that of the input with nothing to sort. Each stage ends when the one before it has gone, and
//! stops when the one behind it has, so an error at either end ends them all.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle, scope};

use wharf_oci::{Algorithm, Digest, Hasher};

use crate::layer::compression::Compression;
use crate::layer::{gzip, zstd};

/// The most threads that compress one layer. Each holds about three blocks.
const THREADS_MAX: usize = 16;
/// How many blocks wait before each thread while it is at work on one.
const WAITING_BLOCKS_MAX: usize = 1;
/// How far hashing may be behind reading.
const UNHASHED_BLOCKS_MAX: usize = 2;
/// How many bytes are read at a time when nothing is compressed.
const COPY_BUFFER_BYTES: usize = 1 << 20;

/// What `compress` wrote, and from what. Digests are sha256, sizes bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compressed {
    /// The digest of what was written.
    pub digest: Digest,
    /// Its size.
    pub size: u64,
    /// The digest of what was read, which is the layer's diff id.
    pub diff_id: Digest,
    /// Its size.
    pub diff_size: u64,
}

/// Writes what `reader` gives in the form `compression` to `out`, on `threads` threads and two more,
/// and hashes both ends on the way. After each block `progress` is told the bytes read and written so
/// far. The bytes written depend on those read and on `compression` alone.
///
/// Blocks until all is written or something failed; all its threads have ended then. Memory: some
/// three blocks for each thread, of 1 MiB with gzip and 4 MiB with zstd.
///
/// # Errors
/// `reader` or `out` failed, with their own error; or a thread could not be started. What was written
/// so far is of no use.
pub fn compress(
    reader: impl Read + Send,
    compression: Compression,
    threads: usize,
    out: impl Write,
    progress: impl FnMut(u64, u64),
) -> io::Result<Compressed> {
    let out = Output { out, hasher: Hasher::new(Algorithm::Sha256), read: 0, written: 0, progress };
    match compression {
        Compression::None => copy(reader, out),
        Compression::Gzip { .. } => in_lanes(reader, compression, gzip::BLOCK_BYTES, threads, out),
        Compression::Zstd { .. } => in_lanes(reader, compression, zstd::BLOCK_BYTES, threads, out),
    }
}

/// Where everything ends up, in order.
struct Output<W, P> {
    out: W,
    hasher: Hasher,
    read: u64,
    written: u64,
    progress: P,
}

impl<W: Write, P: FnMut(u64, u64)> Output<W, P> {
    /// Writes what `read` further bytes became.
    fn put(&mut self, read: usize, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.out.write_all(bytes)?;
        self.read += read as u64;
        self.written += bytes.len() as u64;
        (self.progress)(self.read, self.written);
        Ok(())
    }

    fn finish(mut self, diff_id: Option<Digest>) -> io::Result<Compressed> {
        self.out.flush()?;
        let digest = self.hasher.finalize();
        Ok(Compressed {
            digest,
            size: self.written,
            diff_id: diff_id.unwrap_or(digest),
            diff_size: self.read,
        })
    }
}

fn copy<W: Write, P: FnMut(u64, u64)>(
    mut reader: impl Read,
    mut out: Output<W, P>,
) -> io::Result<Compressed> {
    let mut buffer = vec![0; COPY_BUFFER_BYTES];
    loop {
        let read = fill(&mut reader, &mut buffer)?;
        if read == 0 {
            return out.finish(None);
        }
        out.put(read, &buffer[..read])?;
    }
}

/// A block on its way to be compressed, and the one before it.
struct Block {
    bytes: Arc<Vec<u8>>,
    before: Option<Arc<Vec<u8>>>,
}

/// A block that was compressed.
struct Squeezed {
    read: usize,
    bytes: Vec<u8>,
    /// gzip's checksum of the block.
    sum: Option<gzip::Sum>,
}

fn in_lanes<W: Write, P: FnMut(u64, u64)>(
    reader: impl Read + Send,
    compression: Compression,
    block_bytes: usize,
    threads: usize,
    mut out: Output<W, P>,
) -> io::Result<Compressed> {
    scope(|scope| {
        let (mut entries, mut exits) = (Vec::new(), Vec::new());
        for _ in 0..threads.clamp(1, THREADS_MAX) {
            let (entry, blocks) = sync_channel(WAITING_BLOCKS_MAX);
            let (done, exit) = sync_channel(WAITING_BLOCKS_MAX);
            start(scope, move || squeeze(compression, &blocks, &done))?;
            entries.push(entry);
            exits.push(exit);
        }
        let (to_hash, blocks) = sync_channel(UNHASHED_BLOCKS_MAX);
        let hashing = start(scope, move || hash(&blocks))?;
        let reading = start(scope, move || read(reader, block_bytes, &entries, &to_hash))?;
        write(exits, compression, &mut out)?;
        joined(reading)?;
        out.finish(Some(joined(hashing)))
    })
}

fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    Builder::new().name("compress".to_owned()).spawn_scoped(scope, work)
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Cuts the input into blocks and deals them to the lanes in turn.
fn read(
    mut reader: impl Read,
    block_bytes: usize,
    lanes: &[SyncSender<Block>],
    to_hash: &SyncSender<Arc<Vec<u8>>>,
) -> io::Result<()> {
    let mut buffers = Buffers { ring: Vec::new(), next: 0, length: 2 * lanes.len() + 4 };
    let mut before = None;
    for lane in lanes.iter().cycle() {
        let mut buffer = buffers.take();
        // A buffer that came back is still as long as it was.
        buffer.resize(block_bytes, 0);
        let read = fill(&mut reader, &mut buffer)?;
        if read == 0 {
            break;
        }
        buffer.truncate(read);
        let bytes = buffers.lend(buffer);
        let block = Block { bytes: Arc::clone(&bytes), before: before.replace(Arc::clone(&bytes)) };
        // Whoever does not take it any more has failed, and says so itself.
        if lane.send(block).is_err() || to_hash.send(bytes).is_err() {
            break;
        }
    }
    Ok(())
}

/// The buffers that were handed out, in turn, to be taken again when nobody reads them any more:
/// fresh memory of this size costs more than hashing it would.
struct Buffers {
    ring: Vec<Arc<Vec<u8>>>,
    next: usize,
    length: usize,
}

impl Buffers {
    fn take(&mut self) -> Vec<u8> {
        let oldest = self.ring.get_mut(self.next).and_then(Arc::get_mut);
        oldest.map(std::mem::take).unwrap_or_default()
    }

    fn lend(&mut self, buffer: Vec<u8>) -> Arc<Vec<u8>> {
        let buffer = Arc::new(buffer);
        match self.ring.get_mut(self.next) {
            Some(place) => *place = Arc::clone(&buffer),
            None => self.ring.push(Arc::clone(&buffer)),
        }
        self.next = (self.next + 1) % self.length;
        buffer
    }
}

/// Reads until the buffer is full or the input ends.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn hash(blocks: &Receiver<Arc<Vec<u8>>>) -> Digest {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    for block in blocks {
        hasher.update(&block);
    }
    hasher.finalize()
}

/// Compresses what comes down one lane.
fn squeeze(
    compression: Compression,
    blocks: &Receiver<Block>,
    done: &SyncSender<io::Result<Squeezed>>,
) {
    let mut squeezer = match Squeezer::new(compression) {
        Ok(squeezer) => squeezer,
        Err(error) => {
            _ = done.send(Err(error));
            return;
        }
    };
    for block in blocks {
        let squeezed = squeezer.squeeze(&block);
        // The buffer is free before the result finds its taker.
        drop(block);
        if done.send(squeezed).is_err() {
            return;
        }
    }
}

enum Squeezer {
    Gzip(gzip::Blocks),
    Zstd(zstd::Frames),
}

impl Squeezer {
    fn new(compression: Compression) -> io::Result<Self> {
        match compression {
            Compression::Zstd { level } => zstd::Frames::new(level).map(Self::Zstd),
            Compression::Gzip { level } => Ok(Self::Gzip(gzip::Blocks::new(level))),
            Compression::None => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn squeeze(&mut self, block: &Block) -> io::Result<Squeezed> {
        let read = block.bytes.len();
        match self {
            Self::Gzip(blocks) => {
                let before = block.before.as_ref().map_or(&[][..], |before| before);
                let bytes = blocks.compress(before, &block.bytes)?;
                Ok(Squeezed { read, bytes, sum: Some(gzip::Sum::of(&block.bytes)) })
            }
            Self::Zstd(frames) => {
                Ok(Squeezed { read, bytes: frames.compress(&block.bytes)?, sum: None })
            }
        }
    }
}

/// Takes the lanes in turn and writes what comes out, until one of them has nothing more.
fn write<W: Write, P: FnMut(u64, u64)>(
    lanes: Vec<Receiver<io::Result<Squeezed>>>,
    compression: Compression,
    out: &mut Output<W, P>,
) -> io::Result<()> {
    let is_gzip = matches!(compression, Compression::Gzip { .. });
    if is_gzip {
        out.put(0, &gzip::HEADER)?;
    }
    let mut whole = gzip::Sum::default();
    for lane in lanes.iter().cycle() {
        let Ok(squeezed) = lane.recv() else { break };
        let Squeezed { read, bytes, sum } = squeezed?;
        if let Some(sum) = sum {
            whole.append(&sum);
        }
        out.put(read, &bytes)?;
    }
    if is_gzip { out.put(0, &whole.trailer()) } else { Ok(()) }
}
