//! Floor 2: an image taken into the registry out of a containers/storage that it can see itself,
//! without a push: layers are read in place, hashed while they are written, and become visible as a
//! push's do; the tag moves last.
//!
//! It finds images by their ids, in the mounted store's own index, and refuses names and paths. What
//! it cannot take is said before it begins, so that the client pushes instead.

use std::io::{Cursor, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::{Semaphore, SemaphorePermit};
use wharf_oci::ingest::{BlobPlace, INGEST_VERSION, IngestEvent, IngestRequest, Secret};
use wharf_oci::{Algorithm, Descriptor, Digest, Manifest, Reference, RepositoryName};
use wharf_storage_reader::{Location, Store, StoredImage, StoredLayer};

use crate::config;
use crate::registry::Registry;

mod error;
mod taking;
mod told;

pub(crate) use error::IngestError;
pub(crate) use told::Told;

/// Ingests that run at once; others wait for their turn.
const INGESTS_MAX: usize = 2;

/// Blobs of one image that are taken at once.
const BLOBS_AT_ONCE: usize = 3;

/// Takes images into a registry. Cloning gives another handle to the same one.
#[derive(Debug, Clone)]
pub(crate) struct Ingests(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    registry: Registry,
    config: config::Ingest,
    /// Known once it could be opened: it may be mounted, or made by Podman, after the start.
    store: Mutex<Option<Arc<Store>>>,
    turns: Semaphore,
}

/// An image that can be taken in, and where to.
#[derive(Debug)]
pub(crate) struct Ingest {
    pub(crate) name: RepositoryName,
    /// The tag, or the manifest's digest.
    pub(crate) reference: Reference,
    manifest: Manifest,
    digest: Digest,
    is_original: bool,
    store: Arc<Store>,
    /// Each blob once, largest first.
    blobs: Vec<Blob>,
}

#[derive(Debug, Clone)]
struct Blob {
    descriptor: Descriptor,
    source: Source,
    place: BlobPlace,
}

/// Where the bytes of a blob are to be had.
#[derive(Debug, Clone)]
enum Source {
    Config(Bytes),
    Layer(StoredLayer),
}

/// An image that was taken in.
#[derive(Debug)]
pub(crate) struct Ingested {
    /// The manifest's digest.
    pub(crate) digest: Digest,
    /// Whether the manifest is the mounted store's own, byte for byte.
    pub(crate) is_original: bool,
    /// Whether all was in its place before.
    pub(crate) was_there: bool,
    /// Bytes that were taken, the manifest's included.
    pub(crate) bytes: u64,
    /// Blobs that were taken.
    pub(crate) taken: u64,
    /// Blobs that another repository had.
    pub(crate) mounted: u64,
    /// Blobs that the repository had.
    pub(crate) reused: u64,
}

impl Ingests {
    /// Ingest as the settings have it. Blocks while it looks at the store.
    pub(crate) fn new(registry: Registry, config: config::Ingest) -> Self {
        let turns = Semaphore::new(INGESTS_MAX);
        let ingests = Self(Arc::new(Shared { registry, config, store: Mutex::default(), turns }));
        if let Err(error) = ingests.store() {
            tracing::warn!("no image can be taken in yet: {error}");
        }
        ingests
    }

    /// What a client has to know.
    pub(crate) fn secret(&self) -> &Secret {
        &self.0.config.secret
    }

    /// Finds the image, links what other repositories have of it, and sees that the rest can be read.
    ///
    /// # Errors
    /// [`IngestError`]: it cannot be taken in, and nothing was.
    pub(crate) async fn find(&self, wish: IngestRequest) -> Result<Ingest, IngestError> {
        let registry = &self.0.registry;
        registry.require_writable()?;
        let (ingests, image) = (self.clone(), wish.image);
        let (store, image, manifest) = blocking(move || ingests.look_up(&image)).await?;

        let mut blobs = blobs_of(&image, &manifest);
        for blob in &mut blobs {
            blob.place = place(registry, &wish.name, &blob.descriptor).await?;
        }
        let (to_open, from) = (blobs.clone(), Arc::clone(&store));
        blocking(move || {
            let mut missing = to_open.iter().filter(|blob| blob.place == BlobPlace::Store);
            missing.try_for_each(|blob| blob.open(&from).map(drop))
        })
        .await?;
        let digest = Digest::of(Algorithm::Sha256, manifest.bytes());
        Ok(Ingest {
            name: wish.name,
            reference: wish.tag.map_or(Reference::Digest(digest), Reference::Tag),
            is_original: manifest.bytes() == image.manifest.bytes(),
            manifest,
            digest,
            store,
            blobs,
        })
    }

    /// Takes an image in: blobs, then the manifest, then the tag. It ends when nobody listens any
    /// more; what is left then is blobs that were whole.
    ///
    /// # Errors
    /// [`IngestError`]: no tag was moved.
    pub(crate) async fn take(&self, ingest: &Ingest, told: &Told) -> Result<Ingested, IngestError> {
        told.tell(IngestEvent::Begun { version: INGEST_VERSION }).await;
        for blob in &ingest.blobs {
            told.tell(blob.event()).await;
        }
        let _turn = tokio::select! {
            turn = self.turn() => turn,
            () = told.unheard() => return Err(IngestError::Unheard),
        };
        let missing = ingest.blobs_in(BlobPlace::Store);
        let taking: Vec<_> = missing.map(|blob| self.take_blob(ingest, blob, told)).collect();
        stream::iter(taking).buffer_unordered(BLOBS_AT_ONCE).try_collect::<()>().await?;
        if !told.is_heard() {
            return Err(IngestError::Unheard);
        }
        let [taken, mounted, reused] =
            [BlobPlace::Store, BlobPlace::Registry, BlobPlace::Repository]
                .map(|place| ingest.blobs_in(place).count() as u64);
        let was_there = taken == 0 && self.is_in_place(ingest).await;
        let mut bytes = ingest.blobs_in(BlobPlace::Store).map(|blob| blob.descriptor.size).sum();
        if !was_there {
            self.put_manifest(ingest).await?;
            bytes += ingest.manifest.bytes().len() as u64;
        }
        let Ingest { digest, is_original, .. } = *ingest;
        Ok(Ingested { digest, is_original, was_there, bytes, taken, mounted, reused })
    }

    async fn take_blob(
        &self,
        ingest: &Ingest,
        blob: &Blob,
        told: &Told,
    ) -> Result<(), IngestError> {
        let (source, store) = (blob.clone(), Arc::clone(&ingest.store));
        let open = move || source.open(&store);
        self.0.registry.take(&ingest.name, &blob.descriptor, told, open).await
    }

    async fn put_manifest(&self, ingest: &Ingest) -> Result<(), IngestError> {
        let Ingest { name, reference, manifest, .. } = ingest;
        let media_type = Some(manifest.media_type());
        let bytes = manifest.bytes().clone();
        self.0.registry.put_manifest(name, reference, &[], media_type, bytes).await?;
        Ok(())
    }

    /// Whether the reference stands for this very manifest already.
    async fn is_in_place(&self, ingest: &Ingest) -> bool {
        let there = self.0.registry.manifest(&ingest.name, &ingest.reference).await;
        there.is_ok_and(|manifest| manifest.digest == ingest.digest)
    }

    /// The image and its manifest over uncompressed layers. Blocks.
    fn look_up(&self, image: &Digest) -> Result<(Arc<Store>, StoredImage, Manifest), IngestError> {
        let unknown = |source| IngestError::Image { image: *image, source: Box::new(source) };
        let unusable = |source| IngestError::Manifest { image: *image, source: Box::new(source) };
        let store = self.store().map_err(unknown)?;
        let record = store.by_id(image).map_err(unknown)?;
        let stored = store.image(&record).map_err(unknown)?;
        let manifest = stored.uncompressed_manifest().map_err(unusable)?;
        Ok((store, stored, manifest))
    }

    /// The mounted store. Blocks.
    fn store(&self) -> Result<Arc<Store>, wharf_storage_reader::Error> {
        let mut known = self.0.store.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = &*known {
            return Ok(Arc::clone(store));
        }
        let store = Store::open(Location::mounted(&self.0.config.storage))?;
        Ok(Arc::clone(known.insert(Arc::new(store))))
    }

    async fn turn(&self) -> SemaphorePermit<'_> {
        #[expect(clippy::expect_used, reason = "the semaphore is private and never closed")]
        self.0.turns.acquire().await.expect("never closed")
    }
}

impl Ingest {
    /// The blobs that were found there.
    fn blobs_in(&self, place: BlobPlace) -> impl Iterator<Item = &Blob> {
        self.blobs.iter().filter(move |blob| blob.place == place)
    }
}

impl Blob {
    fn event(&self) -> IngestEvent {
        IngestEvent::Blob {
            digest: self.descriptor.digest,
            size: self.descriptor.size,
            layer: matches!(self.source, Source::Layer(_)),
            place: self.place,
        }
    }

    /// A reader of its bytes. Blocks.
    fn open(&self, store: &Store) -> Result<Box<dyn Read>, IngestError> {
        match &self.source {
            Source::Config(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
            Source::Layer(layer) => {
                let digest = self.descriptor.digest;
                let gone = |source| IngestError::Layer { digest, source: Box::new(source) };
                Ok(Box::new(store.open_layer(layer).map_err(gone)?))
            }
        }
    }
}

/// Each blob that the manifest names once, largest first: the last to end should be small.
fn blobs_of(image: &StoredImage, manifest: &Manifest) -> Vec<Blob> {
    let config = image.config.iter().map(|bytes| Source::Config(bytes.clone()));
    let layers = image.layers.iter().map(|layer| Source::Layer(layer.clone()));
    let named = manifest.config().into_iter().chain(manifest.layers());
    let mut blobs: Vec<Blob> = Vec::new();
    for (descriptor, source) in named.zip(config.chain(layers)) {
        if !blobs.iter().any(|blob| blob.descriptor.digest == descriptor.digest) {
            let descriptor = descriptor.clone();
            blobs.push(Blob { descriptor, source, place: BlobPlace::Store });
        }
    }
    blobs.sort_by_key(|blob| std::cmp::Reverse(blob.descriptor.size));
    blobs
}

/// Where a blob is; in the repository, too, once another has it.
async fn place(
    registry: &Registry,
    name: &RepositoryName,
    blob: &Descriptor,
) -> Result<BlobPlace, IngestError> {
    if registry.blob_size(name, &blob.digest).await.is_ok_and(|size| size == blob.size) {
        return Ok(BlobPlace::Repository);
    }
    let is_mounted = registry.mount_blob(name, &blob.digest, None).await?;
    Ok(if is_mounted { BlobPlace::Registry } else { BlobPlace::Store })
}

/// The way across to a blocking thread, for what the mounted store does.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, IngestError> + Send + 'static,
) -> Result<T, IngestError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // The work is never aborted, so it panicked: so does the request that asked for it.
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}
