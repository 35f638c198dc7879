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

mod blocks;
mod squeezer;

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle, scope};

use wharf_oci::{Algorithm, Digest, Hasher};

use crate::layer::compression::Compression;
use crate::layer::{gzip, zstd};
use blocks::{Block, deal, fill};
use squeezer::{Squeezed, Squeezer};

/// The most threads that compress one layer. Each holds about three blocks.
const THREADS_MAX: usize = 8;
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
/// three blocks for each thread, of 256 KiB with gzip and 4 MiB with zstd.
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
        let reading = start(scope, move || deal(reader, block_bytes, &entries, &to_hash))?;
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const FORMS: [Compression; 6] = [
        Compression::None,
        Compression::Gzip { level: 1 },
        Compression::GZIP,
        Compression::Gzip { level: 9 },
        Compression::Zstd { level: 1 },
        Compression::ZSTD,
    ];

    /// Words in no order: compresses well, and refers far back.
    fn content(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let words = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            format!("{:x} ", (state >> 16) % 5000)
        });
        words.flat_map(String::into_bytes).take(length).collect()
    }

    /// Gives its content in pieces of odd lengths, and then an error, if it has one.
    struct Pieces<'a>(&'a [u8], Option<io::ErrorKind>);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(9973);
            match self.1 {
                Some(error) if self.0.is_empty() => Err(error.into()),
                _ => self.0.read(&mut buffer[..length]),
            }
        }
    }

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn decompressed(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        let mut content = Vec::new();
        match compression {
            Compression::None => bytes.to_vec(),
            Compression::Gzip { .. } => {
                // One member: a reader that stops after the first has it all.
                let read = flate2::bufread::GzDecoder::new(bytes).read_to_end(&mut content);
                assert_eq!(read.unwrap(), content.len());
                content
            }
            Compression::Zstd { .. } => ::zstd::decode_all(bytes).unwrap(),
        }
    }

    const LENGTH_MAX: usize = 2 * zstd::BLOCK_BYTES;

    /// Two blocks.
    fn length(compression: Compression) -> usize {
        match compression {
            Compression::Zstd { .. } => LENGTH_MAX,
            _ => 2 * gzip::BLOCK_BYTES,
        }
    }

    #[test]
    fn the_bytes_depend_on_the_content_alone() {
        let long = content(LENGTH_MAX + 12_345);
        for compression in FORMS {
            let content = &long[..length(compression) + 12_345];
            let mut first = None;
            for threads in [0, 1, 2, 4] {
                let mut out = Vec::new();
                let told = Cell::new((0, 0));
                let told_later = |read, written| {
                    let before = told.replace((read, written));
                    assert!(before.0 <= read && before.1 <= written);
                };
                let compressed =
                    compress(Pieces(content, None), compression, threads, &mut out, told_later)
                        .unwrap();
                let first = first.get_or_insert(compressed);
                assert_eq!(compressed, *first, "{compression} on {threads} threads");
                assert_eq!(told.get(), (compressed.diff_size, compressed.size));
                assert_eq!(compressed.digest, Digest::of(Algorithm::Sha256, &out));
                assert_eq!(compressed.size, out.len() as u64);
                assert_eq!(compressed.diff_id, Digest::of(Algorithm::Sha256, content));
                assert_eq!(compressed.diff_size, content.len() as u64);
                assert!(decompressed(compression, &out) == content, "{compression}");
            }
        }
    }

    #[test]
    fn every_length_comes_back() {
        let long = content(LENGTH_MAX);
        for compression in FORMS {
            let block = length(compression) / 2;
            for length in [0, 1, 2, block - 1, block, block + 1] {
                let (content, mut out) = (&long[..length], Vec::new());
                compress(content, compression, 2, &mut out, |_, _| ()).unwrap();
                assert!(decompressed(compression, &out) == content, "{compression}, {length}");
            }
        }
    }

    /// A failure here means that a library makes other bytes than before, which is its good right: put
    /// the new digests here, and raise `FORMAT_VERSION`.
    #[test]
    fn the_bytes_are_those_of_this_version() {
        let content = content(2 * gzip::BLOCK_BYTES);
        for (compression, digest) in
            [(Compression::GZIP, "d5d892515f68ee89"), (Compression::ZSTD, "4ea776efc1dfe6ca")]
        {
            let made = compress(&content[..], compression, 2, io::sink(), |_, _| ()).unwrap();
            assert_eq!(made.digest.hex()[..16], *digest, "{compression}");
        }
    }

    #[test]
    fn an_error_at_either_end_ends_all_threads() {
        let content = content(8 * gzip::BLOCK_BYTES);
        for compression in FORMS {
            let broken = Pieces(&content, Some(io::ErrorKind::UnexpectedEof));
            let error = compress(broken, compression, 2, io::sink(), |_, _| ()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{compression}");
            let endless = io::repeat(7);
            let error = compress(endless, compression, 2, Full, |_, _| ()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{compression}");
        }
    }
}
