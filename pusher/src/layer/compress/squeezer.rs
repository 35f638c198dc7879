//! What a lane does: one block in, its compressed form out.

use std::io;

use crate::layer::compress::blocks::Block;
use crate::layer::compression::Compression;
use crate::layer::{gzip, zstd};

/// Compresses block after block.
pub(super) enum Squeezer {
    Gzip(gzip::Blocks),
    Zstd(zstd::Frames),
}

impl Squeezer {
    pub(super) fn new(compression: Compression) -> io::Result<Self> {
        match compression {
            Compression::Zstd { level } => zstd::Frames::new(level).map(Self::Zstd),
            Compression::Gzip { level } => Ok(Self::Gzip(gzip::Blocks::new(level))),
            Compression::None => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(super) fn squeeze(&mut self, block: &Block) -> io::Result<Squeezed> {
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

/// A block that was compressed.
pub(super) struct Squeezed {
    pub(super) read: usize,
    pub(super) bytes: Vec<u8>,
    /// gzip's checksum of the block.
    pub(super) sum: Option<gzip::Sum>,
}
