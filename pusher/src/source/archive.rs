//! `ArchiveSource`: an image in a tar archive, as `podman save`, `docker save`, `skopeo copy` and
//! `docker buildx` write it: an OCI layout, or a docker-archive. It is read where it lies; only what
//! comes by once, from a pipe or out of a decompressor, is kept in a temporary file, and of that only
//! what the registry lacks.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use wharf_oci::Digest;

use self::directory::Directory;
use self::form::Form;
use super::ImageSource;
use super::content::Content;
use super::error::SourceError;
use super::{assembled, index};
use crate::image::Image;

mod directory;
mod docker;
mod form;
mod headers;
mod in_place;
mod name;
mod spool;

/// An image in an archive.
#[derive(Debug)]
pub struct ArchiveSource {
    directory: Directory,
    image: Image,
    names: Vec<String>,
    /// The entries of a docker-archive's layers. Those of a layout are found by digest.
    layers: HashMap<Digest, String>,
}

impl ArchiveSource {
    /// The image `reference` in the file at `path`, or its only one. A file that is compressed as a
    /// whole, or is no regular file, is read as [`ArchiveSource::read`] does; for others, `lacks` and
    /// `spool` do not matter.
    ///
    /// # Errors
    /// [`SourceError`], whatever the file holds.
    pub fn open(
        path: &Path,
        reference: Option<&str>,
        lacks: impl Fn(&Digest) -> bool,
        spool: &Path,
    ) -> Result<Self, SourceError> {
        let unopened = |source| SourceError::Open { path: path.to_owned(), source };
        let place = format!("the archive {}", path.display());
        let file = File::open(path).map_err(unopened)?;
        let metadata = file.metadata().map_err(unopened)?;
        if !metadata.is_file() {
            return Self::stream(file, &place, reference, lacks, spool);
        }
        let (form, _) = Form::of(&mut &file).map_err(unopened)?;
        if form == Form::Plain {
            let directory = in_place::directory(file, metadata.len(), &place)?;
            return Self::of(directory, reference);
        }
        // The beginning is needed again.
        let file = File::open(path).map_err(unopened)?;
        Self::stream(file, &place, reference, lacks, spool)
    }

    /// The image `reference`, or the only one, in the archive that `reader` gives, which is read to
    /// its end, once, and may be compressed. Layers whose digest their name tells are passed over
    /// unless the registry `lacks` them; the others are kept in a temporary file without a name in
    /// the folder `spool`. `lacks` is asked about large entries only, one at a time, and may wait for
    /// the network.
    ///
    /// # Errors
    /// [`SourceError`], whatever comes.
    pub fn read(
        reader: impl Read + Send + 'static,
        reference: Option<&str>,
        lacks: impl Fn(&Digest) -> bool,
        spool: &Path,
    ) -> Result<Self, SourceError> {
        Self::stream(reader, "the archive on standard input", reference, lacks, spool)
    }

    /// As [`ArchiveSource::read`], from `place`.
    pub(super) fn stream(
        mut reader: impl Read,
        place: &str,
        reference: Option<&str>,
        lacks: impl Fn(&Digest) -> bool,
        spool: &Path,
    ) -> Result<Self, SourceError> {
        let unread = |source| SourceError::Read {
            what: "the beginning".to_owned(),
            place: place.to_owned(),
            source,
        };
        let (form, beginning) = Form::of(&mut reader).map_err(unread)?;
        let whole = io::Cursor::new(beginning).chain(reader);
        let unsupported =
            |program| Err(SourceError::CompressionUnknown { place: place.to_owned(), program });
        let directory = match form {
            Form::Plain => spool::directory(whole, place, lacks, spool)?,
            Form::Gzip => spool::directory(MultiGzDecoder::new(whole), place, lacks, spool)?,
            Form::Zstd => {
                let decoder = zstd::Decoder::new(whole).map_err(unread)?;
                spool::directory(decoder, place, lacks, spool)?
            }
            Form::Bzip2 => return unsupported("bzip2"),
            Form::Xz => return unsupported("xz"),
        };
        Self::of(directory, reference)
    }

    fn of(directory: Directory, reference: Option<&str>) -> Result<Self, SourceError> {
        // Docker writes both files, and then the layout says more.
        if let Some(index) = directory.small(index::FILE)? {
            let (image, names) = index::image(&directory, index, reference)?;
            return Ok(Self { directory, image, names, layers: HashMap::new() });
        }
        let Some(list) = directory.small(docker::FILE)? else {
            return Err(SourceError::Shapeless { place: directory.place().to_owned() });
        };
        let docker::Saved { image, names, layers } = docker::image(&directory, &list, reference)?;
        Ok(Self { directory, image, names, layers })
    }
}

impl ImageSource for ArchiveSource {
    fn origin(&self) -> String {
        self.directory.place().to_owned()
    }

    fn image(&self) -> &Image {
        &self.image
    }

    fn names(&self) -> &[String] {
        &self.names
    }

    fn open(&self, digest: &Digest) -> io::Result<Box<dyn Read + Send>> {
        if !assembled::has_layer(&self.image, digest) {
            let place = self.origin();
            return Err(SourceError::BlobUnknown { digest: *digest, place }.into());
        }
        let in_layout = || index::blob_path(digest);
        let name = self.layers.get(digest).cloned().unwrap_or_else(in_layout);
        Ok(Box::new(self.directory.open(&name)?))
    }
}
