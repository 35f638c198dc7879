//! The main job from end to end, on one machine and in seconds: a registry in this process, an
//! image pushed over HTTP, pulled back, every digest checked, and pushed again for nothing.
//!
//! It measures what happens and refuses to polish it: one small image on a quiet loopback says
//! little about a benchmark, and the numbers are given as they are.

mod server;
mod source;
mod subject;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};
use thiserror::Error;
use tokio::sync::mpsc;
use wharf_client::RegistryClient;
use wharf_oci::{Descriptor, Digest, Reference, RepositoryName};
use wharf_pusher::progress::{Event, Events};
use wharf_pusher::{Config, Order};

use crate::cli::progress::Progress;
use crate::image::{Blob, Image};

pub use server::DemoServer;
use source::PackedSource;
pub use subject::Subject;

/// Why the demo did not come to its end.
#[derive(Debug, Error)]
pub enum DemoError {
    /// No folder for the store.
    #[error("cannot make a temporary folder for the store")]
    Folder(#[source] io::Error),
    /// The runtime did not start.
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    /// The registry did not start, or did not stop well.
    #[error("the registry of the demo failed")]
    Serve(#[from] wharf_registry::ServeError),
    /// The registry's task ended by a panic.
    #[error("the registry of the demo ended in the middle")]
    Gone,
    /// A request failed, or bytes did not have their digest.
    #[error("the demo's registry did not do its job")]
    Client(#[from] wharf_client::Error),
    /// The push did not come to its end.
    #[error(transparent)]
    Push(#[from] wharf_pusher::Error),
    /// What came back is not what was sent.
    #[error("{part} came back different from what was pushed")]
    Different {
        /// Which part of the image.
        part: &'static str,
    },
    /// The person at the terminal ended it.
    #[error("the demo was interrupted")]
    Interrupted,
    /// The second push sent something.
    #[error("the second push sent {part} again, although nothing had changed")]
    SentAgain {
        /// Which part of the image.
        part: &'static str,
    },
}

/// One part of the image on its way.
#[derive(Debug, Clone, Serialize)]
pub struct Moved {
    /// `layer`, `config` or `manifest`.
    pub part: &'static str,
    /// Its digest.
    pub digest: Digest,
    /// How long it is.
    pub bytes: u64,
    /// How long it took, from the first request to the last answer.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub time: Duration,
}

/// All parts of the image on their way in one direction.
#[derive(Debug, Clone, Serialize)]
pub struct Transfer {
    /// The parts, in the order in which they moved.
    pub parts: Vec<Moved>,
    /// How long all of it took.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub time: Duration,
}

impl Transfer {
    /// What moved in all.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }
}

/// Writes a time as seconds.
pub fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// An image, and the registry that it goes to and comes from.
#[derive(Debug)]
pub struct Journey<'a> {
    image: &'a Image,
    name: RepositoryName,
    reference: Reference,
    client: RegistryClient,
}

impl<'a> Journey<'a> {
    /// A journey that begins with a push.
    #[expect(clippy::expect_used, reason = "both names are of the grammar")]
    pub fn new(image: &'a Image, client: RegistryClient) -> Self {
        let name = "demo/wharf".parse().expect("a repository name");
        let reference = Reference::Tag("latest".parse().expect("a tag"));
        Self { image, name, reference, client }
    }

    /// Pushes the image as `wharf push` does. A part that the registry has is not sent, and not in
    /// the answer.
    pub async fn push(&self) -> Result<Transfer, DemoError> {
        let began = Instant::now();
        let (sender, mut told) = mpsc::unbounded_channel();
        let image = self.image;
        let descriptors = image.blobs().map(|blob| &blob.descriptor);
        let [layer, config] = descriptors.map(Clone::clone);
        let manifest = image.descriptor.clone();
        // Beside the push, so that the time of each part is the time at which it was told.
        let parts = tokio::spawn(async move {
            let mut parts = Vec::new();
            while let Some(event) = told.recv().await {
                match event {
                    Event::Stored { digest } if digest == layer.digest => {
                        parts.push(moved("layer", &layer, began));
                    }
                    Event::Stored { digest } if digest == config.digest => {
                        parts.push(moved("config", &config, began));
                    }
                    Event::Tagged { .. } => parts.push(moved("manifest", &manifest, began)),
                    _ => {}
                }
            }
            parts
        });
        let order = Order {
            source: Arc::new(PackedSource::new(image)),
            client: self.client.clone(),
            name: self.name.clone(),
            reference: self.reference.clone(),
        };
        let events = Events::to(sender);
        let pushed =
            wharf_pusher::push(vec![order], &Config::new(std::env::temp_dir()), &events).await?;
        drop(events);
        let mut parts = parts.await.map_err(|_| DemoError::Gone)?;
        if pushed.iter().all(|pushed| pushed.was_there) {
            parts.retain(|part| part.part != "manifest");
        }
        Ok(Transfer { parts, time: began.elapsed() })
    }

    /// Pulls the image by its tag. Every byte is hashed on the way, by the client, and compared
    /// with what was pushed.
    pub async fn pull(&self, progress: Progress) -> Result<Transfer, DemoError> {
        let begin = Instant::now();
        let pulled = self.client.manifest(&self.name, &self.reference).await?;
        let manifest = &self.image.manifest;
        if pulled.digest != self.image.digest() || pulled.manifest.bytes() != manifest.bytes() {
            return Err(DemoError::Different { part: "manifest" });
        }
        let mut parts = vec![moved("manifest", &self.image.descriptor, begin)];
        for (part, blob) in self.blobs() {
            let began = Instant::now();
            let bar = progress.bar("pulling", part, blob.descriptor.size);
            let mut download = self.client.blob(&self.name, &blob.descriptor.digest).await?;
            let mut left = &blob.bytes[..];
            while let Some(chunk) = download.chunk().await? {
                let rest = left.strip_prefix(&chunk[..]);
                left = rest.ok_or(DemoError::Different { part })?;
                bar.inc(chunk.len() as u64);
            }
            if !left.is_empty() {
                return Err(DemoError::Different { part });
            }
            parts.push(moved(part, &blob.descriptor, began));
            bar.finish_and_clear();
        }
        Ok(Transfer { parts, time: begin.elapsed() })
    }

    fn blobs(&self) -> [(&'static str, &Blob); 2] {
        let [layer, config] = self.image.blobs();
        [("layer", layer), ("config", config)]
    }
}

fn moved(part: &'static str, descriptor: &Descriptor, began: Instant) -> Moved {
    Moved { part, digest: descriptor.digest, bytes: descriptor.size, time: began.elapsed() }
}
