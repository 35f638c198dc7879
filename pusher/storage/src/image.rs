//! An image as the store knows it: its entry in the list of images, and what hangs on it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use wharf_oci::{Digest, Manifest};

use crate::index::Keyed;
use crate::layer::StoredLayer;

/// The key of an image's manifest among its files.
pub(crate) const MANIFEST: &str = "manifest";

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

/// An entry of images.json, as it is written there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ImageEntry {
    id: String,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    layer: Option<String>,
    #[serde(default)]
    big_data_digests: Option<BTreeMap<String, String>>,
}

/// The part of an image's config that names its layers (image spec, "Image Configuration").
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ConfigLayers {
    #[serde(default)]
    pub(crate) rootfs: RootFs,
}

/// The layers by the digests of their uncompressed archives, lowest first.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct RootFs {
    #[serde(default)]
    pub(crate) diff_ids: Vec<Digest>,
}

impl Keyed for ImageEntry {
    fn id(&self) -> &str {
        &self.id
    }
}

impl ImageEntry {
    /// The entry as a record of the store `root`. None if its id is not one that Podman gives.
    pub(crate) fn record(&self, root: usize) -> Option<ImageRecord> {
        let mut digests: Vec<Digest> = Vec::new();
        let of_manifests = self.big_data_digests.iter().flatten();
        let of_manifests =
            of_manifests.filter(|(key, _)| *key == MANIFEST || key.starts_with("manifest-"));
        for digest in self.digest.iter().chain(of_manifests.map(|(_, digest)| digest)) {
            if let Ok(digest) = digest.parse()
                && !digests.contains(&digest)
            {
                digests.push(digest);
            }
        }
        Some(ImageRecord {
            id: format!("sha256:{}", self.id).parse().ok()?,
            names: self.names.clone().unwrap_or_default(),
            digests,
            asked: None,
            layer: self.layer.clone().filter(|layer| !layer.is_empty()),
            root,
        })
    }
}

/// The name of the file that holds what the store keeps under `key` for an image.
pub(crate) fn file_of(key: &str) -> String {
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.');
    match key.bytes().all(is_plain) {
        true => key.to_owned(),
        false => format!("={}", STANDARD.encode(key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_names_of_files() {
        assert_eq!(file_of("manifest"), "manifest");
        assert_eq!(file_of("manifest-x"), "=bWFuaWZlc3QteA==");
        assert_eq!(file_of("sha256:a"), "=c2hhMjU2OmE=");
        assert_eq!(file_of("A"), "=QQ==");
    }

    #[test]
    fn an_entry_has_the_digests_of_all_its_manifests() {
        let (one, two) =
            (Digest::empty(wharf_oci::Algorithm::Sha256), "sha256:".to_owned() + &"a".repeat(64));
        let entry: ImageEntry = serde_json::from_value(serde_json::json!({
            "id": "b".repeat(64), "digest": one, "names": null, "layer": "",
            "big-data-digests": {"manifest": one, format!("manifest-{two}"): two, "signature-x": "sha256:1"},
        }))
        .unwrap();
        let record = entry.record(0).unwrap();
        assert_eq!(record.digests, [one, two.parse().unwrap()]);
        assert!(record.names.is_empty() && record.layer.is_none());
        let odd: ImageEntry = serde_json::from_str(r#"{"id": "../x"}"#).unwrap();
        assert!(odd.record(0).is_none());
    }
}
