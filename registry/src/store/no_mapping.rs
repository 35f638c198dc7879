//! What stands in the place of `mapping` where the system cannot bring pages in on demand: no blob is
//! ever mapped, all are read.

use std::convert::Infallible;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::error::StoreError;
use super::window::Window;

/// A mapped file, of which there are none.
#[derive(Debug, Clone)]
pub(crate) struct MappedBlob(Infallible);

impl MappedBlob {
    pub(crate) fn map(_file: &Arc<File>, _path: &Path) -> Option<Self> {
        None
    }

    pub(crate) fn window(&self, _range: Range<usize>) -> Result<Window, StoreError> {
        match self.0 {}
    }

    pub(crate) fn window_at_once(&self, _range: Range<usize>) -> Option<Window> {
        match self.0 {}
    }
}
