//! `PodmanSource`: an image in the store of Podman, Buildah or Skopeo, read in place. What was built
//! here is given as it was built, down to the digest of its manifest. What was pulled is given with
//! its layers uncompressed, since that is how they lie there, and with the manifest under which it
//! was pulled beside it.
//!
//! The store is Podman's: what this program cannot read there, it says, and does not try to mend.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;

use wharf_oci::{Digest, Manifest, ManifestKind};
use wharf_storage_reader::{Error, ImageRecord, Store, StoredImage, StoredLayer};

use super::ImageSource;
use super::assembled;
use super::error::SourceError;
use crate::image::{Image, Role};

/// How many indexes may stand in each other.
const DEPTH_MAX: usize = 4;
/// How many images one index and those in it may list.
const IMAGES_MAX: usize = 1024;

/// An image in Podman's store.
#[derive(Debug)]
pub struct PodmanSource {
    store: Arc<Store>,
    place: String,
    image: Image,
    layers: HashMap<Digest, StoredLayer>,
}

impl PodmanSource {
    /// The image `name`, as a person writes it: short or full, an id or a digest, or the beginning of
    /// an id. Each of its layers can be read, as far as that can be told without reading it.
    ///
    /// # Errors
    /// [`SourceError`]; [`SourceError::needs_podman`] and [`SourceError::needs_unshare`] tell what
    /// would help.
    pub fn open(store: Arc<Store>, name: &str) -> Result<Self, SourceError> {
        let place = place(&store);
        let mut reading =
            Reading { store: &store, name, place: &place, layers: HashMap::new(), images: 0 };
        let record = store.find(name).map_err(|error| reading.failed(error))?;
        let image = reading.image(&record, 0)?;
        let layers = reading.layers;
        Ok(Self { store, place, image, layers })
    }
}

impl ImageSource for PodmanSource {
    fn origin(&self) -> String {
        self.place.clone()
    }

    fn image(&self) -> &Image {
        &self.image
    }

    fn open(&self, digest: &Digest) -> io::Result<Box<dyn Read + Send>> {
        let layer = self.layers.get(digest).ok_or_else(|| SourceError::BlobUnknown {
            digest: *digest,
            place: self.place.clone(),
        })?;
        let reader = self.store.open_layer(layer).map_err(|error| SourceError::Store {
            image: digest.to_string(),
            place: self.place.clone(),
            source: Box::new(error),
        })?;
        Ok(Box::new(reader))
    }
}

/// The store, for a person.
fn place(store: &Store) -> String {
    format!("Podman's store at {}", store.location().graph_root.display())
}

struct Reading<'a> {
    store: &'a Store,
    name: &'a str,
    place: &'a str,
    layers: HashMap<Digest, StoredLayer>,
    images: usize,
}

impl Reading<'_> {
    fn image(&mut self, record: &ImageRecord, depth: usize) -> Result<Image, SourceError> {
        self.images += 1;
        if self.images > IMAGES_MAX {
            let (what, place) = ("the number of images".to_owned(), self.place.to_owned());
            return Err(SourceError::TooLarge { what, place, max: IMAGES_MAX as u64 });
        }
        let stored = self.store.image(record).map_err(|error| self.failed(error))?;
        match stored.manifest.kind() {
            ManifestKind::Image => self.single(stored),
            ManifestKind::Index if depth == DEPTH_MAX => {
                Err(SourceError::Nesting { place: self.place.to_owned(), max: DEPTH_MAX })
            }
            ManifestKind::Index => self.list(stored.manifest, depth),
        }
    }

    /// An index of `podman manifest create`: its images are images of the store, too, as far as they
    /// are there.
    fn list(&mut self, manifest: Manifest, depth: usize) -> Result<Image, SourceError> {
        let mut children = Vec::new();
        let mut first_missing = None;
        for child in manifest.children() {
            match self.store.by_manifest(&child.digest) {
                Ok(record) => children.push(self.image(&record, depth + 1)?),
                Err(error @ Error::ImageUnknown { .. }) => {
                    first_missing.get_or_insert(error);
                }
                Err(error) => return Err(self.failed(error)),
            }
        }
        match first_missing {
            Some(error) if children.is_empty() => Err(self.failed(error)),
            _ => Ok(assembled::list(manifest, children)),
        }
    }

    fn single(&mut self, stored: StoredImage) -> Result<Image, SourceError> {
        let rewrite_failed = |source| SourceError::Rewrite {
            image: self.name.to_owned(),
            place: self.place.to_owned(),
            source,
        };
        let manifest = stored.uncompressed_manifest().map_err(rewrite_failed)?;
        let was_pulled = manifest.bytes() != stored.manifest.bytes();
        let config = stored.config.unwrap_or_default();
        let mut image = assembled::single(self.place, manifest, config)?;
        assembled::counted(self.place, image.manifest.layers().len(), stored.layers.len())?;
        let blobs = image.blobs.iter_mut().filter_map(|blob| match &mut blob.role {
            Role::Config(_) => None,
            Role::Layer { pulled, .. } => Some((&blob.descriptor, pulled)),
        });
        for (((plain, pulled), layer), was) in
            blobs.zip(stored.layers).zip(stored.manifest.layers())
        {
            *pulled = (plain.digest != was.digest).then(|| was.clone());
            // Where it cannot be read, that is known before anything was sent.
            self.store.open_layer(&layer).map_err(|error| self.failed(error))?;
            self.layers.insert(plain.digest, layer);
        }
        image.pulled = was_pulled.then_some(stored.manifest);
        Ok(image)
    }

    fn failed(&self, error: Error) -> SourceError {
        SourceError::Store {
            image: self.name.to_owned(),
            place: self.place.to_owned(),
            source: Box::new(error),
        }
    }
}
