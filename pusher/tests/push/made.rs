//! Images out of nothing, and sources that give them, or fail to.

use std::collections::HashMap;
use std::io::{self, Cursor, Read};
use std::sync::Mutex;

use bytes::Bytes;
use serde_json::json;
use wharf_oci::{Algorithm, Descriptor, Digest, Manifest, media_type};
use wharf_pusher::image::{Blob, Image, Role};
use wharf_pusher::source::ImageSource;

/// An image and where its layers come from.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) image: Image,
    layers: HashMap<Digest, Layer>,
    /// Every layer that was opened, in order.
    opened: Mutex<Vec<Digest>>,
}

/// What a layer gives when it is opened.
#[derive(Debug, Clone)]
pub(crate) enum Layer {
    Bytes(Bytes),
    /// So many zeros.
    Zeros(u64),
    Gone,
}

/// Bytes that look like text, different for every seed.
pub(crate) fn bytes(seed: u64, length: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(format!("{:x} ", state & 0xff_ffff).as_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

pub(crate) fn of(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

impl Made {
    /// An image with these plain layers.
    pub(crate) fn new(layers: &[Bytes]) -> Self {
        let given = layers.iter().map(|bytes| {
            let layer = Descriptor::new(media_type::OCI_LAYER, of(bytes), bytes.len() as u64);
            (layer, Layer::Bytes(bytes.clone()))
        });
        Self::with(given.collect())
    }

    /// An image with these layers, whatever they then give.
    pub(crate) fn with(layers: Vec<(Descriptor, Layer)>) -> Self {
        let diff_ids: Vec<_> = layers.iter().map(|(layer, _)| layer.digest).collect();
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = Bytes::from(config.to_string());
        let descriptors: Vec<_> = layers.iter().map(|(layer, _)| layer.clone()).collect();
        let manifest = manifest(&config, &descriptors);
        let mut blobs = vec![Blob {
            descriptor: Descriptor::new(media_type::OCI_CONFIG, of(&config), config.len() as u64),
            role: Role::Config(config),
        }];
        blobs.extend(descriptors.into_iter().map(|descriptor| Blob {
            role: Role::Layer { diff_id: Some(descriptor.digest), pulled: None },
            descriptor,
        }));
        let id = Some(blobs[0].descriptor.digest);
        let image =
            Image { manifest, id, blobs, children: Vec::new(), pulled: None, platform: None };
        let layers = layers.into_iter().map(|(layer, gives)| (layer.digest, gives)).collect();
        Self { image, layers, opened: Mutex::default() }
    }

    /// An image whose layers are of these sizes, each from a seed of its own.
    pub(crate) fn sized(seed: u64, sizes: &[usize]) -> Self {
        let layers = sizes.iter().zip(seed * 100..);
        Self::new(&layers.map(|(size, seed)| bytes(seed, *size)).collect::<Vec<_>>())
    }

    /// An index of these images; what else it names is not held.
    pub(crate) fn index(images: Vec<Self>, others: &[Descriptor]) -> Self {
        let entries = images.iter().map(|made| {
            let bytes = made.image.manifest.bytes();
            Descriptor::new(media_type::OCI_MANIFEST, of(bytes), bytes.len() as u64)
        });
        let entries: Vec<_> = entries.chain(others.iter().cloned()).collect();
        let text =
            json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": entries});
        let manifest = Manifest::parse(text.to_string().into(), None).unwrap();
        let (mut children, mut layers) = (Vec::new(), HashMap::new());
        for made in images {
            children.push(made.image);
            layers.extend(made.layers);
        }
        let image =
            Image { manifest, id: None, blobs: Vec::new(), children, pulled: None, platform: None };
        Self { image, layers, opened: Mutex::default() }
    }

    /// From now on, a layer gives something else.
    #[must_use]
    pub(crate) fn but(mut self, layer: usize, gives: Layer) -> Self {
        self.layers.insert(self.layer(layer).digest, gives);
        self
    }

    /// The descriptor of a layer, counted from 0.
    pub(crate) fn layer(&self, layer: usize) -> Descriptor {
        self.image.manifest.layers()[layer].clone()
    }

    pub(crate) fn digest(&self) -> Digest {
        of(self.image.manifest.bytes())
    }

    /// How many times a layer was opened in all.
    pub(crate) fn opened(&self) -> usize {
        self.opened.lock().unwrap().len()
    }
}

pub(crate) fn manifest(config: &[u8], layers: &[Descriptor]) -> Manifest {
    let config = Descriptor::new(media_type::OCI_CONFIG, of(config), config.len() as u64);
    let text = json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
        "config": config, "layers": layers,
    });
    // A spelling of its own, to be kept byte for byte.
    Manifest::parse(format!("{text:#}\n").into(), None).unwrap()
}

impl ImageSource for Made {
    fn origin(&self) -> String {
        "a made image".to_owned()
    }

    fn image(&self) -> &Image {
        &self.image
    }

    fn open(&self, digest: &Digest) -> io::Result<Box<dyn Read + Send>> {
        self.opened.lock().unwrap().push(*digest);
        match self.layers.get(digest).cloned() {
            Some(Layer::Bytes(bytes)) => Ok(Box::new(Cursor::new(bytes))),
            Some(Layer::Zeros(size)) => Ok(Box::new(io::repeat(0).take(size))),
            Some(Layer::Gone) | None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}
