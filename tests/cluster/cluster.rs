//! The stage: Podman, the `kind` network, Wharf in its container as `kind-registry`, and one node.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use crate::containerfile;
use crate::image::{self, Saved};
use crate::node::Node;
use crate::podman::{NETWORK, Podman};
use crate::registry::Registry;

/// Everything the tests share. The fields are dropped in order: Podman last.
pub(crate) struct Cluster {
    node: Node,
    registry: Registry,
    saved: Saved,
    wharf: String,
    podman: Arc<Podman>,
}

impl Cluster {
    /// Builds the images and starts the containers: the user's steps, one by one.
    pub(crate) fn start() -> Self {
        let begun = Instant::now();
        let podman = Arc::new(Podman::new());
        trust_localhost(&podman);
        // IPv6 as well, as Kind makes it: a node then prefers the registry's IPv6 address.
        podman.run(["network", "create", "--driver", "bridge", "--ipv6", NETWORK]);
        containerfile::load(&podman);
        image::build_node(&podman);
        let saved = image::build_app(&podman);
        image::build_registry_2(&podman);
        let wharf = podman.load_wharf();

        let registry = Registry::start(&podman, &wharf, "kind-registry");
        let node = Node::start(&podman, "wharf-control-plane");
        node.route("kind-registry:5000", "kind-registry:5000");
        node.route(&registry.host(), "kind-registry:5000");
        eprintln!("\nthe cluster stands after {:.0?}", begun.elapsed());
        Self { node, registry, saved, wharf, podman }
    }

    /// The container engine.
    pub(crate) fn podman(&self) -> &Arc<Podman> {
        &self.podman
    }

    /// The node, which knows the registry as `kind-registry:5000` and by its name on the host.
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// The registry that all tests push to. A test that stops or restarts one starts its own.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The image that is pushed, as files.
    pub(crate) fn saved(&self) -> &Saved {
        &self.saved
    }

    /// The name of Wharf's own image.
    pub(crate) fn wharf(&self) -> &str {
        &self.wharf
    }
}

/// Makes Podman and skopeo push to `localhost` without TLS by their defaults, in the file of the home
/// folder that people write for it.
fn trust_localhost(podman: &Podman) {
    let folder = podman.home().join(".config/containers");
    fs::create_dir_all(&folder).unwrap();
    let registries = "[[registry]]\nlocation = \"localhost\"\ninsecure = true\n";
    fs::write(folder.join("registries.conf"), registries).unwrap();
}
