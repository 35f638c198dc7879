//! What a source has to know from an image's config: which layers it names, and what it runs on. The
//! config itself is never changed or written anew: its digest is the image's id.

use serde::{Deserialize, Deserializer};
use wharf_oci::{Digest, Platform, media_type};

/// The config of an image in Docker's own format.
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// What a config says (image spec, "Image Configuration").
#[derive(Debug)]
pub(super) struct Config {
    /// The layers' uncompressed tar archives, lowest first.
    pub(super) diff_ids: Vec<Digest>,
    /// What the image runs on.
    pub(super) platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    rootfs: Option<RootFs>,
    #[serde(flatten)]
    platform: Platform,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default, deserialize_with = "or_null")]
    diff_ids: Vec<Digest>,
}

/// Go writes an empty list as `null`.
fn or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Digest>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Config {
    /// Reads a config.
    ///
    /// # Errors
    /// It is not JSON, or not of this form.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let written: Written = serde_json::from_slice(bytes)?;
        let diff_ids = written.rootfs.map(|rootfs| rootfs.diff_ids).unwrap_or_default();
        let says_nothing = written.platform.os.is_empty();
        Ok(Self { diff_ids, platform: (!says_nothing).then_some(written.platform) })
    }
}

/// Whether a config of this type is an image's; else it belongs to an artifact, whose config may be
/// anything.
pub(super) fn is_of_an_image(media_type: &str) -> bool {
    matches!(media_type, media_type::OCI_CONFIG | DOCKER_CONFIG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configs_of_either_format_are_read() {
        let id = Digest::of(wharf_oci::Algorithm::Sha256, b"layer");
        let text = format!(
            r#"{{"architecture":"arm64","os":"linux","variant":"v8","config":{{"Healthcheck":{{}}}},
                "rootfs":{{"type":"layers","diff_ids":["{id}"]}},"history":[{{"empty_layer":true}}]}}"#
        );
        let config = Config::parse(text.as_bytes()).unwrap();
        assert_eq!(config.diff_ids, [id]);
        assert_eq!(config.platform.unwrap().variant.as_deref(), Some("v8"));
        for text in ["{}", r#"{"rootfs":null}"#, r#"{"rootfs":{"diff_ids":null}}"#] {
            let config = Config::parse(text.as_bytes()).unwrap();
            assert!(config.diff_ids.is_empty() && config.platform.is_none(), "{text}");
        }
        for text in ["", "1", r#"{"rootfs":{"diff_ids":["sha256:1"]}}"#] {
            assert!(Config::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
