//! From the index of an OCI layout to the image that is meant (image spec, "Image Layout"). What the
//! image names must be there, save what an index lists for other platforms: most tools store one
//! platform of an index, and the rest of it is left out here too.

use std::cell::Cell;

use bytes::Bytes;
use wharf_oci::{Descriptor, Digest, Manifest, ManifestKind, media_type};

use super::assembled;
use super::choice::{Candidate, choose};
use super::content::{self, Content};
use super::error::SourceError;
use crate::image::Image;

/// The file of a layout in which its images stand.
pub(super) const FILE: &str = "index.json";
/// How many manifests one image and all that it lists may consist of.
const MANIFESTS_MAX: usize = 1024;
/// How long these and their configs may be together, in bytes: all are kept in memory.
const MANIFESTS_BYTES_MAX: u64 = 32 << 20;
/// How many indexes may stand in each other.
const DEPTH_MAX: usize = 4;
/// The annotation with a name (image spec, "Pre-Defined Annotation Keys").
const NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation with the whole name, where Docker and containerd wrote the layout.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// The image `wanted` of a layout whose `index.json` is `index`, or its only one; and its names there.
pub(super) fn image(
    content: &dyn Content,
    index: Bytes,
    wanted: Option<&str>,
) -> Result<(Image, Vec<String>), SourceError> {
    let index = Manifest::from_stored(index).map_err(|source| SourceError::Manifest {
        what: FILE.to_owned(),
        place: content.place().to_owned(),
        source,
    })?;
    let mut candidates: Vec<_> = index.children().iter().map(candidate).collect();
    let chosen = choose(content.place(), wanted, &candidates)?;
    let Candidate { digest, names } = candidates.swap_remove(chosen);
    let image = of_manifest(content, content::manifest(content, &digest)?)?;
    Ok((image, names))
}

/// The image of `manifest`, or all images of an index.
pub(super) fn of_manifest(content: &dyn Content, manifest: Manifest) -> Result<Image, SourceError> {
    Reading { content, manifests: Cell::new(0), bytes: Cell::new(0) }.image(manifest, 0)
}

/// Where a blob lies in a layout. A digest consists of harmless characters alone.
pub(super) fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

fn candidate(entry: &Descriptor) -> Candidate {
    let names = [CONTAINERD_NAME, NAME].iter().filter_map(|key| entry.annotations.get(*key));
    let mut names: Vec<_> = names.cloned().collect();
    names.dedup();
    Candidate { digest: entry.digest, names }
}

struct Reading<'a> {
    content: &'a dyn Content,
    manifests: Cell<usize>,
    bytes: Cell<u64>,
}

impl Reading<'_> {
    fn image(&self, manifest: Manifest, depth: usize) -> Result<Image, SourceError> {
        self.manifests.set(self.manifests.get() + 1);
        if self.manifests.get() > MANIFESTS_MAX {
            return Err(self.too_large("the number of manifests", MANIFESTS_MAX as u64));
        }
        self.keep(manifest.bytes())?;
        match manifest.kind() {
            ManifestKind::Index if depth == DEPTH_MAX => {
                let place = self.content.place().to_owned();
                Err(SourceError::Nesting { place, max: DEPTH_MAX })
            }
            ManifestKind::Index => self.list(manifest, depth),
            ManifestKind::Image => self.single(manifest),
        }
    }

    fn list(&self, manifest: Manifest, depth: usize) -> Result<Image, SourceError> {
        let mut children = Vec::new();
        let mut first_missing = None;
        for child in manifest.children() {
            let manifest = content::manifest(self.content, &child.digest);
            match manifest.and_then(|manifest| self.image(manifest, depth + 1)) {
                Ok(image) => children.push(image),
                Err(error @ SourceError::Missing { .. }) => {
                    first_missing.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        match first_missing {
            Some(error) if children.is_empty() => Err(error),
            _ => Ok(assembled::list(manifest, children)),
        }
    }

    fn single(&self, manifest: Manifest) -> Result<Image, SourceError> {
        let Some(config) = manifest.config() else {
            let (what, place) = ("a config".to_owned(), self.content.place().to_owned());
            return Err(SourceError::Missing { what, place });
        };
        let bytes = content::small(self.content, &config.digest)?;
        self.keep(&bytes)?;
        let mut elsewhere = Vec::new();
        for layer in manifest.layers() {
            match self.content.size(&layer.digest)? {
                Some(found) if found == layer.size => {}
                Some(found) => {
                    let (digest, expected) = (layer.digest, layer.size);
                    let place = self.content.place().to_owned();
                    return Err(SourceError::SizeMismatch { digest, place, expected, found });
                }
                None if media_type::is_non_distributable(&layer.media_type) => {
                    elsewhere.push(layer.digest);
                }
                None => return Err(content::missing(self.content, &layer.digest)),
            }
        }
        let mut image = assembled::single(self.content.place(), manifest, bytes)?;
        image.blobs.retain(|blob| !elsewhere.contains(&blob.descriptor.digest));
        Ok(image)
    }

    /// Counts what is kept in memory.
    fn keep(&self, bytes: &Bytes) -> Result<(), SourceError> {
        self.bytes.set(self.bytes.get() + bytes.len() as u64);
        if self.bytes.get() > MANIFESTS_BYTES_MAX {
            let what = "the length of all manifests and configs";
            return Err(self.too_large(what, MANIFESTS_BYTES_MAX));
        }
        Ok(())
    }

    fn too_large(&self, what: &str, max: u64) -> SourceError {
        let (what, place) = (what.to_owned(), self.content.place().to_owned());
        SourceError::TooLarge { what, place, max }
    }
}
