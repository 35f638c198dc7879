//! Named steps of a commit at which the crash tests stop the process, or hold it.
//!
//! Without the feature `failpoints`, which no release is built with, a step is nothing at all.

#[cfg(feature = "failpoints")]
pub(crate) use armed::reach;
#[cfg(feature = "failpoints")]
pub use armed::{Held, STEPS, abort_at, hold_at};

/// Marks a step. Nothing happens here in a release.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn reach(_step: &str) {}

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// Every step, in the order in which a push comes to them.
    pub const STEPS: &[&str] = &[
        "blob.written",
        "blob.synced",
        "blob.renamed",
        "links.renamed",
        "links.synced",
        "manifest.durable",
        "tag.durable",
    ];

    static ARMED: Mutex<Option<Armed>> = Mutex::new(None);

    #[derive(Debug)]
    struct Armed {
        step: String,
        left: usize,
        action: Action,
    }

    #[derive(Debug)]
    enum Action {
        Abort,
        Hold { arrived: Sender<()>, release: Receiver<()> },
    }

    /// A commit that is held at a step until this is dropped.
    #[derive(Debug)]
    pub struct Held {
        arrived: Receiver<()>,
        _release: Sender<()>,
    }

    impl Held {
        /// Waits until a commit has come to the step.
        pub fn wait(&self) {
            let _ = self.arrived.recv();
        }
    }

    /// Aborts the process when it comes to `step` for the `nth` time (from 1).
    pub fn abort_at(step: &str, nth: usize) {
        *lock() = Some(Armed { step: step.to_owned(), left: nth, action: Action::Abort });
    }

    /// Holds the thread that comes to `step` for the `nth` time (from 1).
    pub fn hold_at(step: &str, nth: usize) -> Held {
        let ((arrive, arrived), (released, release)) = (channel(), channel());
        let action = Action::Hold { arrived: arrive, release };
        *lock() = Some(Armed { step: step.to_owned(), left: nth, action });
        Held { arrived, _release: released }
    }

    pub(crate) fn reach(step: &str) {
        let mut armed = lock();
        let Some(wanted) = armed.as_mut().filter(|armed| armed.step == step) else { return };
        wanted.left -= 1;
        if wanted.left > 0 {
            return;
        }
        let Some(reached) = armed.take() else { return };
        drop(armed);
        match reached.action {
            Action::Abort => std::process::abort(),
            Action::Hold { arrived, release } => {
                let _ = arrived.send(());
                // Ends with an error when the holder lets go: that is the signal.
                let _ = release.recv();
            }
        }
    }

    fn lock() -> MutexGuard<'static, Option<Armed>> {
        ARMED.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
