//! The whole push on one screen: what is there already, what has to move, and the tag last.
//!
//! What it refuses to do: read an image (its source does), speak HTTP (the client does), draw
//! anything (events are told to whoever listens).

mod receipt;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use wharf_client::{RegistryClient, Retry};
use wharf_oci::{Descriptor, Digest, Reference, RepositoryName};

use crate::error::Error;
use crate::layer::{Compression, DigestCache};
use crate::progress::{Event, Events};
use crate::source::ImageSource;
use crate::transfer::{Knowledge, Known, Parcel, Transfer};

/// How many layers go at once, unless told otherwise.
pub const PARALLEL: NonZeroUsize = NonZeroUsize::new(6).unwrap();
/// What goes in one request to a registry that does not take a blob in one, unless told otherwise:
/// below the 100 MB that some allow.
const CHUNK_BYTES: NonZeroU64 = NonZeroU64::new(64 << 20).unwrap();

/// One image to push, and where to.
#[derive(Debug, Clone)]
pub struct Order {
    /// The image.
    pub source: Arc<dyn ImageSource>,
    /// The registry, reached with the credentials that it takes.
    pub client: RegistryClient,
    /// The repository there.
    pub name: RepositoryName,
    /// The tag; or the manifest's digest, which the image must then have.
    pub reference: Reference,
}

/// How to push.
#[derive(Debug, Clone)]
pub struct Config {
    /// The form in which layers go that are not compressed yet.
    pub compression: Compression,
    /// How many layers go at once.
    pub parallel: NonZeroUsize,
    /// How many threads compress a layer.
    pub threads: NonZeroUsize,
    /// Where compressed layers wait for the registry, in files without a name.
    pub spool: PathBuf,
    /// What earlier pushes have learnt.
    pub cache: Option<Arc<DigestCache>>,
    /// How many bytes of a blob go in one request to a registry that does not take it in one.
    pub chunk_bytes: NonZeroU64,
    /// How often what failed is tried again, and after how long.
    pub retry: Retry,
    /// Ends the push before its time.
    pub stop: Stop,
}

impl Config {
    /// No compression, no cache, and the usual numbers.
    #[must_use]
    pub fn new(spool: PathBuf) -> Self {
        Self {
            compression: Compression::None,
            parallel: PARALLEL,
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            spool,
            cache: None,
            chunk_bytes: CHUNK_BYTES,
            retry: Retry::default(),
            stop: Stop::default(),
        }
    }
}

/// Ends pushes before their time. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Stop {
    /// From now on, pushes with this end with [`Error::Stopped`], within a second: they take back
    /// the uploads that they have begun, as far as the registry lets them in that time.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is told to stop.
    pub(crate) async fn stopped(&self) {
        // The sender lives as long as `self`, so waiting does not fail.
        _ = self.0.subscribe().wait_for(|is_stopped| *is_stopped).await;
    }
}

/// An image that is in the registry now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The repository.
    pub name: RepositoryName,
    /// The tag, or the digest.
    pub reference: Reference,
    /// The manifest's digest there.
    pub digest: Digest,
    /// Whether that is the manifest under which the image was built or pulled, byte for byte; else it
    /// was rewritten for layers in another form.
    pub is_original: bool,
    /// Whether the reference pointed at this manifest before, so that nothing was done at all.
    pub was_there: bool,
    /// What the index of the source names and nobody has: it was left out.
    pub left_out: Vec<Descriptor>,
    /// The bytes of the blobs that were sent. What several images share counts for the first.
    pub sent_bytes: u64,
    /// The bytes of those that were there.
    pub reused_bytes: u64,
    /// The bytes of those that the registry took from another of its repositories.
    pub mounted_bytes: u64,
}

/// What a push would do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whether the reference points at this image already, so that nothing would be done.
    pub is_there: bool,
    /// The manifest's digest after the push; none if it is known only after compressing.
    pub digest: Option<Digest>,
    /// The blobs, in the order of the manifest, each once. Empty if nothing would be done.
    pub blobs: Vec<Planned>,
}

/// What a push would do with a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The blob, in the form in which the registry has it or would get it; for a layer that is yet
    /// to be compressed, in the form of its source.
    pub blob: Descriptor,
    /// Whether it is a layer; else a config.
    pub is_layer: bool,
    /// What would be done.
    pub step: Step,
}

/// What is to be done with a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing: the repository has it.
    Present,
    /// The registry is asked to take it from this repository of its own.
    Mount(RepositoryName),
    /// It is sent as it is.
    Send,
    /// It is compressed and sent, unless the registry then turns out to have it.
    Compress,
}

/// Pushes images. What several of them share is sent once. Tags are set last, when everything else
/// is in its place: after an error, none was moved, unless it is that very step that failed.
///
/// A reference that points at the image's manifest already is taken for the image: a registry does
/// not take a manifest without its blobs. Nothing else is asked then.
///
/// # Errors
/// [`Error`]; the uploads that were begun are taken back, as far as the registry lets them within a
/// second.
pub async fn push(
    orders: Vec<Order>,
    config: &Config,
    events: &Events,
) -> Result<Vec<Pushed>, Error> {
    let transfer = Transfer::new(config, events);
    let pushed = tokio::select! {
        biased;
        () = config.stop.stopped() => Err(Error::Stopped),
        pushed = run(&orders, &transfer) => pushed,
    };
    transfer.sessions.cancel_all().await;
    pushed
}

async fn run(orders: &[Order], transfer: &Transfer<'_>) -> Result<Vec<Pushed>, Error> {
    let knowledge = Knowledge::of(orders, transfer.config).await;
    let found = transfer.found_all(orders, &knowledge).await?;
    let mut jobs = Vec::new();
    for (order, _) in orders.iter().zip(&found).filter(|(_, found)| found.is_none()) {
        jobs.push(transfer.job(order).await?);
    }
    let parcels = Parcel::all(&jobs, transfer.config, &knowledge);
    for parcel in &parcels {
        let (digest, size) = (parcel.digest(), parcel.descriptor.size);
        transfer.events.tell(Event::Found { digest, size, is_layer: parcel.is_layer() });
    }
    let inventory = transfer.inventory(&parcels).await?;
    let known = Known { inventory: &inventory, knowledge: &knowledge };
    let deliveries = transfer.deliver_all(&parcels, known).await?;
    let finished = transfer.finish_all(&jobs, &deliveries).await?;
    for (job, finished) in jobs.iter().zip(&finished) {
        transfer.publish_children(job, finished).await?;
    }
    for (job, finished) in jobs.iter().zip(&finished) {
        transfer.publish(job, finished).await?;
    }
    Ok(receipt::write(orders, &found, &jobs, &finished, &deliveries))
}

/// What a push would do, found out without changing anything.
///
/// # Errors
/// [`Error`].
pub async fn plan(order: &Order, config: &Config) -> Result<Plan, Error> {
    let events = Events::default();
    let transfer = Transfer::new(config, &events);
    let knowledge = Knowledge::of(std::slice::from_ref(order), config).await;
    if let Some(digest) = transfer.found(order, &knowledge).await? {
        return Ok(Plan { is_there: true, digest: Some(digest), blobs: Vec::new() });
    }
    let job = transfer.job(order).await?;
    let parcels = Parcel::all(std::slice::from_ref(&job), config, &knowledge);
    let inventory = transfer.inventory(&parcels).await?;
    let (blobs, forms) = receipt::steps(&job, &parcels, &inventory, &knowledge);
    let digest = match forms {
        Some(forms) => Some(transfer.finish(&job, &forms).await?.digest()),
        None => None,
    };
    Ok(Plan { is_there: false, digest, blobs })
}
