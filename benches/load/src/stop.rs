//! Ends a measurement from another thread, as when a person presses Ctrl-C: whoever moves bytes looks at
//! it between two pieces.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::LoadError;

/// Whether the measurements that share it shall end.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends them.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// # Errors
    /// When it was set.
    pub(crate) fn check(&self) -> Result<(), LoadError> {
        if self.is_set() { Err(LoadError::Stopped) } else { Ok(()) }
    }
}
