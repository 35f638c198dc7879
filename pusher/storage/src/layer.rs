//! A layer as the store knows it.

use wharf_oci::Digest;

/// A layer of an image.
#[derive(Debug, Clone)]
pub struct StoredLayer {
    /// The digest of its uncompressed tar archive. None if neither the store nor the image's config
    /// knows it.
    pub diff_id: Option<Digest>,
    /// The length of that archive in bytes, where the store knows it.
    pub size: Option<u64>,
    /// Digest and size of the compressed archive that it was pulled as, whose bytes are gone. None for
    /// a layer that was built here.
    pub compressed: Option<(Digest, u64)>,
    /// Its id in the store, and then those of the layers below it, down to the lowest.
    pub(crate) chain: Vec<String>,
}
