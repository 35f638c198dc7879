//! A layer as the store knows it.

use std::sync::Arc;

use serde::Deserialize;
use wharf_oci::Digest;

use crate::index::Keyed;

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
    /// The ids in the store of the image's layers, lowest first.
    pub(crate) chain: Arc<[String]>,
    /// Which of them this one is.
    pub(crate) position: usize,
}

/// An entry of layers.json, as it is written there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LayerEntry {
    id: String,
    #[serde(default)]
    pub(crate) parent: Option<String>,
    #[serde(default)]
    compressed_diff_digest: Option<String>,
    #[serde(default)]
    compressed_size: Option<i64>,
    #[serde(default)]
    diff_digest: Option<String>,
    #[serde(default)]
    diff_size: Option<i64>,
    #[serde(default)]
    flags: Option<Flags>,
}

#[derive(Debug, Default, Deserialize)]
struct Flags {
    /// The layer is still being written, or its writer died.
    #[serde(default)]
    incomplete: Option<serde_json::Value>,
}

impl Keyed for LayerEntry {
    fn id(&self) -> &str {
        &self.id
    }
}

impl LayerEntry {
    /// Whether all of it is there. An id is a part of paths, so an odd one is not used.
    pub(crate) fn is_usable(&self) -> bool {
        let flags = self.flags.as_ref();
        let incomplete = flags.and_then(|flags| flags.incomplete.as_ref());
        incomplete != Some(&serde_json::Value::Bool(true)) && is_name(&self.id)
    }

    /// The layer at `position` of `chain`, the archive of which should have the digest `named`.
    pub(crate) fn stored(
        &self,
        chain: &Arc<[String]>,
        position: usize,
        named: Option<Digest>,
    ) -> StoredLayer {
        let of_store = parsed(self.diff_digest.as_deref());
        let compressed = parsed(self.compressed_diff_digest.as_deref())
            .filter(|digest| Some(*digest) != of_store)
            .zip(positive(self.compressed_size));
        StoredLayer {
            diff_id: named.or(of_store),
            size: positive(self.diff_size),
            compressed,
            chain: Arc::clone(chain),
            position,
        }
    }
}

impl StoredLayer {
    /// Its id in the store.
    pub(crate) fn id(&self) -> &str {
        &self.chain[self.position]
    }

    /// The ids of the layers below it, the nearest first.
    pub(crate) fn below(&self) -> impl Iterator<Item = &str> {
        self.chain[..self.position].iter().rev().map(String::as_str)
    }
}

/// Whether `text` can be the name of a file.
fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && !text.starts_with('.') && text.bytes().all(is_plain)
}

fn parsed(digest: Option<&str>) -> Option<Digest> {
    digest.and_then(|digest| digest.parse().ok())
}

/// Sizes that are not known are left out, zero or below.
fn positive(size: Option<i64>) -> Option<u64> {
    size.and_then(|size| u64::try_from(size).ok()).filter(|&size| size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(json: serde_json::Value) -> LayerEntry {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_pulled_layer_remembers_how_it_came() {
        let [diff, packed] = ["a", "b"].map(|digit| format!("sha256:{}", digit.repeat(64)));
        let chain: Arc<[String]> = Arc::new(["base".to_owned(), "top".to_owned()]);
        let pulled = entry(serde_json::json!({
            "id": "top", "parent": "base", "compressed-diff-digest": packed, "compressed-size": 5,
            "diff-digest": diff, "diff-size": 9, "compression": 2, "uidset": [0],
        }));
        let layer = pulled.stored(&chain, 1, None);
        assert_eq!(layer.diff_id, Some(diff.parse().unwrap()));
        assert_eq!((layer.size, layer.compressed), (Some(9), Some((packed.parse().unwrap(), 5))));
        assert_eq!((layer.id(), layer.below().collect::<Vec<_>>()), ("top", vec!["base"]));

        let built = entry(serde_json::json!({
            "id": "top", "compressed-diff-digest": diff, "compressed-size": 9, "diff-digest": diff,
            "diff-size": -1,
        }));
        let layer = built.stored(&chain, 0, None);
        assert_eq!((layer.compressed, layer.size), (None, None));
    }

    #[test]
    fn unfinished_and_odd_layers_are_not_used() {
        let table = [
            (serde_json::json!({"id": "a1"}), true),
            (serde_json::json!({"id": "a1", "flags": {"incomplete": true}}), false),
            (serde_json::json!({"id": "a1", "flags": {"incomplete": false}}), true),
            (serde_json::json!({"id": "a1", "flags": null}), true),
            (serde_json::json!({"id": "../a1"}), false),
            (serde_json::json!({"id": ".."}), false),
            (serde_json::json!({"id": ""}), false),
        ];
        for (json, usable) in table {
            assert_eq!(entry(json.clone()).is_usable(), usable, "{json}");
        }
    }
}
