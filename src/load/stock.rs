//! What the containerd of a node holds already, all of it in one look: blobs, unpacked layers, and
//! images by name.
//!
//! A layer need not be there as a blob: containerd may discard it once it is unpacked
//! (`discard_unpacked_layers`, as Kind sets it), and does not ask for it again as long as the snapshot
//! stands that was made of it and of all layers below. Such a chain of layers has a name of its own
//! (image spec, "Layer ChainID").

use std::collections::{HashMap, HashSet};

use wharf_oci::{Algorithm, Digest};

use crate::setup::engine::{Engine, EngineError};
use crate::setup::node::Node;

/// The namespace of Kubernetes in containerd.
pub const NAMESPACE: &str = "--namespace=k8s.io";

/// The snapshotter of Kind's nodes, if their configuration names no other.
const DEFAULT_SNAPSHOTTER: &str = "overlayfs";

/// Prints the node's processor, containerd's configuration, the digests of all blobs, all images, and the
/// snapshots of the snapshotters that nodes have.
const LOOK: &str = "set -e
uname -m
echo '== config'
containerd config dump
echo '== blobs'
ctr --namespace=k8s.io content ls -q
echo '== images'
ctr --namespace=k8s.io images ls
for snapshotter in overlayfs fuse-overlayfs native; do
    echo \"== snapshots $snapshotter\"
    ctr --namespace=k8s.io snapshots --snapshotter $snapshotter ls 2>/dev/null || true
done";

/// What a node holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stock {
    /// Its processor, as images name it.
    pub architecture: String,
    /// What unpacks layers for Kubernetes.
    pub snapshotter: String,
    /// The blobs.
    pub blobs: HashSet<Digest>,
    /// The chains of layers that are unpacked.
    pub chains: HashSet<Digest>,
    /// The manifests of its images, by name.
    pub images: HashMap<String, Digest>,
}

impl Stock {
    /// Looks at a running node.
    ///
    /// # Errors
    /// Nothing can be started in it, or its containerd does not answer.
    pub fn read(engine: &Engine, node: &Node) -> Result<Self, EngineError> {
        Ok(Self::parse(&engine.look(node.name(), &["sh", "-c", LOOK])?))
    }

    /// What a look printed.
    pub(super) fn parse(text: &str) -> Self {
        let mut stock = Self::default();
        let mut sections = text.split("\n== ");
        stock.architecture = architecture(sections.next().unwrap_or_default());
        let mut chains = HashMap::new();
        for section in sections {
            let (title, body) = section.split_once('\n').unwrap_or((section, ""));
            match title.split_once(' ') {
                Some((_, snapshotter)) => {
                    chains.insert(snapshotter, digests(body).collect::<HashSet<_>>());
                }
                None if title == "config" => stock.snapshotter = snapshotter(body),
                None if title == "blobs" => stock.blobs = digests(body).collect(),
                None => stock.images = body.lines().filter_map(image).collect(),
            }
        }
        stock.chains = chains.remove(stock.snapshotter.as_str()).unwrap_or_default();
        stock
    }
}

/// The digests that lines begin with.
fn digests(text: &str) -> impl Iterator<Item = Digest> + '_ {
    text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok())
}

/// A line of `ctr images ls`: name, media type, digest, and more.
fn image(line: &str) -> Option<(String, Digest)> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    Some((name.to_owned(), words.nth(1)?.parse().ok()?))
}

/// The processor that `uname -m` names.
fn architecture(machine: &str) -> String {
    match machine.trim() {
        "x86_64" => "amd64".to_owned(),
        "aarch64" => "arm64".to_owned(),
        other => other.to_owned(),
    }
}

/// The snapshotter of the CRI in a configuration, of containerd 1 or 2.
fn snapshotter(config: &str) -> String {
    let config: toml::Table = config.parse().unwrap_or_default();
    let plugin = |name: &str| config.get("plugins")?.get(name).cloned();
    let of_1 = || plugin("io.containerd.grpc.v1.cri")?.get("containerd").cloned();
    let found = plugin("io.containerd.cri.v1.images").or_else(of_1);
    let found = found.as_ref().and_then(|table| table.get("snapshotter")?.as_str());
    found.filter(|name| !name.is_empty()).unwrap_or(DEFAULT_SNAPSHOTTER).to_owned()
}

/// The names of a chain of layers and of all that it begins with, by the layers' diff ids.
pub fn chains(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chains: Vec<Digest> = Vec::new();
    for diff_id in diff_ids {
        chains.push(match chains.last() {
            None => *diff_id,
            Some(below) => Digest::of(Algorithm::Sha256, format!("{below} {diff_id}").as_bytes()),
        });
    }
    chains
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As containerd 1.6.20 answered, shortened.
    const SEEN: &str = r#"aarch64
== config
version = 2
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "fuse-overlayfs"
  [plugins."io.containerd.grpc.v1.cri".containerd.default_runtime]
    snapshotter = ""
== blobs
sha256:78c92759574aca2dc92b34d214a603ebc1a0be35afdc1fcecfc0de64010dc870
== images
REF                   TYPE                                       DIGEST                                                                  SIZE      PLATFORMS   LABELS
docker.io/library/x:1 application/vnd.oci.image.manifest.v1+json sha256:78c92759574aca2dc92b34d214a603ebc1a0be35afdc1fcecfc0de64010dc870 461.0 KiB linux/amd64 io.cri-containerd.image=managed
== snapshots overlayfs
== snapshots fuse-overlayfs
KEY                                                                     PARENT                                                                  KIND
sha256:59e9d4b4cf61480b5a3acecabf5c0fd8ec4d9263f5c44326e588652639603e36 sha256:721fd0a0a287034f17a1e6a364816dc7ad015d43b1fec0b953766bc0ae7517de Committed
extract-779618683-fXzi sha256:6ea3d27bdc2ba2e0c5ceadce8a195a05b83872c9dbfa6da0e503d7d046540bc6 Active
== snapshots native
"#;

    #[test]
    fn a_node_is_seen_in_one_look() {
        let stock = Stock::parse(SEEN);
        let digest = "sha256:78c92759574aca2dc92b34d214a603ebc1a0be35afdc1fcecfc0de64010dc870";
        assert_eq!((&*stock.architecture, &*stock.snapshotter), ("arm64", "fuse-overlayfs"));
        assert_eq!(stock.blobs, HashSet::from([digest.parse().unwrap()]));
        assert_eq!(stock.images["docker.io/library/x:1"], digest.parse().unwrap());
        assert_eq!((stock.images.len(), stock.chains.len()), (1, 1));
    }

    #[test]
    fn the_snapshotter_is_that_of_kubernetes() {
        let newer = "version = 3\n[plugins.'io.containerd.cri.v1.images']\nsnapshotter = 'native'\n\
                     [plugins.'io.containerd.transfer.v1.local']\nsnapshotter = 'other'\n";
        assert_eq!(snapshotter(newer), "native");
        assert_eq!(snapshotter("version = 3"), "overlayfs");
    }

    #[test]
    fn a_chain_is_named_as_containerd_does() {
        // Of an image that containerd unpacked.
        let layers = [
            "sha256:89d9c062c6c2b257f9b6e00fbc085aa1a0d4deb7cf1c66289ff452b1f1788d11",
            "sha256:c43e57d69b05a8e06718f70a42163297b612c99e6c3d9add6cedd3b472efa351",
            "sha256:766544547e378f62f4476138c636c314c06144e44df3ee5832b84b201f8e18d0",
        ];
        let chains = chains(&layers.map(|layer| layer.parse().unwrap()));
        let names: Vec<_> = chains.iter().map(Digest::to_string).collect();
        assert_eq!(names[0], layers[0]);
        assert_eq!(
            names[1..],
            [
                "sha256:721fd0a0a287034f17a1e6a364816dc7ad015d43b1fec0b953766bc0ae7517de",
                "sha256:59e9d4b4cf61480b5a3acecabf5c0fd8ec4d9263f5c44326e588652639603e36",
            ]
        );
    }
}
