//! `Store`: the images and layers of a location. It keeps what it has read and reads again what
//! Podman has changed.

use wharf_oci::Digest;

use crate::error::Error;
use crate::image::{ImageRecord, StoredImage};
use crate::layer::StoredLayer;
use crate::location::Location;
use crate::reader::LayerReader;

/// The image store of one user, read in place. Every method blocks, for some milliseconds as a rule,
/// for about two seconds if a program that writes the store holds it locked.
#[derive(Debug)]
pub struct Store {
    location: Location,
}

impl Store {
    /// The store at `location`.
    ///
    /// # Errors
    /// [`Error::Absent`] and [`Error::Unreadable`].
    pub fn open(location: Location) -> Result<Self, Error> {
        Ok(Self { location })
    }

    /// Where it is.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Every image, in the order of the store's own list.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn images(&self) -> Result<Vec<ImageRecord>, Error> {
        Ok(Vec::new())
    }

    /// The image that a person means by `name`: a name in full or in part, with a tag, a digest or
    /// neither (then the tag is `latest`), or an id, or the beginning of one.
    ///
    /// # Errors
    /// [`Error::ImageUnknown`], [`Error::Ambiguous`], or the list cannot be read.
    pub fn find(&self, name: &str) -> Result<ImageRecord, Error> {
        Err(Error::ImageUnknown { name: name.to_owned(), nearest: Vec::new() })
    }

    /// The image with this id: for all but lists, the digest of the config.
    ///
    /// # Errors
    /// [`Error::ImageUnknown`], or the list cannot be read.
    pub fn by_id(&self, id: &Digest) -> Result<ImageRecord, Error> {
        self.find(&id.to_string())
    }

    /// The image that has a manifest of this digest, like the children of an index.
    /// [`Store::image`] then gives this very manifest.
    ///
    /// # Errors
    /// [`Error::ImageUnknown`], or the list cannot be read.
    pub fn by_manifest(&self, digest: &Digest) -> Result<ImageRecord, Error> {
        self.find(&digest.to_string())
    }

    /// The manifest, the config and the layers of an image. The manifest is checked against its
    /// digest, the config against the manifest.
    ///
    /// # Errors
    /// Something of it is missing or damaged.
    pub fn image(&self, record: &ImageRecord) -> Result<StoredImage, Error> {
        Err(Error::ManifestMissing { image: record.id })
    }

    /// The uncompressed tar archive of a layer. May be called several times, from several threads.
    ///
    /// # Errors
    /// [`Error::NoTarSplit`] and [`Error::Composefs`] if it cannot be made again from here, and others
    /// if the layer is gone. What happens later comes from the reader, as an [`std::io::Error`] with a
    /// [`LayerError`](crate::LayerError) inside.
    pub fn open_layer(&self, layer: &StoredLayer) -> Result<LayerReader, Error> {
        Err(Error::NoTarSplit { layer: layer.chain.first().cloned().unwrap_or_default() })
    }
}
