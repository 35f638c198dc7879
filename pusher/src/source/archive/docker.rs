//! The images of a docker-archive, as `docker save` and `podman save` write it: `manifest.json` lists
//! them with the names of the entries that are their configs and layers. No manifest of a registry's
//! kind is in it, so one is written, for the layers as they lie there.
//!
//! A plain layer has the digest that the config gives for it, and is not hashed: whoever takes it
//! does that. A compressed one has no known digest, unless its name is one, and is hashed here.

use std::collections::HashMap;
use std::io::{self, Read};

use bytes::Bytes;
use serde::Deserialize;
use wharf_oci::{Algorithm, Descriptor, Digest, Hasher, media_type};

use super::super::assembled;
use super::super::choice::{Candidate, choose};
use super::super::content::{Content, checked};
use super::super::error::SourceError;
use super::directory::{Directory, Extent};
use super::form::Form;
use crate::image::Image;

/// The entry with the list of images.
pub(super) const FILE: &str = "manifest.json";
/// How many images an archive may have.
const IMAGES_MAX: usize = 1024;
/// How many bytes are hashed at a time.
const BUFFER_BYTES: usize = 256 << 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Written {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// An image of an archive.
pub(super) struct Saved {
    pub(super) image: Image,
    /// The names under which it was saved.
    pub(super) names: Vec<String>,
    /// The entry of each of its layers.
    pub(super) layers: HashMap<Digest, String>,
}

/// The image `wanted`, or the only one.
pub(super) fn image(
    directory: &Directory,
    list: &Bytes,
    wanted: Option<&str>,
) -> Result<Saved, SourceError> {
    let place = directory.place();
    let mut images: Vec<Written> = serde_json::from_slice(list).map_err(|source| {
        SourceError::Json { what: FILE.to_owned(), place: place.to_owned(), source }
    })?;
    if images.len() > IMAGES_MAX {
        let (what, place) = ("the number of images".to_owned(), place.to_owned());
        return Err(SourceError::TooLarge { what, place, max: IMAGES_MAX as u64 });
    }
    let candidates: Result<Vec<_>, _> =
        images.iter().map(|image| candidate(directory, image)).collect();
    let mut candidates = candidates?;
    let chosen = choose(place, wanted, &candidates)?;
    let Candidate { digest: id, names: tags } = candidates.swap_remove(chosen);
    let image = images.swap_remove(chosen);

    let config = config(directory, &image.config)?;
    let names = image.layers.unwrap_or_default();
    let diff_ids = assembled::parsed(place, &id, &config)?.diff_ids;
    assembled::counted(place, diff_ids.len(), names.len())?;
    let mut layers = Vec::new();
    let mut entries = HashMap::new();
    for (name, diff_id) in names.into_iter().zip(diff_ids) {
        let layer = layer(directory, &name, diff_id)?;
        entries.insert(layer.digest, name);
        layers.push(layer);
    }
    let image = assembled::written(place, config, id, &layers)?;
    Ok(Saved { image, names: tags, layers: entries })
}

/// An image is known by the digest of its config, by which most programs name the config's entry.
fn candidate(directory: &Directory, image: &Written) -> Result<Candidate, SourceError> {
    let config = config(directory, &image.config)?;
    let digest = Digest::of(Algorithm::Sha256, &config);
    let hex = image.config.strip_suffix(".json");
    if let Some(Ok(named)) = hex.map(|hex| format!("{}:{hex}", Algorithm::Sha256).parse()) {
        checked(directory.place(), &named, &config)?;
    }
    Ok(Candidate { digest, names: image.repo_tags.clone().unwrap_or_default() })
}

fn config(directory: &Directory, name: &str) -> Result<Bytes, SourceError> {
    let missing =
        || SourceError::Missing { what: name.to_owned(), place: directory.place().to_owned() };
    directory.small(name)?.ok_or_else(missing)
}

fn layer(directory: &Directory, name: &str, diff_id: Digest) -> Result<Descriptor, SourceError> {
    let extent = directory.expect(name)?;
    let failed = |source| SourceError::Read {
        what: name.to_owned(),
        place: directory.place().to_owned(),
        source,
    };
    let form = match extent {
        Extent::PassedOver { form, .. } => form,
        Extent::Kept { .. } => Form::of(&mut directory.open(name)?).map_err(failed)?.0,
    };
    let unsupported = |program| {
        let place = format!("the layer {name} in {}", directory.place());
        Err(SourceError::CompressionUnknown { place, program })
    };
    let media_type = match form {
        Form::Plain => media_type::OCI_LAYER,
        Form::Gzip => media_type::OCI_LAYER_GZIP,
        Form::Zstd => media_type::OCI_LAYER_ZSTD,
        Form::Bzip2 => return unsupported("bzip2"),
        Form::Xz => return unsupported("xz"),
    };
    let digest = match extent {
        // Then the archive contradicts itself: it was not this layer that the registry had.
        Extent::PassedOver { digest, .. } if form == Form::Plain && digest != diff_id => {
            return Err(SourceError::PassedOver { digest, place: directory.place().to_owned() });
        }
        Extent::PassedOver { digest, .. } => digest,
        Extent::Kept { .. } if form == Form::Plain => diff_id,
        Extent::Kept { .. } => hash(directory.open(name)?).map_err(failed)?,
    };
    Ok(Descriptor::new(media_type, digest, extent.size()))
}

fn hash(mut reader: impl Read) -> io::Result<Digest> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finalize()),
            read => hasher.update(&buffer[..read]),
        }
    }
}
