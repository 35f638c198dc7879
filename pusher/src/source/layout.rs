//! `LayoutSource`: an image in a folder that has the form of an OCI layout (image spec, "Image
//! Layout"). Its blobs are files, and are sent as they are.

use std::io::{self, Read};
use std::path::Path;

use wharf_oci::Digest;

use super::ImageSource;
use super::error::SourceError;
use crate::image::Image;

/// An image in a folder.
#[derive(Debug)]
pub struct LayoutSource {
    place: String,
    image: Image,
}

impl LayoutSource {
    /// The image `reference` in the folder at `path`, or its only one.
    ///
    /// # Errors
    /// [`SourceError`], whatever the folder holds.
    pub fn open(path: &Path, reference: Option<&str>) -> Result<Self, SourceError> {
        _ = reference;
        Err(SourceError::Shapeless { place: path.display().to_string() })
    }
}

impl ImageSource for LayoutSource {
    fn origin(&self) -> String {
        self.place.clone()
    }

    fn image(&self) -> &Image {
        &self.image
    }

    fn open(&self, digest: &Digest) -> io::Result<Box<dyn Read + Send>> {
        let place = self.place.clone();
        Err(io::Error::other(SourceError::BlobUnknown { digest: *digest, place }))
    }
}
