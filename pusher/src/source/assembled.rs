//! From a manifest, and the config and layers that it names, to an [`Image`]; and the manifest that
//! is written where there is none.

use bytes::Bytes;
use serde_json::json;
use wharf_oci::{Descriptor, Digest, Manifest, media_type};

use super::config::{self, Config};
use super::error::SourceError;
use crate::image::{Blob, Image, Role};

/// An index, and those of its images that the source holds.
pub(super) fn list(manifest: Manifest, children: Vec<Image>) -> Image {
    Image { manifest, id: None, blobs: Vec::new(), children, pulled: None, platform: None }
}

/// An image, or an artifact, whose manifest names `config`.
///
/// # Errors
/// The config is none, or names another number of layers.
pub(super) fn single(place: &str, manifest: Manifest, config: Bytes) -> Result<Image, SourceError> {
    let mut image = list(manifest, Vec::new());
    let Some(descriptor) = image.manifest.config().cloned() else { return Ok(image) };
    let layers = image.manifest.layers();
    let mut diff_ids = vec![None; layers.len()];
    if config::is_of_an_image(&descriptor.media_type) {
        let said = parsed(place, &descriptor.digest, &config)?;
        // Images made by hand, of attestations for example, name no layers in their config.
        if !said.diff_ids.is_empty() {
            counted(place, said.diff_ids.len(), layers.len())?;
            diff_ids = said.diff_ids.into_iter().map(Some).collect();
        }
        image.id = Some(descriptor.digest);
        image.platform = said.platform;
    }
    let layers = layers.iter().zip(diff_ids).map(|(descriptor, diff_id)| Blob {
        descriptor: descriptor.clone(),
        role: Role::Layer { diff_id, pulled: None },
    });
    image.blobs =
        std::iter::once(Blob { descriptor, role: Role::Config(config) }).chain(layers).collect();
    Ok(image)
}

/// An image for which there is no manifest: one is written for `config` and `layers`.
///
/// # Errors
/// As [`single`].
pub(super) fn written(
    place: &str,
    config: Bytes,
    id: Digest,
    layers: &[Descriptor],
) -> Result<Image, SourceError> {
    let config_descriptor = Descriptor::new(media_type::OCI_CONFIG, id, config.len() as u64);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": config_descriptor,
        "layers": layers,
    });
    let manifest = Manifest::parse(Bytes::from(manifest.to_string()), None);
    let manifest = manifest.map_err(|source| SourceError::Manifest {
        what: "that is written for the image".to_owned(),
        place: place.to_owned(),
        source,
    })?;
    single(place, manifest, config)
}

/// Whether `digest` is a layer of the image, or of one below it.
pub(super) fn has_layer(image: &Image, digest: &Digest) -> bool {
    let is_layer =
        |blob: &Blob| blob.descriptor.digest == *digest && matches!(blob.role, Role::Layer { .. });
    image.blobs.iter().any(is_layer) || image.children.iter().any(|child| has_layer(child, digest))
}

/// What a config says.
pub(super) fn parsed(place: &str, id: &Digest, config: &[u8]) -> Result<Config, SourceError> {
    Config::parse(config).map_err(|source| SourceError::Json {
        what: format!("the config {id}"),
        place: place.to_owned(),
        source,
    })
}

/// That there are as many layers as were named.
pub(super) fn counted(place: &str, named: usize, found: usize) -> Result<(), SourceError> {
    if named == found {
        return Ok(());
    }
    Err(SourceError::LayerCount { place: place.to_owned(), named, found })
}
