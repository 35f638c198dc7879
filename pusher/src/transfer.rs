//! From what images consist of to a registry that has it: what is there is asked for all at once,
//! what can be mounted is mounted, the rest is sent, largest first, and manifests come last.
//!
//! ```text
//! parcel      a blob, and the repositories of one registry that are to have it
//! inventory   which of them have it already
//! deliver     a parcel to its repositories: mounted or sent
//! send        one blob into one repository, through failures
//! spool       a layer compressed into a file without a name
//! steps       how often progress is told
//! session     the uploads that are open, so that none is left behind
//! publish     manifests, and the tags last
//! ```

mod deliver;
mod inventory;
mod knowledge;
mod parcel;
mod publish;
mod send;
mod session;
mod spool;
mod steps;

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Semaphore;
use wharf_client::RegistryClient;
use wharf_oci::{Digest, RepositoryName};

use crate::error::Error;
use crate::progress::{Event, Events};
use crate::push::Config;

pub(crate) use deliver::{Delivery, How, Known};
pub(crate) use inventory::Inventory;
pub(crate) use knowledge::Knowledge;
pub(crate) use parcel::{Job, Parcel};
pub(crate) use session::Sessions;

/// How many questions are asked at once.
pub(crate) const QUESTIONS_AT_ONCE: usize = 16;

/// A repository of a registry.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) client: RegistryClient,
    pub(crate) name: RepositoryName,
}

impl Target {
    /// The registry, as it is told apart from others.
    pub(crate) fn registry(&self) -> String {
        self.client.address().to_string()
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        self.name == other.name && self.client.address() == other.client.address()
    }

    /// Why the registry could not be asked.
    pub(crate) fn unasked(&self, source: wharf_client::Error) -> Error {
        Error::Ask { name: self.name.clone(), source: Box::new(source) }
    }
}

/// One push on its way.
#[derive(Debug)]
pub(crate) struct Transfer<'a> {
    pub(crate) config: &'a Config,
    pub(crate) events: &'a Events,
    pub(crate) sessions: Sessions,
    /// Compressing one layer takes all processors.
    compressing: Semaphore,
    /// Whether a registry has answered: one that never did is not waited for.
    has_answered: AtomicBool,
}

impl<'a> Transfer<'a> {
    pub(crate) fn new(config: &'a Config, events: &'a Events) -> Self {
        Self {
            config,
            events,
            sessions: Sessions::default(),
            compressing: Semaphore::new(1),
            has_answered: AtomicBool::new(false),
        }
    }

    /// Asks until there is an answer or it is not worth it any more. What is asked must bear being
    /// asked twice.
    pub(crate) async fn again<T, F>(
        &self,
        digest: Option<Digest>,
        mut ask: impl FnMut() -> F,
    ) -> Result<T, wharf_client::Error>
    where
        F: Future<Output = Result<T, wharf_client::Error>>,
    {
        let mut tries = 0;
        loop {
            let error = match ask().await {
                Ok(answer) => {
                    self.has_answered.store(true, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            tries += 1;
            self.pause(digest, tries, error).await?;
        }
    }

    /// Waits before the next try, or gives the error back if it is not worth one.
    pub(crate) async fn pause(
        &self,
        digest: Option<Digest>,
        tries: u32,
        error: wharf_client::Error,
    ) -> Result<(), wharf_client::Error> {
        let nobody_there = matches!(error, wharf_client::Error::Unreachable { .. })
            && !self.has_answered.load(Ordering::Relaxed);
        let wait = self.config.retry.wait(tries, &error).filter(|_| !nobody_there);
        let Some(wait) = wait else { return Err(error) };
        self.events.tell(Event::Retrying { digest, reason: error.to_string() });
        // The pause that the registry asked for, or that grows with the tries: nothing is polled.
        tokio::time::sleep(wait).await;
        Ok(())
    }
}
