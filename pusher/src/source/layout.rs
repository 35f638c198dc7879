//! `LayoutSource`: an image in a folder, either an OCI layout (image spec, "Image Layout") or the
//! flat form that skopeo calls `dir:` and Podman `docker-dir`. Its blobs are files, and are sent as
//! they are. Nothing outside of the folder is read, whatever links say.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use wharf_oci::{Digest, Manifest};

use super::ImageSource;
use super::assembled;
use super::choice::{Candidate, choose};
use super::content::{Content, SMALL_BYTES_MAX};
use super::error::SourceError;
use super::index;
use crate::image::Image;

/// The file with the manifest, in the flat form.
const FLAT_FILE: &str = "manifest.json";

/// An image in a folder.
#[derive(Debug)]
pub struct LayoutSource {
    folder: Folder,
    image: Image,
    names: Vec<String>,
}

/// The folder, and how blobs are named in it.
#[derive(Debug)]
struct Folder {
    place: String,
    /// Without links, so that what lies in it can be told from what does not.
    root: PathBuf,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `blobs/sha256/<hex>`.
    Layout,
    /// `<hex>`, and `<hex>.manifest.json` for what an index lists.
    Flat,
}

impl LayoutSource {
    /// The image `reference` in the folder at `path`, or its only one: a name as it was given when
    /// the layout was written, or the digest of a manifest.
    ///
    /// # Errors
    /// [`SourceError`], whatever the folder holds.
    pub fn open(path: &Path, reference: Option<&str>) -> Result<Self, SourceError> {
        let root = path
            .canonicalize()
            .map_err(|source| SourceError::Open { path: path.to_owned(), source })?;
        let place = format!("the folder {}", path.display());
        let mut folder = Folder { place, root, form: Form::Layout };
        let (image, names) = if let Some(index) = folder.small(index::FILE)? {
            index::image(&folder, index, reference)?
        } else if let Some(manifest) = folder.small(FLAT_FILE)? {
            folder.form = Form::Flat;
            (folder.flat_image(manifest, reference)?, Vec::new())
        } else {
            return Err(SourceError::Shapeless { place: folder.place });
        };
        Ok(Self { folder, image, names })
    }
}

impl ImageSource for LayoutSource {
    fn origin(&self) -> String {
        self.folder.place.clone()
    }

    fn image(&self) -> &Image {
        &self.image
    }

    fn names(&self) -> &[String] {
        &self.names
    }

    fn open(&self, digest: &Digest) -> io::Result<Box<dyn Read + Send>> {
        let place = || self.folder.place.clone();
        if !assembled::has_layer(&self.image, digest) {
            return Err(SourceError::BlobUnknown { digest: *digest, place: place() }.into());
        }
        match self.folder.blob(digest)? {
            Some((file, _)) => Ok(Box::new(file)),
            None => Err(SourceError::Missing { what: digest.to_string(), place: place() }.into()),
        }
    }
}

impl Folder {
    fn flat_image(&self, bytes: Bytes, reference: Option<&str>) -> Result<Image, SourceError> {
        let manifest = Manifest::from_stored(bytes.clone()).map_err(|source| {
            SourceError::Manifest { what: FLAT_FILE.to_owned(), place: self.place.clone(), source }
        })?;
        let digest = Digest::of(wharf_oci::Algorithm::Sha256, &bytes);
        choose(&self.place, reference, &[Candidate { digest, names: Vec::new() }])?;
        index::of_manifest(self, manifest)
    }

    /// A regular file of the folder, and its size.
    fn file(&self, name: &str) -> Result<Option<(File, u64)>, SourceError> {
        let unreadable =
            |source| SourceError::Read { what: name.to_owned(), place: self.place.clone(), source };
        let path = match self.root.join(name).canonicalize() {
            Ok(path) => path,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(unreadable(error)),
        };
        if !path.starts_with(&self.root) {
            let (place, entry) = (self.place.clone(), name.to_owned());
            return Err(SourceError::Outside { place, entry });
        }
        // Opening a pipe would wait for its writer.
        if !fs::metadata(&path).map_err(unreadable)?.is_file() {
            return Ok(None);
        }
        let file = File::open(&path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        Ok(Some((file, size)))
    }

    /// A file of the folder that must be small, whole.
    fn small(&self, name: &str) -> Result<Option<Bytes>, SourceError> {
        let Some((file, _)) = self.file(name)? else { return Ok(None) };
        let (what, place) = (name.to_owned(), self.place.clone());
        let mut bytes = Vec::new();
        if let Err(source) = file.take(SMALL_BYTES_MAX + 1).read_to_end(&mut bytes) {
            return Err(SourceError::Read { what, place, source });
        }
        if bytes.len() as u64 > SMALL_BYTES_MAX {
            return Err(SourceError::TooLarge { what, place, max: SMALL_BYTES_MAX });
        }
        Ok(Some(bytes.into()))
    }

    fn blob(&self, digest: &Digest) -> Result<Option<(File, u64)>, SourceError> {
        self.file(&self.name(digest))
    }

    fn name(&self, digest: &Digest) -> String {
        match self.form {
            Form::Layout => index::blob_path(digest),
            Form::Flat => digest.hex(),
        }
    }
}

impl Content for Folder {
    fn place(&self) -> &str {
        &self.place
    }

    fn size(&self, digest: &Digest) -> Result<Option<u64>, SourceError> {
        Ok(self.blob(digest)?.map(|(_, size)| size))
    }

    fn bytes(&self, digest: &Digest) -> Result<Option<Bytes>, SourceError> {
        let name = self.name(digest);
        match self.small(&name)? {
            None if self.form == Form::Flat => self.small(&format!("{name}.manifest.json")),
            found => Ok(found),
        }
    }
}
