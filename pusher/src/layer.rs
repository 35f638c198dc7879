//! The form in which a layer goes: as it is, or compressed, with gzip or zstd. What was compressed
//! once is remembered, so that an unchanged layer is never compressed twice.
//!
//! The same input gives the same bytes, whatever the machine and the number of its processors: an
//! image pushed twice has one digest. What it refuses to do: decide which form is wanted, read a
//! layer's tar archive, keep a whole layer in memory.

mod compress;
mod compression;
mod digest_cache;
mod gzip;
mod zstd;

pub use compress::{Compressed, compress};
pub use compression::{Compression, CompressionError};
pub use digest_cache::DigestCache;
