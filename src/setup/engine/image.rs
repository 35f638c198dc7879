//! An image of the engine's.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What `image inspect` says, from Podman and from Docker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Inspected")]
pub struct Image {
    /// Its id, 64 hexadecimal digits: the digest of its configuration, but with Docker's containerd
    /// store that of its manifest.
    pub id: String,
    /// The processor that it is for: `amd64`, `arm64`.
    pub architecture: String,
    /// Its names.
    pub names: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    config: Settings,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Settings {
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

impl From<Inspected> for Image {
    fn from(it: Inspected) -> Self {
        Self {
            id: it.id.trim_start_matches("sha256:").to_owned(),
            architecture: it.architecture,
            names: it.repo_tags.unwrap_or_default(),
            labels: it.config.labels.unwrap_or_default(),
        }
    }
}
