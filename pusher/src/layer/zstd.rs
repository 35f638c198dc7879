//! zstd as frames one after the other (RFC 8878, 3), each of a block that is compressed apart from the
//! others. Each frame says how large its content is; none has a checksum, since the layer's digest is
//! one. What it refuses to do: refer from one frame to another.

use std::io;

use zstd::bulk::Compressor;

/// How many bytes make a frame: less makes larger output, more makes more memory.
pub(crate) const BLOCK_BYTES: usize = 4 << 20;

/// Compresses blocks.
pub(crate) struct Frames(Compressor<'static>);

impl Frames {
    pub(crate) fn new(level: u8) -> io::Result<Self> {
        Ok(Self(Compressor::new(level.into())?))
    }

    /// The frame of `block`.
    pub(crate) fn compress(&mut self, block: &[u8]) -> io::Result<Vec<u8>> {
        self.0.compress(block)
    }
}
