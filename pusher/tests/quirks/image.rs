//! An image in memory: layers that do not compress, so that a limit on bytes is met.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use wharf_oci::{Algorithm, Descriptor, Digest, Manifest, media_type};
use wharf_pusher::image::{Blob, Image, Role};
use wharf_pusher::source::ImageSource;

#[derive(Debug)]
pub(crate) struct MemoryImage {
    image: Image,
    pub(crate) config: Bytes,
    pub(crate) layers: Vec<Bytes>,
    /// How often a layer was read.
    pub(crate) opened: AtomicUsize,
}

impl MemoryImage {
    /// An image with layers of these sizes in bytes. Those of one size are equal in all images.
    pub(crate) fn new(sizes: &[usize]) -> Arc<Self> {
        let layers: Vec<Bytes> = sizes.iter().map(|&size| noise(size)).collect();
        let diff_ids: Vec<Digest> = layers.iter().map(|layer| digest(layer)).collect();
        let config = serde_json::json!({
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = Bytes::from(config.to_string());
        let of = |media_type, bytes: &Bytes| {
            Descriptor::new(media_type, digest(bytes), bytes.len() as u64)
        };
        let config_descriptor = of(media_type::OCI_CONFIG, &config);
        let layer_descriptors: Vec<_> =
            layers.iter().map(|layer| of(media_type::OCI_LAYER, layer)).collect();
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
            "config": config_descriptor, "layers": layer_descriptors,
        });
        let role = Role::Config(config.clone());
        let mut blobs = vec![Blob { descriptor: config_descriptor.clone(), role }];
        for descriptor in layer_descriptors {
            let role = Role::Layer { diff_id: Some(descriptor.digest), pulled: None };
            blobs.push(Blob { descriptor, role });
        }
        let image = Image {
            manifest: Manifest::from_stored(manifest.to_string().into()).unwrap(),
            id: Some(config_descriptor.digest),
            blobs,
            children: Vec::new(),
            pulled: None,
            platform: None,
        };
        Arc::new(Self { image, config, layers, opened: AtomicUsize::new(0) })
    }
}

impl ImageSource for MemoryImage {
    fn origin(&self) -> String {
        "the test's memory".to_owned()
    }

    fn image(&self) -> &Image {
        &self.image
    }

    fn open(&self, wanted: &Digest) -> io::Result<Box<dyn Read + Send>> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let layer = self.layers.iter().find(|layer| digest(layer) == *wanted);
        let layer = layer.ok_or(io::ErrorKind::NotFound)?.clone();
        Ok(Box::new(io::Cursor::new(layer)))
    }
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

/// Bytes that no compressor makes fewer.
fn noise(size: usize) -> Bytes {
    let mut state = size as u64 | 1;
    let words = std::iter::repeat_with(|| {
        // xorshift64: every word of its period once.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(size).collect()
}
