//! An image made by hand, with layers small and large, in any form of compression.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};
use wharf_oci::{Algorithm, Digest, Platform, media_type};

use crate::contract::Facts;

/// Larger than what a source takes without asking whether the registry has it.
pub(crate) const LARGE_BYTES: usize = 5 << 20;

/// How layers lie in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// An image: its config, and its layers as plain tar archives.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) config: Vec<u8>,
    pub(crate) layers: Vec<Vec<u8>>,
}

/// What an image is in a registry.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) manifest: Vec<u8>,
    pub(crate) blobs: BTreeMap<Digest, Vec<u8>>,
}

impl Made {
    /// An image of two layers, one of them large; others with every other `seed`.
    pub(crate) fn new(seed: u8) -> Self {
        Self::of_layers(vec![
            layer("small", &noise(seed, 1000)),
            layer("large", &noise(seed, LARGE_BYTES)),
        ])
    }

    pub(crate) fn of_layers(layers: Vec<Vec<u8>>) -> Self {
        let diff_ids: Vec<_> = layers.iter().map(|layer| sha256(layer)).collect();
        let config = json!({
            "architecture": "arm64", "os": "linux", "variant": "v8",
            "config": { "Cmd": ["/large"] },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": [{ "created_by": "hand" }, { "created_by": "hand", "empty_layer": true }],
        });
        Self { config: config.to_string().into(), layers }
    }

    pub(crate) fn id(&self) -> Digest {
        sha256(&self.config)
    }

    pub(crate) fn diff_ids(&self) -> Vec<Digest> {
        self.layers.iter().map(|layer| sha256(layer)).collect()
    }

    /// What every source must say of it.
    pub(crate) fn facts(&self) -> Facts {
        let platform: Platform = serde_json::from_slice(&self.config).unwrap();
        Facts {
            id: Some(self.id()),
            diff_ids: self.diff_ids(),
            platform: Some(platform),
            children: Vec::new(),
        }
    }

    /// Its manifest and blobs.
    pub(crate) fn stored(&self, packing: Packing) -> Stored {
        let mut blobs = BTreeMap::from([(self.id(), self.config.clone())]);
        let mut layers = Vec::new();
        for layer in &self.layers {
            let packed = packing.pack(layer);
            layers.push(descriptor(packing.media_type(), &packed));
            blobs.insert(sha256(&packed), packed);
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_MANIFEST,
            "config": descriptor(media_type::OCI_CONFIG, &self.config),
            "layers": layers,
        });
        Stored { manifest: manifest.to_string().into(), blobs }
    }
}

impl Stored {
    /// Its entry in an index, without its name.
    pub(crate) fn descriptor(&self) -> Value {
        descriptor(media_type::OCI_MANIFEST, &self.manifest)
    }
}

impl Packing {
    pub(crate) fn pack(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => bytes.to_vec(),
            Self::Zstd => zstd::encode_all(bytes, 1).unwrap(),
            Self::Gzip => {
                // Nothing would become smaller, and this is quick.
                let level = flate2::Compression::none();
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Plain => media_type::OCI_LAYER,
            Self::Gzip => media_type::OCI_LAYER_GZIP,
            Self::Zstd => media_type::OCI_LAYER_ZSTD,
        }
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

pub(crate) fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": sha256(bytes), "size": bytes.len() })
}

/// A layer of one file.
pub(crate) fn layer(name: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = crate::written::Archive::default();
    archive.file(name, content);
    archive.end()
}

/// Bytes that no compressor makes much smaller, others for every other seed.
pub(crate) fn noise(seed: u8, length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ (u64::from(seed) << 32) ^ length as u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
