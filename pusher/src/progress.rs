//! What a push tells while it runs. It draws nothing: whoever listens does.

use tokio::sync::mpsc;
use wharf_oci::{Digest, Reference, RepositoryName};

/// Something that happened. Numbers are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// What a push consists of is known: told once for each blob and registry, however many images
    /// have it, before anything moves. What then becomes of it is told for each repository.
    Found {
        /// The blob, in the form of its source.
        digest: Digest,
        /// Its size there.
        size: u64,
        /// Whether it is a layer; else a config.
        is_layer: bool,
    },
    /// The registry has the blob: nothing moves.
    Present {
        /// The blob.
        digest: Digest,
    },
    /// The registry took the blob over from another of its repositories.
    Mounted {
        /// The blob.
        digest: Digest,
        /// The repository, if it was named.
        from: Option<RepositoryName>,
    },
    /// So much of the blob was compressed; of the size in its source.
    Compressed {
        /// The blob, in the form of its source.
        digest: Digest,
        /// Bytes read so far.
        read: u64,
        /// Bytes that came out so far.
        written: u64,
    },
    /// So much of the blob is at the registry: taken by the socket, or by the registry itself when it
    /// takes the image in. May go back after a failure.
    Sent {
        /// The blob, in the form of its source.
        digest: Digest,
        /// Bytes sent so far.
        sent: u64,
        /// Bytes to send in all, in the form that goes.
        of: u64,
    },
    /// The registry has the whole blob, and said so.
    Stored {
        /// The blob, in the form of its source.
        digest: Digest,
    },
    /// An attempt failed, and is made again.
    Retrying {
        /// The blob, or none for a manifest.
        digest: Option<Digest>,
        /// Why, in one line.
        reason: String,
    },
    /// A manifest is in its place.
    Tagged {
        /// The repository.
        name: RepositoryName,
        /// The tag, or the digest.
        reference: Reference,
        /// The manifest's digest.
        digest: Digest,
    },
}

/// Where events go. Cheap to clone; nobody listening is fine. Nobody waits for a slow listener, and
/// nobody fills its memory: the counts of one attempt at one blob are told a thousand times at most.
#[derive(Debug, Clone, Default)]
pub struct Events(Option<mpsc::UnboundedSender<Event>>);

impl Events {
    /// Events for a listener.
    #[must_use]
    pub fn to(listener: mpsc::UnboundedSender<Event>) -> Self {
        Self(Some(listener))
    }

    /// Tells one.
    pub fn tell(&self, event: Event) {
        if let Some(listener) = &self.0 {
            // A listener that has gone is not missed.
            _ = listener.send(event);
        }
    }
}
