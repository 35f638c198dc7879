//! The images that a node has, as its kubelet sees them.

use serde::Deserialize;

use super::Node;
use crate::process::RunError;
use crate::setup::Site;

/// An image of a node.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeImage {
    /// Its names with tags, as `docker.io/library/debian:12`.
    #[serde(default)]
    pub repo_tags: Vec<String>,
    /// Its names with digests.
    #[serde(default)]
    pub repo_digests: Vec<String>,
}

/// What `crictl images` says.
#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    images: Vec<NodeImage>,
}

/// The images of a node; none where its containerd does not answer, which other checks tell.
pub fn images(site: &Site, node: &Node) -> Vec<NodeImage> {
    let words = ["exec", node.name(), "crictl", "images", "--output", "json"];
    let answer = site.hand().ask(&site.engine.program(words)).unwrap_or_default();
    listed(&answer)
}

/// Removes an image from a node, with all of its names.
///
/// # Errors
/// The node's containerd does not answer, or has no such image.
pub fn remove(site: &Site, node: &Node, image: &str) -> Result<(), RunError> {
    let words = ["exec", node.name(), "crictl", "rmi", image];
    site.hand().act(&site.engine.program(words)).map(drop)
}

/// Reads what `crictl images --output json` says.
pub(in crate::setup) fn listed(answer: &[u8]) -> Vec<NodeImage> {
    serde_json::from_slice::<Listed>(answer).map(|listed| listed.images).unwrap_or_default()
}
