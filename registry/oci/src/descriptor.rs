//! `Descriptor`: how one piece of content points at another (image spec, "Content Descriptors").
//! Fields that Wharf has no use for are read over, and never matter: manifests are stored and served
//! as the bytes that came.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::Digest;
use crate::json::{object_or_null, texts_or_null};

/// What a piece of content is, how long it is, and what it hashes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The content's media type.
    pub media_type: String,
    /// The content's digest.
    pub digest: Digest,
    /// The content's length in bytes.
    pub size: u64,
    /// What kind of artifact a manifest describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Free remarks.
    #[serde(
        default,
        deserialize_with = "texts_or_null",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// Where else the content can be had.
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// The content itself, in base64, if it is embedded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// What an index's entry runs on.
    #[serde(default, deserialize_with = "object_or_null", skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// What an image runs on (image spec, "Image Index").
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// The processor, in Go's words: `amd64`, `arm64`.
    #[serde(default)]
    pub architecture: String,
    /// The operating system, in Go's words: `linux`.
    #[serde(default)]
    pub os: String,
    /// The operating system's version.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// The processor's variant: `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Descriptor {
    /// A descriptor with the three required fields.
    #[must_use]
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            artifact_type: None,
            annotations: BTreeMap::new(),
            urls: Vec::new(),
            data: None,
            platform: None,
        }
    }
}

/// Go writes an empty list or map as `null` as often as not.
pub(crate) fn or_null<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Algorithm, media_type};

    #[test]
    fn empty_fields_are_left_out() {
        let digest = Digest::of(Algorithm::Sha256, b"{}");
        let descriptor = Descriptor::new(media_type::EMPTY_JSON, digest, 2);
        let json = serde_json::to_value(&descriptor).unwrap();
        let expected = serde_json::json!({
            "mediaType": media_type::EMPTY_JSON, "digest": digest.to_string(), "size": 2,
        });
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<Descriptor>(json).unwrap(), descriptor);
    }

    #[test]
    fn nulls_and_unknown_fields_are_read_over() {
        let digest = Digest::of(Algorithm::Sha512, b"x");
        let json = serde_json::json!({
            "mediaType": "a/b", "digest": digest, "size": 1, "annotations": null, "urls": null,
            "artifactType": null, "platform": {"architecture": "arm64", "os": "linux", "features": []},
            "new": {"deep": [1, 2]},
        });
        let descriptor: Descriptor = serde_json::from_value(json).unwrap();
        assert_eq!(descriptor.digest, digest);
        assert_eq!(descriptor.platform.unwrap().architecture, "arm64");
        assert!(descriptor.annotations.is_empty() && descriptor.urls.is_empty());
    }

    #[test]
    fn broken_descriptors_are_refused() {
        let digest = Digest::of(Algorithm::Sha256, b"x").to_string();
        let table = [
            serde_json::json!({"mediaType": "a/b", "digest": "sha256:00", "size": 1}),
            serde_json::json!({"mediaType": "a/b", "digest": digest, "size": -1}),
            serde_json::json!({"mediaType": "a/b", "digest": digest}),
            serde_json::json!({"mediaType": "a/b", "size": 1}),
            serde_json::json!({"digest": digest, "size": 1}),
        ];
        for json in table {
            assert!(serde_json::from_value::<Descriptor>(json.clone()).is_err(), "{json}");
        }
    }
}
