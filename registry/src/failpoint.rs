//! Named steps of a commit at which the crash tests stop the process.
//!
//! Without the feature `failpoints`, which no release is built with, a step is nothing at all.

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::Mutex;

    static ARMED: Mutex<Option<(String, usize)>> = Mutex::new(None);

    /// Aborts the process when it comes to `step` for the `nth` time (from 1).
    pub fn arm(step: &str, nth: usize) {
        if let Ok(mut armed) = ARMED.lock() {
            *armed = Some((step.to_owned(), nth));
        }
    }

    pub(crate) fn reach(step: &str) {
        let Ok(mut armed) = ARMED.lock() else { return };
        if let Some((wanted, left)) = armed.as_mut()
            && wanted == step
        {
            *left -= 1;
            if *left == 0 {
                std::process::abort();
            }
        }
    }
}

#[cfg(feature = "failpoints")]
pub use armed::arm;
#[cfg(feature = "failpoints")]
pub(crate) use armed::reach;

/// Every step, in the order in which a push comes to them.
#[cfg(feature = "failpoints")]
pub const STEPS: &[&str] = &[
    "blob.written",
    "blob.synced",
    "blob.renamed",
    "blob.durable",
    "links.renamed",
    "links.synced",
    "manifest.durable",
    "tag.durable",
];

#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn reach(_step: &str) {}
