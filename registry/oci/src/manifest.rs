//! `Manifest`: the exact bytes of a manifest, and the edges parsed from them (config, layers,
//! children, subject). It checks the form only; whether what an edge points at exists is for the
//! registry to know. Docker's schema 1 is refused.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Deserializer};

use crate::json::{Object, nesting, object_or_null, texts_or_null};
use crate::quoted::quoted;
use crate::{Descriptor, Digest, media_type};

#[cfg(test)]
mod tests;

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
    /// Lists or objects in each other, more than 128 of them.
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
