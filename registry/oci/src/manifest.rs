//! `Manifest`: the exact bytes of a manifest, and the edges parsed from them (config, layers,
//! children, subject). It checks the form only; whether what an edge points at exists is for the
//! registry to know. Docker's schema 1 is refused.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Deserializer};

use crate::json::{Object, nesting, object_or_null, texts_or_null};
use crate::quoted::quoted;
use crate::{Descriptor, Digest, media_type};

/// How deep lists and objects may stand in each other, also where nobody reads them: a program that
/// reads such a manifest later may have less patience, or less of a stack.
const NESTING_MAX: usize = 128;

/// An image manifest or an index, as it was pushed.
#[derive(Debug, Clone)]
pub struct Manifest {
    bytes: Bytes,
    media_type: String,
    kind: ManifestKind,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Vec<Descriptor>,
    children: Vec<Descriptor>,
    subject: Option<Descriptor>,
    annotations: BTreeMap<String, String>,
}

/// The two shapes of manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ManifestKind {
    /// One image or artifact: a config and layers.
    Image,
    /// A list of other manifests.
    Index,
}

/// Why bytes are not a manifest, or not one of the type that was announced.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or a known field has another form than the spec gives it.
    #[error("the manifest is not JSON of the form that the image spec gives")]
    Json(#[source] serde_json::Error),
    /// It is not UTF-8, which JSON has to be (RFC 8259, section 8.1).
    #[error("the manifest is not UTF-8")]
    Encoding(#[source] std::str::Utf8Error),
    /// Lists or objects in each other, more than [`NESTING_MAX`] of them.
    #[error(
        "the manifest is nested too deep: {NESTING_MAX} lists and objects in each other at most"
    )]
    Nesting,
    /// `schemaVersion` is not 2.
    #[error(
        "the manifest's schemaVersion is not 2; Docker's schema 1 is not supported: push again with a current client"
    )]
    SchemaVersion,
    /// It has the fields of an index and those of an image.
    #[error(
        "the manifest has `manifests` and also `config` or `layers`: it can be an index or an image, not both"
    )]
    Ambiguous,
    /// It has neither the fields of an index nor those of an image.
    #[error("the manifest has neither `manifests` nor `config`")]
    Shapeless,
    /// Its type is none that Wharf knows.
    #[error(
        "the media type {media_type} is not supported: push an OCI image manifest or index, or a Docker schema 2 manifest or list"
    )]
    MediaTypeUnknown {
        /// The type in the body, shortened for the message.
        media_type: String,
    },
    /// It points at content without a media type, which a descriptor has to have.
    #[error("the manifest's descriptor of {digest} has no mediaType")]
    DescriptorUntyped {
        /// What it points at.
        digest: Digest,
    },
    /// An index in an image's type, or the reverse.
    #[error("the manifest's mediaType {media_type} does not fit its fields")]
    MediaTypeMismatch {
        /// The type in the body, shortened for the message.
        media_type: String,
    },
    /// The request announced another type than the body has.
    #[error("the Content-Type {content_type} is not the manifest's media type {media_type}")]
    ContentTypeMismatch {
        /// What the request said, shortened for the message.
        content_type: String,
        /// What the body says, or its shape stands for.
        media_type: String,
    },
}

/// The fields that matter, as they are written. A field that is `null` still shows the shape.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    schema_version: Option<u64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    #[serde(default, deserialize_with = "present")]
    config: Option<Option<Object<Descriptor>>>,
    #[serde(default, deserialize_with = "present")]
    layers: Option<Option<Vec<Object<Descriptor>>>>,
    #[serde(default, deserialize_with = "present")]
    manifests: Option<Option<Vec<Object<Descriptor>>>>,
    #[serde(default, deserialize_with = "object_or_null")]
    subject: Option<Descriptor>,
    #[serde(default, deserialize_with = "texts_or_null")]
    annotations: BTreeMap<String, String>,
}

/// Tells a field that is `null` from one that is not there.
fn present<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

impl Manifest {
    /// Parses a manifest that came with a request.
    ///
    /// `content_type`, less its parameters, must equal the body's `mediaType`; a body without one
    /// has the OCI type of its shape (distribution spec, "Pushing Manifests").
    ///
    /// # Errors
    /// [`ManifestError`], whatever the bytes are; never a panic.
    pub fn parse(bytes: Bytes, content_type: Option<&str>) -> Result<Self, ManifestError> {
        let manifest = Self::read(bytes, content_type)?;
        let mut edges = manifest.config.iter().chain(&manifest.layers);
        let mut others = manifest.children.iter().chain(&manifest.subject);
        let is_untyped = |edge: &&Descriptor| edge.media_type.is_empty();
        match edges.find(is_untyped).or_else(|| others.find(is_untyped)) {
            Some(edge) => Err(ManifestError::DescriptorUntyped { digest: edge.digest }),
            None => Ok(manifest),
        }
    }

    /// Parses a manifest that was stored, where no request says what it should be, and where a
    /// missing media type is no reason to lose it.
    ///
    /// # Errors
    /// As [`Manifest::parse`].
    pub fn from_stored(bytes: Bytes) -> Result<Self, ManifestError> {
        Self::read(bytes, None)
    }

    fn read(bytes: Bytes, content_type: Option<&str>) -> Result<Self, ManifestError> {
        let text = std::str::from_utf8(&bytes).map_err(ManifestError::Encoding)?;
        if nesting(text) > NESTING_MAX {
            return Err(ManifestError::Nesting);
        }
        let Object(written) =
            serde_json::from_str::<Object<Written>>(text).map_err(ManifestError::Json)?;
        if written.schema_version != Some(2) {
            return Err(ManifestError::SchemaVersion);
        }
        let kind = written.kind()?;
        let media_type = written.media_type(kind)?;
        if let Some(content_type) = content_type.map(without_parameters)
            && content_type != media_type
        {
            let content_type = quoted(content_type);
            return Err(ManifestError::ContentTypeMismatch { content_type, media_type });
        }
        Ok(Self {
            bytes,
            media_type,
            kind,
            artifact_type: written.artifact_type.filter(|text| !text.is_empty()),
            config: written.config.flatten().map(|object| object.0),
            layers: listed(written.layers),
            children: listed(written.manifests),
            subject: written.subject,
            annotations: written.annotations,
        })
    }

    /// The bytes as they came: what the digest covers, and what is served.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its media type.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// Its shape.
    #[must_use]
    pub fn kind(&self) -> ManifestKind {
        self.kind
    }

    /// An image's config.
    #[must_use]
    pub fn config(&self) -> Option<&Descriptor> {
        self.config.as_ref()
    }

    /// An image's layers, lowest first.
    #[must_use]
    pub fn layers(&self) -> &[Descriptor] {
        &self.layers
    }

    /// An index's entries.
    #[must_use]
    pub fn children(&self) -> &[Descriptor] {
        &self.children
    }

    /// The manifest that this one refers to.
    #[must_use]
    pub fn subject(&self) -> Option<&Descriptor> {
        self.subject.as_ref()
    }

    /// What kind of artifact it is, as the list of referrers gives it (distribution spec, end-12):
    /// its own `artifactType`, else the media type of an image's config; an index may have none.
    #[must_use]
    pub fn artifact_type(&self) -> Option<&str> {
        let of_config = || self.config.as_ref().map(|config| config.media_type.as_str());
        self.artifact_type.as_deref().or_else(of_config)
    }

    /// Free remarks.
    #[must_use]
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }
}

impl Written {
    fn kind(&self) -> Result<ManifestKind, ManifestError> {
        let has_config = matches!(self.config, Some(Some(_)));
        let like_an_image = self.config.is_some() || self.layers.is_some();
        match (&self.manifests, like_an_image) {
            (Some(_), true) => Err(ManifestError::Ambiguous),
            (Some(_), false) => Ok(ManifestKind::Index),
            (None, _) if has_config => Ok(ManifestKind::Image),
            (None, _) => Err(ManifestError::Shapeless),
        }
    }

    fn media_type(&self, kind: ManifestKind) -> Result<String, ManifestError> {
        let of_shape = match kind {
            ManifestKind::Image => media_type::OCI_MANIFEST,
            ManifestKind::Index => media_type::OCI_INDEX,
        };
        let media_type = match self.media_type.as_deref() {
            None | Some("") => of_shape,
            Some(media_type) => media_type,
        };
        let expected = match media_type {
            media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST => ManifestKind::Image,
            media_type::OCI_INDEX | media_type::DOCKER_MANIFEST_LIST => ManifestKind::Index,
            _ => return Err(ManifestError::MediaTypeUnknown { media_type: quoted(media_type) }),
        };
        if kind == expected {
            Ok(media_type.to_owned())
        } else {
            Err(ManifestError::MediaTypeMismatch { media_type: quoted(media_type) })
        }
    }
}

fn listed(written: Option<Option<Vec<Object<Descriptor>>>>) -> Vec<Descriptor> {
    written.flatten().unwrap_or_default().into_iter().map(|object| object.0).collect()
}

/// A media type without `; charset=…` and the like.
fn without_parameters(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or(content_type).trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Algorithm;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn descriptor(media_type: &str) -> Value {
        let digest = Digest::of(Algorithm::Sha256, media_type.as_bytes());
        json!({"mediaType": media_type, "digest": digest, "size": media_type.len()})
    }

    fn image() -> Value {
        json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_MANIFEST,
            "config": descriptor(media_type::OCI_CONFIG),
            "layers": [descriptor(media_type::OCI_LAYER), descriptor(media_type::OCI_LAYER_GZIP)],
        })
    }

    fn index() -> Value {
        json!({"schemaVersion": 2, "manifests": [descriptor(media_type::OCI_MANIFEST)]})
    }

    fn with(mut manifest: Value, key: &str, value: Value) -> Value {
        manifest[key] = value;
        manifest
    }

    fn without(mut manifest: Value, key: &str) -> Value {
        manifest.as_object_mut().unwrap().remove(key);
        manifest
    }

    fn parse(manifest: &Value, content_type: Option<&str>) -> Result<Manifest, ManifestError> {
        Manifest::parse(Bytes::from(manifest.to_string()), content_type)
    }

    #[test]
    fn an_image_has_its_edges() {
        let subject = descriptor("a/subject");
        let written = with(image(), "subject", subject);
        let manifest = parse(&with(written, "annotations", json!({"a": "b"})), None).unwrap();
        assert_eq!(manifest.kind(), ManifestKind::Image);
        assert_eq!(manifest.media_type(), media_type::OCI_MANIFEST);
        assert_eq!(manifest.config().unwrap().media_type, media_type::OCI_CONFIG);
        assert_eq!(manifest.layers().len(), 2);
        assert_eq!(manifest.subject().unwrap().media_type, "a/subject");
        assert_eq!(manifest.artifact_type(), Some(media_type::OCI_CONFIG));
        assert_eq!(manifest.annotations()["a"], "b");
        assert!(manifest.children().is_empty());
    }

    #[test]
    fn an_index_has_its_children_and_no_artifact_type_of_its_own() {
        let manifest = parse(&index(), None).unwrap();
        assert_eq!(manifest.kind(), ManifestKind::Index);
        assert_eq!(manifest.media_type(), media_type::OCI_INDEX);
        assert_eq!(manifest.children().len(), 1);
        assert_eq!(manifest.artifact_type(), None);
        let typed = parse(&with(index(), "artifactType", json!("a/b")), None).unwrap();
        assert_eq!(typed.artifact_type(), Some("a/b"));
    }

    #[test]
    fn what_is_accepted_and_what_is_refused() {
        let docker = with(image(), "mediaType", json!(media_type::DOCKER_MANIFEST));
        let list = with(index(), "mediaType", json!(media_type::DOCKER_MANIFEST_LIST));
        let foreign = descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar");
        let foreign = with(foreign, "urls", json!(["https://example.com/layer"]));
        let negative = with(descriptor("a/b"), "size", json!(-1));
        let digest = descriptor("a/b")["digest"].clone();
        let list_for_object = json!(["a/b", digest, 3]);
        let untyped = with(descriptor("a/b"), "mediaType", json!(""));
        let platform = with(descriptor("a/b"), "platform", json!(["amd64", "linux"]));
        let table = [
            ("docker", docker, true),
            ("list", list.clone(), true),
            ("no layers", with(image(), "layers", json!([])), true),
            ("null layers", with(image(), "layers", Value::Null), true),
            ("layers missing", without(image(), "layers"), true),
            ("empty index", with(index(), "manifests", json!([])), true),
            ("null index", with(index(), "manifests", Value::Null), true),
            ("null annotations", with(image(), "annotations", Value::Null), true),
            ("unknown field", with(image(), "new", json!({"a": [1]})), true),
            ("foreign layer", with(image(), "layers", json!([foreign])), true),
            ("schema 1", with(image(), "schemaVersion", json!(1)), false),
            ("schema as text", with(image(), "schemaVersion", json!("2")), false),
            ("no schema", without(image(), "schemaVersion"), false),
            ("no config", without(image(), "config"), false),
            ("null config", with(image(), "config", Value::Null), false),
            ("both", with(index(), "layers", json!([])), false),
            ("both, null", with(image(), "manifests", Value::Null), false),
            ("index as image", with(index(), "mediaType", json!(media_type::OCI_MANIFEST)), false),
            ("image as list", with(image(), "mediaType", list["mediaType"].clone()), false),
            ("odd type", with(image(), "mediaType", json!("text/plain")), false),
            ("negative size", with(image(), "config", negative), false),
            ("layers as map", with(image(), "layers", json!({})), false),
            ("config as list", with(image(), "config", list_for_object.clone()), false),
            ("layer as list", with(image(), "layers", json!([list_for_object])), false),
            ("child as list", with(index(), "manifests", json!([list_for_object])), false),
            ("subject as list", with(image(), "subject", list_for_object.clone()), false),
            ("platform as list", with(index(), "manifests", json!([platform])), false),
            ("manifest as list", json!([2, null, null, descriptor("a/b"), [], null]), false),
            ("untyped config", with(image(), "config", untyped.clone()), false),
            ("untyped layer", with(image(), "layers", json!([untyped])), false),
            ("untyped child", with(index(), "manifests", json!([untyped])), false),
            ("untyped subject", with(index(), "subject", untyped.clone()), false),
            ("a list", json!([image()]), false),
            ("null", Value::Null, false),
        ];
        for (what, manifest, accepted) in table {
            assert_eq!(parse(&manifest, None).is_ok(), accepted, "{what}");
        }
    }

    #[test]
    fn the_content_type_must_be_that_of_the_body() {
        let bare = without(image(), "mediaType");
        let docker = with(image(), "mediaType", json!(media_type::DOCKER_MANIFEST));
        let table = [
            (&bare, None, true),
            (&bare, Some(media_type::OCI_MANIFEST), true),
            (&bare, Some(media_type::DOCKER_MANIFEST), false),
            (&docker, Some(media_type::DOCKER_MANIFEST), true),
            (&docker, Some(media_type::OCI_MANIFEST), false),
            (&docker, Some("application/json"), false),
            (&docker, Some(""), false),
        ];
        for (manifest, content_type, accepted) in table {
            assert_eq!(parse(manifest, content_type).is_ok(), accepted, "{content_type:?}");
        }
        let with_parameters = format!("{} ; charset=utf-8", media_type::OCI_MANIFEST);
        assert!(parse(&bare, Some(&with_parameters)).is_ok());
    }

    #[test]
    fn duplicate_fields_and_deep_nesting_are_refused() {
        let doubled = image().to_string().replacen('{', r#"{"layers":[],"#, 1);
        assert!(Manifest::from_stored(Bytes::from(doubled)).is_err());
        let remark = json!({"a": "b"});
        let of_config = with(descriptor("a/b"), "annotations", remark.clone());
        for once in [with(image(), "annotations", remark), with(image(), "config", of_config)] {
            let twice = once.to_string().replacen(r#"{"a":"b"}"#, r#"{"a":"b","a":"c"}"#, 1);
            assert!(Manifest::from_stored(Bytes::from(once.to_string())).is_ok(), "{once}");
            assert!(Manifest::from_stored(Bytes::from(twice)).is_err(), "{once}");
        }
        let nested = |depth: usize| {
            let unread = format!("{{\"x\":{}{},", "[".repeat(depth), "]".repeat(depth));
            Manifest::from_stored(image().to_string().replacen('{', &unread, 1).into())
        };
        assert!(nested(NESTING_MAX - 1).is_ok());
        for depth in [NESTING_MAX, 2_000_000] {
            assert!(matches!(nested(depth), Err(ManifestError::Nesting)), "{depth}");
        }
    }

    #[test]
    fn what_is_not_utf_8_is_refused_also_where_nobody_reads_it() {
        let odd = image().to_string().replacen('{', r#"{"x":"?","#, 1);
        let odd: Vec<_> = odd.bytes().map(|byte| if byte == b'?' { 0xff } else { byte }).collect();
        let refused = Manifest::from_stored(Bytes::from(odd));
        assert!(matches!(refused, Err(ManifestError::Encoding(_))), "{refused:?}");
    }

    #[test]
    fn a_stored_manifest_is_not_lost_for_a_missing_media_type() {
        let untyped = with(descriptor("a/b"), "mediaType", json!(""));
        let stored = with(image(), "config", untyped).to_string();
        assert!(Manifest::from_stored(Bytes::from(stored)).is_ok());
    }

    #[test]
    fn manifests_that_oci_spec_writes_are_read() {
        use oci_spec::image as theirs;
        let digest = Digest::of(Algorithm::Sha256, b"x").to_string();
        let descriptor = theirs::Descriptor::new(
            theirs::MediaType::ImageConfig,
            1,
            digest.parse::<theirs::Digest>().unwrap(),
        );
        let image = theirs::ImageManifestBuilder::default()
            .schema_version(2u32)
            .config(descriptor.clone())
            .layers(vec![descriptor])
            .build()
            .unwrap();
        let manifest = Manifest::from_stored(Bytes::from(image.to_string().unwrap())).unwrap();
        assert_eq!(manifest.config().unwrap().digest.to_string(), digest);
        assert_eq!(manifest.layers().len(), 1);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(noise: Vec<u8>, at in 0usize..400, cut in 0usize..400) {
            let mut bytes = image().to_string().into_bytes();
            let at = at.min(bytes.len());
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, noise.iter().copied());
            let _ = Manifest::parse(Bytes::from(bytes), Some(media_type::OCI_MANIFEST));
            let _ = Manifest::from_stored(Bytes::from(noise));
        }
    }
}
