//! A node: containerd in a privileged container, started with the flags that Kind uses.

use std::ops::Deref;
use std::sync::Arc;

use crate::command;
use crate::containerd::Containerd;
use crate::image;
use crate::podman::{NETWORK, Podman};

/// A running node; gone when dropped.
pub(crate) struct Node {
    podman: Arc<Podman>,
    name: &'static str,
    containerd: Containerd,
}

impl Node {
    /// Starts a node with the flags that Kind uses, and waits for its containerd.
    pub(crate) fn start(podman: &Arc<Podman>, name: &'static str) -> Self {
        std::fs::create_dir_all("/lib/modules").unwrap(); // Kind mounts it, there or not.
        let containerd = Containerd::of(podman, name);
        let node = Self { podman: Arc::clone(podman), name, containerd };
        podman.run([
            "run",
            "--detach",
            "--tty",
            "--name",
            name,
            "--hostname",
            name,
            "--privileged",
            "--network",
            NETWORK,
            "--tmpfs",
            "/tmp",
            "--tmpfs",
            "/run",
            "--volume",
            &format!("{name}-var:/var:suid,exec,dev"),
            "--volume",
            "/lib/modules:/lib/modules:ro",
            "--cgroupns=private",
            "--env",
            "container=podman",
            "--label",
            "io.x-k8s.kind.role=control-plane",
            "--label",
            "io.x-k8s.kind.cluster=wharf",
            image::NODE,
        ]);
        node.wait_until_ready();
        node
    }

    /// Sends pulls of `host/…` to `registry`, by the file that the Kind documentation describes.
    pub(crate) fn route(&self, host: &str, registry: &str) {
        let folder = format!("/etc/containerd/certs.d/{host}");
        let write = format!("mkdir -p {folder} && cp /dev/stdin {folder}/hosts.toml");
        let text = format!(
            "server = \"http://{registry}\"\n\n[host.\"http://{registry}\"]\n  capabilities = [\"pull\", \"resolve\", \"push\"]\n"
        );
        command::feed(
            &mut self.podman.podman(["exec", "-i", self.name, "sh", "-c", &write]),
            text.as_bytes(),
        );
    }

    /// Runs a script of bash in the root folder of a pulled image, unpacked; returns what it prints.
    pub(crate) fn within(&self, image: &str, script: &str) -> String {
        let mount = format!("ctr --namespace k8s.io images mount {image} \"$tree\" >&2");
        let unmount = "ctr --namespace k8s.io images unmount --rm \"$tree\" >&2";
        let all =
            format!("set -e; tree=$(mktemp -d); {mount}; (cd \"$tree\" && {script}); {unmount}");
        self.podman.run(["exec", self.name, "bash", "-c", &all])
    }
}

impl Deref for Node {
    type Target = Containerd;

    fn deref(&self) -> &Containerd {
        &self.containerd
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- containerd's log on {}\n{}", self.name, self.log());
        }
        let remove = ["rm", "--force", "--time=0", "--volumes", self.name];
        command::output(&mut self.podman.podman(remove));
    }
}
