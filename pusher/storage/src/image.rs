//! An image as the store knows it: its entry in the list of images, and what hangs on it.

use bytes::Bytes;
use wharf_oci::{Digest, Manifest};

use crate::layer::StoredLayer;

/// An entry of the list of images.
#[derive(Debug, Clone)]
pub struct ImageRecord {
    /// What Podman calls its id. For an image, the digest of its config; for a list of images made by
    /// `podman manifest create`, 32 random bytes in the same form, which are the digest of nothing.
    pub id: Digest,
    /// Its names, in full: `localhost/app:v1`. May be empty.
    pub names: Vec<String>,
    /// The digests of its manifests: one, or several if it came by several ways.
    pub digests: Vec<Digest>,
    /// Which of these was asked for, if one was.
    pub(crate) asked: Option<Digest>,
    /// The id of its topmost layer; none for lists and for images without layers.
    pub(crate) layer: Option<String>,
    /// Which of the location's stores it lies in.
    pub(crate) root: usize,
}

/// An image with its manifest, its config and its layers.
#[derive(Debug, Clone)]
pub struct StoredImage {
    /// Its entry in the list.
    pub record: ImageRecord,
    /// The manifest, byte for byte as it was built or pulled. For a pulled image it names compressed
    /// layers that the store has not kept.
    pub manifest: Manifest,
    /// The config, byte for byte. None for an index.
    pub config: Option<Bytes>,
    /// Its layers, lowest first, one for each of the manifest's. Empty for an index.
    pub layers: Vec<StoredLayer>,
}
