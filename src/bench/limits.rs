//! How far one measurement may go, so that nobody is hurt by a benchmark started in passing.

use std::time::Duration;

use wharf_load::{Cell, Size};

use super::BenchError;

/// The bounds of one measurement of one registry.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes that are pulled or pushed.
    pub bytes_max: u64,
    /// Longer than this, and it has failed.
    pub time_max: Duration,
    /// Whether what comes is checked against its digest.
    pub verify: bool,
}

impl Limits {
    /// Whether the least that has to be moved is allowed.
    ///
    /// # Errors
    /// It is not.
    pub fn allow(&self, cell: Cell, bytes: u64) -> Result<(), BenchError> {
        match bytes <= self.bytes_max {
            true => Ok(()),
            false => {
                Err(BenchError::Bounds { cell, bytes: Size(bytes), most: Size(self.bytes_max) })
            }
        }
    }
}
