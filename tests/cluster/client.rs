//! The clients people push with, each by its own defaults, and what each says a tag points at.

use std::process::Command;

use crate::cluster::Cluster;
use crate::command;
use crate::image;

/// A client that can push the test's image.
#[derive(Clone, Copy)]
pub(crate) enum Client {
    Podman,
    Skopeo,
    Crane,
    Oras,
    Regctl,
}

impl Client {
    /// Pushes the test's image to `target` and returns the manifest's digest as the client reports it.
    pub(crate) fn push(self, cluster: &Cluster, target: &str) -> String {
        let podman = cluster.podman();
        let file = podman.folder().join("pushed.digest");
        let layout = format!("{}:1", cluster.saved().layout.display());
        match self {
            Self::Podman => {
                command::run(
                    podman.podman(["push", "--digestfile"]).arg(&file).args([image::APP, target]),
                );
                std::fs::read_to_string(&file).unwrap()
            }
            Self::Skopeo => {
                let mut skopeo = podman.command("skopeo");
                skopeo.arg("copy").arg("--digestfile").arg(&file);
                command::run(skopeo.args([format!("oci:{layout}"), format!("docker://{target}")]));
                std::fs::read_to_string(&file).unwrap()
            }
            Self::Crane => {
                // From the archive of `docker save`: crane compresses it, and pushes Docker's media types.
                let pushed = command::run(
                    podman.command("crane").arg("push").arg(&cluster.saved().archive).arg(target),
                );
                last_digest(&pushed)
            }
            Self::Oras => {
                let mut oras = podman.command("oras");
                last_digest(&command::run(oras.args(["cp", "--from-oci-layout", &layout, target])))
            }
            Self::Regctl => {
                let source = format!("ocidir://{layout}");
                command::run(regctl(cluster, target).args(["image", "copy", &source, target]));
                command::run(regctl(cluster, target).args(["image", "digest", target]))
            }
        }
    }
}

/// The digest that `image` stands for in a registry, on which the clients must agree.
pub(crate) fn digest(cluster: &Cluster, image: &str) -> String {
    let podman = cluster.podman();
    let remote = format!("docker://{image}");
    let mut skopeo = podman.command("skopeo");
    let skopeo = command::run(skopeo.args(["inspect", "--format", "{{.Digest}}", &remote]));
    let crane = command::run(podman.command("crane").args(["digest", image]));
    let oras = command::run(podman.command("oras").args(["resolve", image]));
    let regctl = command::run(regctl(cluster, image).args(["image", "digest", image]));
    for (client, digest) in [("skopeo", &skopeo), ("oras", &oras), ("regctl", &regctl)] {
        assert_eq!(digest, &crane, "what {client} and crane say of {image}");
    }
    crane
}

/// Fetches every layer of `image` and compares it with its digest and its diff ID.
pub(crate) fn validate(cluster: &Cluster, image: &str) {
    command::run(cluster.podman().command("crane").args(["validate", "--remote", image]));
}

/// regctl has no default for plain HTTP: the registry of `image` has to be named as one without TLS.
fn regctl(cluster: &Cluster, image: &str) -> Command {
    let (host, _) = image.split_once('/').expect("an image's name begins with its registry");
    let mut command = cluster.podman().command("regctl");
    command.arg("--host").arg(format!("reg={host},tls=disabled"));
    command
}

/// The last digest in what a client printed.
fn last_digest(words: &str) -> String {
    let (_, hex) = words.rsplit_once("sha256:").unwrap_or_else(|| panic!("no digest in {words:?}"));
    format!("sha256:{}", hex.trim())
}
