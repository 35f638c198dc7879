//! One registry that is measured: its name in the results, where it listens, its process where that can
//! be seen, and the repository that the benchmark has there.

use wharf_load::{LoadError, ServerProcess, Target};

use super::{BenchError, Guest};
use crate::cli::voice::Voice;

/// A registry that is measured.
#[derive(Debug)]
pub struct Site {
    /// Its name in the results.
    pub label: String,
    /// Where it listens.
    pub target: Target,
    /// Its process, if it is on this machine and was named.
    pub server: Option<ServerProcess>,
    /// What the benchmark writes there.
    pub guest: Guest,
}

impl Site {
    /// A failure of a measurement of this registry.
    pub fn failed(&self, source: LoadError) -> BenchError {
        match source {
            LoadError::NotLoopback { address } => {
                BenchError::NotLoopback { address: address.to_string() }
            }
            source => BenchError::Load { server: self.label.clone(), source },
        }
    }

    /// Removes what was written there, and names what stays.
    pub fn leave(&self, voice: &Voice) {
        self.guest.leave(&self.label, &self.target, voice);
    }
}
