//! The manifests of an image whose layers may have got another form: pure functions from the forms
//! to the bytes. A manifest that need not change is not touched by a byte.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use wharf_oci::{Algorithm, Descriptor, Digest, Manifest, ManifestError, media_type};

use crate::image::{Blob, Image, Role};
use crate::layer::Compression;

/// The forms that layers have in a registry, by their digests in the source. What is not listed is
/// there as it is.
pub(crate) type Forms = HashMap<Digest, Descriptor>;

/// Says of layers in a form that is gone how parts of them are found.
const ANNOTATIONS_OF_FORMS: [&str; 2] =
    ["io.github.containers.zstd-chunked", "containerd.io/snapshot/stargz"];
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// A manifest as it goes, and those below it.
#[derive(Debug, Clone)]
pub(crate) struct Finished {
    pub(crate) manifest: Manifest,
    pub(crate) children: Vec<Self>,
    /// What an index does not name any more, since nobody has it.
    pub(crate) left_out: Vec<Descriptor>,
}

impl Finished {
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(Algorithm::Sha256, self.manifest.bytes())
    }
}

impl Image {
    /// The images that have blobs: the image itself, or those below an index.
    pub(crate) fn leaves(&self) -> Vec<&Self> {
        let below = self.children.iter().flat_map(Self::leaves);
        let is_leaf = self.children.is_empty();
        is_leaf.then_some(self).into_iter().chain(below).collect()
    }

    /// The image as it was pulled, if it was: with layers that nobody can open, but that a registry
    /// may have.
    pub(crate) fn as_pulled(&self) -> Option<Self> {
        let manifest = self.pulled.clone()?;
        let configs = self.blobs.iter().filter(|blob| matches!(blob.role, Role::Config(_)));
        let layers = manifest.layers().iter().map(|layer| Blob {
            descriptor: layer.clone(),
            role: Role::Layer { diff_id: None, pulled: None },
        });
        let blobs = configs.cloned().chain(layers).collect();
        let children = self.children.iter();
        let children = children.map(|it| it.as_pulled().unwrap_or_else(|| it.clone())).collect();
        let (id, platform) = (self.id, self.platform.clone());
        Some(Self { manifest, id, blobs, children, pulled: None, platform })
    }

    /// The manifest, and those below it, for layers in these forms. Of an index's entries that the
    /// source does not hold, those stay that `elsewhere` names.
    ///
    /// # Errors
    /// The manifest cannot be rewritten.
    pub(crate) fn finished(
        &self,
        forms: &Forms,
        elsewhere: &[Digest],
    ) -> Result<Finished, ManifestError> {
        if self.children.is_empty() && self.manifest.children().is_empty() {
            let manifest = self.with_layers(forms)?;
            return Ok(Finished { manifest, children: Vec::new(), left_out: Vec::new() });
        }
        let children = self.children.iter().map(|child| child.finished(forms, elsewhere));
        let children = children.collect::<Result<Vec<_>, _>>()?;
        let mut entries = HashMap::new();
        for (child, finished) in self.children.iter().zip(&children) {
            let manifest = &finished.manifest;
            let size = manifest.bytes().len() as u64;
            let entry = Descriptor::new(manifest.media_type(), finished.digest(), size);
            entries.insert(Digest::of(Algorithm::Sha256, child.manifest.bytes()), entry);
        }
        let is_there = |digest: &Digest| entries.contains_key(digest) || elsewhere.contains(digest);
        let named = self.manifest.children().iter();
        let left_out: Vec<_> = named.filter(|entry| !is_there(&entry.digest)).cloned().collect();
        let is_changed = entries.iter().any(|(digest, entry)| *digest != entry.digest);
        let manifest = if is_changed || !left_out.is_empty() {
            rewritten(&self.manifest, |object| with_entries(object, &entries, &is_there))?
        } else {
            self.manifest.clone()
        };
        Ok(Finished { manifest, children, left_out })
    }

    fn with_layers(&self, forms: &Forms) -> Result<Manifest, ManifestError> {
        let layers = self.manifest.layers();
        let finals: Vec<_> = layers.iter().map(|it| forms.get(&it.digest).unwrap_or(it)).collect();
        let are_those_of = |manifest: &Manifest| {
            let digests = manifest.layers().iter().map(|layer| layer.digest);
            digests.eq(finals.iter().map(|layer| layer.digest))
        };
        if are_those_of(&self.manifest) {
            return Ok(self.manifest.clone());
        }
        if let Some(pulled) = self.pulled.as_ref().filter(|pulled| are_those_of(pulled)) {
            return Ok(pulled.clone());
        }
        // Docker's format knows no zstd: such an image becomes an OCI image.
        let has_zstd = finals.iter().any(|layer| layer.media_type.ends_with("zstd"));
        let is_docker = self.manifest.media_type() == media_type::DOCKER_MANIFEST;
        rewritten(&self.manifest, |object| {
            if is_docker && has_zstd {
                set_types(object);
            }
            with_forms(object, &finals, is_docker && !has_zstd);
        })
    }
}

/// The manifest with its JSON changed; parsed again, so that it cannot become anything else.
fn rewritten(
    manifest: &Manifest,
    change: impl FnOnce(&mut Map<String, Value>),
) -> Result<Manifest, ManifestError> {
    let mut object = serde_json::from_slice(manifest.bytes()).map_err(ManifestError::Json)?;
    change(&mut object);
    let bytes = serde_json::to_vec(&object).map_err(ManifestError::Json)?;
    Manifest::parse(bytes.into(), None)
}

fn set_types(object: &mut Map<String, Value>) {
    object.insert("mediaType".to_owned(), json!(media_type::OCI_MANIFEST));
    if let Some(config) = object.get_mut("config").and_then(Value::as_object_mut)
        && config.get("mediaType").is_some_and(|it| it == DOCKER_CONFIG)
    {
        config.insert("mediaType".to_owned(), json!(media_type::OCI_CONFIG));
    }
}

/// Puts each layer's form into its place in the list.
fn with_forms(object: &mut Map<String, Value>, finals: &[&Descriptor], is_docker: bool) {
    let layers = object.get_mut("layers").and_then(Value::as_array_mut);
    for (layer, form) in layers.into_iter().flatten().zip(finals) {
        let Some(layer) = layer.as_object_mut() else { continue };
        let media_type = layer_type(&form.media_type, is_docker);
        let is_same = layer.get("digest").is_some_and(|it| *it == json!(form.digest));
        layer.insert("mediaType".to_owned(), json!(media_type));
        if is_same {
            continue;
        }
        layer.insert("digest".to_owned(), json!(form.digest));
        layer.insert("size".to_owned(), json!(form.size));
        layer.remove("urls");
        if let Some(annotations) = layer.get_mut("annotations").and_then(Value::as_object_mut) {
            let stays = |key: &str| !ANNOTATIONS_OF_FORMS.iter().any(|it| key.starts_with(it));
            annotations.retain(|key, _| stays(key));
        }
        if !form.annotations.is_empty() {
            layer.insert("annotations".to_owned(), json!(form.annotations));
        }
    }
}

/// The media type of a layer's form in the family of the manifest; one that is no layer's in either
/// family stays.
fn layer_type(written: &str, is_docker: bool) -> &str {
    let form = match written {
        media_type::OCI_LAYER | media_type::DOCKER_LAYER => Compression::None,
        media_type::OCI_LAYER_GZIP | media_type::DOCKER_LAYER_GZIP => Compression::GZIP,
        media_type::OCI_LAYER_ZSTD => Compression::ZSTD,
        _ => return written,
    };
    let docker = form.docker_media_type().filter(|_| is_docker);
    docker.unwrap_or_else(|| form.oci_media_type())
}

/// Puts the digests of rewritten images into an index, and leaves out what nobody has.
fn with_entries(
    object: &mut Map<String, Value>,
    entries: &HashMap<Digest, Descriptor>,
    is_there: &impl Fn(&Digest) -> bool,
) {
    let digest_of = |entry: &Value| entry.get("digest")?.as_str()?.parse::<Digest>().ok();
    let Some(list) = object.get_mut("manifests").and_then(Value::as_array_mut) else { return };
    list.retain(|entry| digest_of(entry).is_some_and(|digest| is_there(&digest)));
    for entry in list {
        let Some(finished) = digest_of(entry).and_then(|digest| entries.get(&digest)) else {
            continue;
        };
        let Some(entry) = entry.as_object_mut() else { continue };
        entry.insert("mediaType".to_owned(), json!(finished.media_type));
        entry.insert("digest".to_owned(), json!(finished.digest));
        entry.insert("size".to_owned(), json!(finished.size));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Digest {
        Digest::of(Algorithm::Sha256, text.as_bytes())
    }

    fn layer(media_type: &str, name: &str) -> Descriptor {
        Descriptor::new(media_type, of(name), name.len() as u64)
    }

    fn manifest(media_type: &str, layers: &[Descriptor]) -> Manifest {
        let config = match media_type {
            media_type::DOCKER_MANIFEST => DOCKER_CONFIG,
            _ => media_type::OCI_CONFIG,
        };
        let json = json!({
            "schemaVersion": 2, "mediaType": media_type,
            "config": Descriptor::new(config, of("config"), 6), "layers": layers,
            "annotations": {"kept": "yes"},
        });
        // Not the spelling that serde would choose.
        Manifest::parse(format!(" {json}\n").into(), None).unwrap()
    }

    fn image(manifest: Manifest) -> Image {
        let blobs = manifest.layers().iter().map(|layer| Blob {
            descriptor: layer.clone(),
            role: Role::Layer { diff_id: Some(layer.digest), pulled: None },
        });
        let blobs = blobs.collect();
        let children = Vec::new();
        Image { manifest, id: None, blobs, children, pulled: None, platform: None }
    }

    fn forms<const N: usize>(pairs: [(&str, Descriptor); N]) -> Forms {
        pairs.into_iter().map(|(name, form)| (of(name), form)).collect()
    }

    #[test]
    fn what_need_not_change_keeps_every_byte() {
        let image = image(manifest(media_type::OCI_MANIFEST, &[layer(media_type::OCI_LAYER, "a")]));
        let same = forms([("a", layer(media_type::OCI_LAYER, "a"))]);
        for forms in [Forms::new(), same] {
            let finished = image.finished(&forms, &[]).unwrap();
            assert_eq!(finished.manifest.bytes(), image.manifest.bytes());
        }
    }

    #[test]
    fn a_layer_in_another_form_changes_its_descriptor_alone() {
        let mut first = layer(media_type::OCI_LAYER, "a");
        first.annotations.insert("io.github.containers.zstd-chunked.x".into(), "gone".into());
        first.annotations.insert("mine".into(), "kept".into());
        let second = layer(media_type::OCI_LAYER_GZIP, "b");
        let image = image(manifest(media_type::OCI_MANIFEST, &[first, second.clone()]));
        let form = layer(media_type::DOCKER_LAYER_GZIP, "a.gz");
        let finished = image.finished(&forms([("a", form.clone())]), &[]).unwrap().manifest;
        let layers = finished.layers();
        assert_eq!((layers[0].digest, layers[0].size), (form.digest, form.size));
        assert_eq!(layers[0].media_type, media_type::OCI_LAYER_GZIP);
        assert_eq!(layers[0].annotations.keys().collect::<Vec<_>>(), ["mine"]);
        assert_eq!(layers[1], second);
        assert_eq!(finished.config(), image.manifest.config());
        assert_eq!(finished.annotations(), image.manifest.annotations());
    }

    #[test]
    fn docker_images_stay_so_unless_there_is_zstd() {
        let layers = [layer(media_type::DOCKER_LAYER, "a"), layer(media_type::DOCKER_LAYER, "b")];
        let image = image(manifest(media_type::DOCKER_MANIFEST, &layers));
        for (form, expected, config, other) in [
            (
                media_type::OCI_LAYER_GZIP,
                media_type::DOCKER_LAYER_GZIP,
                DOCKER_CONFIG,
                media_type::DOCKER_LAYER,
            ),
            (
                media_type::OCI_LAYER_ZSTD,
                media_type::OCI_LAYER_ZSTD,
                media_type::OCI_CONFIG,
                media_type::OCI_LAYER,
            ),
        ] {
            let forms = forms([("a", layer(form, "small"))]);
            let finished = image.finished(&forms, &[]).unwrap().manifest;
            assert_eq!(finished.layers()[0].media_type, expected);
            assert_eq!(finished.layers()[1].media_type, other);
            assert_eq!(finished.config().unwrap().media_type, config);
            let is_docker = finished.media_type() == media_type::DOCKER_MANIFEST;
            assert_eq!(is_docker, config == DOCKER_CONFIG);
        }
    }

    #[test]
    fn layers_as_they_were_pulled_bring_the_pulled_manifest_back() {
        let gzip = layer(media_type::OCI_LAYER_GZIP, "a.gz");
        let pulled = manifest(media_type::OCI_MANIFEST, std::slice::from_ref(&gzip));
        let mut image =
            image(manifest(media_type::OCI_MANIFEST, &[layer(media_type::OCI_LAYER, "a")]));
        image.pulled = Some(pulled.clone());
        let finished = image.finished(&forms([("a", gzip)]), &[]).unwrap();
        assert_eq!(finished.manifest.bytes(), pulled.bytes());
    }

    #[test]
    fn an_index_follows_its_images_and_loses_what_nobody_has() {
        let child = |name: &str| {
            image(manifest(media_type::OCI_MANIFEST, &[layer(media_type::OCI_LAYER, name)]))
        };
        let (a, b, c, d) = (child("a"), child("b"), child("c"), child("d"));
        let entries = [&a, &b, &c, &d].map(|image| {
            let bytes = image.manifest.bytes();
            let digest = Digest::of(Algorithm::Sha256, bytes);
            Descriptor::new(media_type::OCI_MANIFEST, digest, bytes.len() as u64)
        });
        let json =
            json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": entries});
        let index = Manifest::parse(json.to_string().into(), None).unwrap();
        let elsewhere = [entries[2].digest];
        let index = Image { children: vec![a, b], ..image(index) };

        let forms = forms([("a", layer(media_type::OCI_LAYER_GZIP, "a.gz"))]);
        let finished = index.finished(&forms, &elsewhere).unwrap();
        let digests: Vec<_> = finished.manifest.children().iter().map(|it| it.digest).collect();
        let expected = [finished.children[0].digest(), entries[1].digest, entries[2].digest];
        assert_eq!(digests, expected);
        assert_ne!(digests[0], entries[0].digest);
        assert_eq!(finished.left_out, [entries[3].clone()]);

        let all = [entries[2].digest, entries[3].digest];
        let finished = index.finished(&Forms::new(), &all).unwrap();
        assert_eq!(finished.manifest.bytes(), index.manifest.bytes());
    }
}
