//! An image as the pusher sees it: a manifest, the blobs that it names, and, for an index, the
//! images below it. Which bytes a blob has is its source's business.

mod rewrite;

use bytes::Bytes;
use wharf_oci::{Descriptor, Digest, Manifest, Platform};

pub(crate) use rewrite::{Finished, Forms};

/// An image, or an index of images.
#[derive(Debug, Clone)]
pub struct Image {
    /// The manifest that names the blobs in the form in which the source gives them. Where the image
    /// was built here, these are the very bytes that its builder wrote.
    pub manifest: Manifest,
    /// The image's id: the digest of its config. None for an index and for artifacts.
    pub id: Option<Digest>,
    /// The config and the layers, in the order of the manifest. Empty for an index.
    pub blobs: Vec<Blob>,
    /// The images of an index, in its order; those that the source does not hold are left out.
    pub children: Vec<Self>,
    /// The manifest as the image was pulled, if `manifest` is another one, rewritten because its
    /// compressed layers are gone. A registry that has those layers takes this one.
    pub pulled: Option<Manifest>,
    /// What the image runs on, if its config says so.
    pub platform: Option<Platform>,
}

/// A blob of an image.
#[derive(Debug, Clone)]
pub struct Blob {
    /// The blob in the form in which the source gives it.
    pub descriptor: Descriptor,
    /// What it is to the image.
    pub role: Role,
}

/// What a blob is to its image.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "an image has a handful of them, mostly layers")]
pub enum Role {
    /// The config; small, and at hand.
    Config(Bytes),
    /// A layer.
    Layer {
        /// The digest of its uncompressed tar archive, from the config. None in artifacts.
        diff_id: Option<Digest>,
        /// The form in which it was pulled, if that is another: its bytes cannot be made again, but
        /// a registry may have them.
        pulled: Option<Descriptor>,
    },
}
