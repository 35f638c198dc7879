//! The manifest of an image over the layers that the store can give: its own where it was built here,
//! and one of our writing where it was pulled, since the compressed layers that it names are gone.
//! Both ends of a push use this, so that an image has one digest whichever way it goes.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use wharf_oci::{Descriptor, Digest, Manifest, ManifestError, media_type};

use crate::image::StoredImage;

/// Annotations of a layer that describe how it was compressed: they say nothing of a plain one.
const OF_COMPRESSION: &[&str] = &[
    "io.github.containers.zstd-chunked.",
    "containerd.io/snapshot/stargz/",
    "io.containers.estargz.",
];

/// Why there is no manifest over an image's uncompressed layers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// It lists images, and has no layers of its own.
    #[error("{image} is a list of images")]
    List {
        /// The image's id.
        image: Digest,
    },
    /// The store does not know what a layer's uncompressed archive is.
    #[error(
        "the store knows neither digest nor size of the uncompressed layer {layer} of the image \
         {image}"
    )]
    LayerUnknown {
        /// The image's id.
        image: Digest,
        /// The layer, as the image was pulled with it.
        layer: Digest,
    },
    /// What was written is no manifest.
    #[error("the manifest of the image {image} cannot be rewritten for its uncompressed layers")]
    Manifest {
        /// The image's id.
        image: Digest,
        /// What is wrong with it.
        #[source]
        source: Box<ManifestError>,
    },
}

impl StoredImage {
    /// The manifest over the uncompressed layers. The store's own, byte for byte, if that is what it
    /// names; else one with other layers and all else as it was: the config, and so the image's id,
    /// and whether it is in Docker's format.
    ///
    /// # Errors
    /// [`RewriteError`].
    pub fn uncompressed_manifest(&self) -> Result<Manifest, RewriteError> {
        let image = self.record.id;
        let named = self.manifest.layers();
        if self.config.is_none() {
            return Err(RewriteError::List { image });
        }
        let plain = named.iter().zip(&self.layers).map(|(layer, stored)| match stored.diff_id {
            Some(diff_id) if diff_id == layer.digest => Ok(layer.clone()),
            Some(diff_id) => stored.size.map(|size| self.plain(layer, diff_id, size)).ok_or(layer),
            None => Err(layer),
        });
        let plain: Vec<_> = plain
            .collect::<Result<_, _>>()
            .map_err(|layer| RewriteError::LayerUnknown { image, layer: layer.digest })?;
        if plain == named {
            return Ok(self.manifest.clone());
        }
        let failed = |source| RewriteError::Manifest { image, source: Box::new(source) };
        rewritten(&self.manifest, &plain).map_err(failed)
    }

    /// What `layer` is once it is not compressed any more.
    fn plain(&self, layer: &Descriptor, diff_id: Digest, size: u64) -> Descriptor {
        let media_type = match self.manifest.media_type() {
            media_type::DOCKER_MANIFEST => media_type::DOCKER_LAYER,
            _ => media_type::OCI_LAYER,
        };
        let mut plain = Descriptor::new(media_type, diff_id, size);
        let of_compression = |key: &str| OF_COMPRESSION.iter().any(|it| key.starts_with(it));
        plain.annotations = layer.annotations.clone();
        plain.annotations.retain(|key, _| !of_compression(key));
        plain
    }
}

/// `manifest` with other layers.
fn rewritten(manifest: &Manifest, layers: &[Descriptor]) -> Result<Manifest, ManifestError> {
    let mut json: Map<String, Value> =
        serde_json::from_slice(manifest.bytes()).map_err(ManifestError::Json)?;
    json.insert("layers".to_owned(), json!(layers));
    Manifest::parse(Bytes::from(Value::Object(json).to_string()), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ImageRecord;
    use crate::layer::StoredLayer;
    use wharf_oci::Algorithm;

    fn digest(text: &str) -> Digest {
        Digest::of(Algorithm::Sha256, text.as_bytes())
    }

    /// An image of two layers, `a` and `b`, whose manifest names them as `named` says.
    fn image(manifest_type: &str, named: &[Value], sizes: [Option<u64>; 2]) -> StoredImage {
        let config = Bytes::from_static(b"{}");
        let id = digest("{}");
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "config": { "mediaType": media_type::OCI_CONFIG, "digest": id, "size": 2 },
            "layers": named,
            "annotations": { "kept": "yes" },
        });
        let bytes = Bytes::from(format!("{manifest:#}\n"));
        let layer = |text, size| StoredLayer {
            diff_id: Some(digest(text)),
            size,
            compressed: None,
            chain: std::sync::Arc::default(),
            position: 0,
        };
        StoredImage {
            record: ImageRecord {
                id,
                names: Vec::new(),
                digests: Vec::new(),
                asked: None,
                layer: None,
                root: 0,
            },
            manifest: Manifest::parse(bytes, None).unwrap(),
            config: Some(config),
            layers: vec![layer("a", sizes[0]), layer("b", sizes[1])],
        }
    }

    fn named(media_type: &str, text: &str, annotations: &Value) -> Value {
        json!({
            "mediaType": media_type,
            "digest": digest(text),
            "size": 1,
            "annotations": annotations,
        })
    }

    #[test]
    fn the_manifest_of_an_image_built_here_is_its_own() {
        let layers = ["a", "b"].map(|text| named(media_type::OCI_LAYER, text, &json!({})));
        let image = image(media_type::OCI_MANIFEST, &layers, [Some(1), None]);
        assert_eq!(image.uncompressed_manifest().unwrap().bytes(), image.manifest.bytes());
    }

    #[test]
    fn that_of_a_pulled_image_names_its_uncompressed_layers() {
        let annotations = json!({
            "io.github.containers.zstd-chunked.manifest-position": "1:2:3:4",
            "kept": "too",
        });
        for (manifest_type, compressed, plain) in [
            (media_type::OCI_MANIFEST, media_type::OCI_LAYER_ZSTD, media_type::OCI_LAYER),
            (media_type::DOCKER_MANIFEST, media_type::DOCKER_LAYER_GZIP, media_type::DOCKER_LAYER),
        ] {
            let layers = ["gone", "gone too"].map(|text| named(compressed, text, &annotations));
            let image = image(manifest_type, &layers, [Some(10), Some(20)]);
            let manifest = image.uncompressed_manifest().unwrap();
            assert_eq!(manifest.media_type(), manifest_type);
            assert_eq!(manifest.config(), image.manifest.config());
            assert_eq!(manifest.annotations(), image.manifest.annotations());
            for (layer, (text, size)) in manifest.layers().iter().zip([("a", 10), ("b", 20)]) {
                assert_eq!((layer.digest, layer.size), (digest(text), size));
                assert_eq!(layer.media_type, plain);
                let kept: Vec<_> = layer.annotations.keys().collect();
                assert_eq!(kept, ["kept"]);
            }
        }
    }

    #[test]
    fn what_the_store_does_not_know_cannot_be_named() {
        let layers = ["gone", "b"].map(|text| named(media_type::OCI_LAYER_GZIP, text, &json!({})));
        let mut image = image(media_type::OCI_MANIFEST, &layers, [None, Some(20)]);
        let unknown = image.uncompressed_manifest();
        assert!(matches!(unknown, Err(RewriteError::LayerUnknown { .. })), "{unknown:?}");
        image.layers[0].diff_id = None;
        let unknown = image.uncompressed_manifest();
        assert!(matches!(unknown, Err(RewriteError::LayerUnknown { .. })), "{unknown:?}");
        image.config = None;
        let list = image.uncompressed_manifest();
        assert!(matches!(list, Err(RewriteError::List { .. })), "{list:?}");
    }
}
