//! One gzip member out of blocks that are compressed apart from each other (RFC 1952), as pigz makes
//! it: each block knows the 32 KiB before it, ends at a byte's boundary, and is not the last; an
//! empty block and the checksum end the member. Every reader of gzip takes it, and the blocks cost
//! next to nothing in size. The header has no time, no name and no operating system.

use std::io;

use flate2::{Compress, Crc, FlushCompress, Status};

/// How many bytes are compressed apart from the others: less makes larger output, more makes more
/// memory.
pub(crate) const BLOCK_BYTES: usize = 256 << 10;
/// How far back a block may refer (RFC 1951).
const WINDOW_BYTES: usize = 32 << 10;
/// Magic, deflate, no flags, no time, no hint, operating system unknown.
pub(crate) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// An empty block with fixed codes that says it is the last.
const LAST_BLOCK: [u8; 2] = [3, 0];

/// Compresses blocks.
pub(crate) struct Blocks {
    level: flate2::Compression,
}

/// Sums up the blocks that went into a member, in their order.
#[derive(Default)]
pub(crate) struct Sum(Crc);

impl Blocks {
    pub(crate) fn new(level: u8) -> Self {
        Self { level: flate2::Compression::new(level.into()) }
    }

    /// `block` in its compressed form; `before` is the block before it, if there is one.
    pub(crate) fn compress(&self, before: &[u8], block: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        // A compressor that is used again with `reset` lets its past show: zlib-rs hashes some bytes of
        // what was in its window before, and finds other matches.
        let mut deflate = Compress::new(self.level, false);
        if !before.is_empty() {
            let window = &before[before.len().saturating_sub(WINDOW_BYTES)..];
            deflate.set_dictionary(window).map_err(io::Error::other)?;
        }
        let mut taken = 0;
        loop {
            // Room to spare: a flush is over only when it did not fill the room it was given.
            out.reserve((block.len() - taken) / 2 + (16 << 10));
            let before = deflate.total_in();
            let rest = &block[taken..];
            let status = deflate
                .compress_vec(rest, &mut out, FlushCompress::Sync)
                .map_err(io::Error::other)?;
            taken += usize::try_from(deflate.total_in() - before).unwrap_or(rest.len());
            if status != Status::Ok || (taken == block.len() && out.len() < out.capacity()) {
                return Ok(out);
            }
        }
    }
}

impl Sum {
    /// The checksum of one block.
    pub(crate) fn of(block: &[u8]) -> Self {
        let mut crc = Crc::new();
        crc.update(block);
        Self(crc)
    }

    /// Takes in the next block's.
    pub(crate) fn append(&mut self, next: &Self) {
        self.0.combine(&next.0);
    }

    /// What ends the member.
    pub(crate) fn trailer(&self) -> [u8; 10] {
        let mut trailer = [0; 10];
        trailer[..2].copy_from_slice(&LAST_BLOCK);
        trailer[2..6].copy_from_slice(&self.0.sum().to_le_bytes());
        trailer[6..].copy_from_slice(&self.0.amount().to_le_bytes());
        trailer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_out_the_same_whatever_was_compressed_before_it() {
        let mut state = 1_u32;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b'a' + (state >> 16) as u8 % 4
        });
        let text: Vec<u8> = noise.take(300_000).collect();
        let used = Blocks::new(6);
        for pair in text.chunks_exact(2_000) {
            let (before, block) = pair.split_at(500);
            let fresh = Blocks::new(6).compress(before, block).unwrap();
            assert!(used.compress(before, block).unwrap() == fresh);
        }
    }
}
