//! What stands in the place of `mapping` where the system cannot bring pages in on demand: no blob is
//! ever mapped, all are read.

use std::convert::Infallible;
use std::fs::File;
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;

use super::error::StoreError;

/// A mapped file, of which there are none.
#[derive(Debug, Clone)]
pub(crate) struct MappedBlob(Infallible);

impl MappedBlob {
    pub(crate) fn map(_file: &File, _path: &Path) -> Option<Self> {
        None
    }

    pub(crate) fn window(&self, _range: Range<usize>) -> Result<Bytes, StoreError> {
        match self.0 {}
    }

    pub(crate) fn window_at_once(&self, _range: Range<usize>) -> Option<Bytes> {
        match self.0 {}
    }
}
