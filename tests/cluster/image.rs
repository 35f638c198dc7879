//! The images of the test: what nodes run, what is pushed, and the other registry.

#[path = "../../src/image/sources/pack.rs"]
mod pack;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::containerfile::build;
use crate::machine;
use crate::podman::Podman;

/// What a node of the cluster runs: containerd, set up as in Kind's nodes.
pub(crate) const NODE: &str = "localhost/node:1";
/// What is pushed: a few hundred megabytes in three layers, the last of which holds one static program.
pub(crate) const APP: &str = "localhost/app:1";
/// `registry:2` as the Docker project packs it, around Debian's build of the program.
pub(crate) const REGISTRY_2: &str = "localhost/registry:2";

/// [`APP`] as files, for the clients that do not read Podman's store.
pub(crate) struct Saved {
    /// An OCI layout directory, in which the image is tagged `1`.
    pub(crate) layout: PathBuf,
    /// A tar file as `docker save` writes it.
    pub(crate) archive: PathBuf,
}

/// Builds [`NODE`].
pub(crate) fn build_node(podman: &Podman) {
    build(podman, NODE, "cluster/images/node", &[]);
}

/// Builds [`APP`] and saves it.
pub(crate) fn build_app(podman: &Podman) -> Saved {
    build(podman, APP, "cluster/images/app", &[&machine::wharf()]);
    let saved =
        Saved { layout: podman.folder().join("app"), archive: podman.folder().join("app.tar") };
    podman.run(["push", "--quiet", APP, &format!("oci:{}:1", saved.layout.display())]);
    podman.run(["save", "--quiet", "--output", &saved.archive.display().to_string(), APP]);
    saved
}

/// Builds [`REGISTRY_2`].
pub(crate) fn build_registry_2(podman: &Podman) {
    let program = machine::find("docker-registry").expect("checked before the tests began");
    build(podman, REGISTRY_2, "cluster/images/registry-2", &[&program]);
}

/// Builds Wharf's image of the sources that a program for macOS carries, as `wharf up` does there.
/// Returns its name.
pub(crate) fn build_wharf(podman: &Podman) -> &'static str {
    const BUILDER: &str = "localhost/builder:1";
    const WHARF: &str = "localhost/wharf:built";
    build(podman, BUILDER, "cluster/images/builder", &[]);
    let toolchain = command::run(Command::new("rustc").args(["--print", "sysroot"]));
    let cargo = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))
        .expect("cargo has a home");
    let sources = pack::pack(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the sources are here");
    let build = ["build", "--layers=false", "--isolation", "chroot", "--network", "host"];
    let mut command = podman.podman(build);
    command.args(["--build-arg", &format!("BUILDER={BUILDER}"), "--tag", WHARF]);
    command.args(["--volume", &format!("{toolchain}:/rust:ro")]);
    // Cargo unpacks crates and takes locks there: on a layer that is thrown away.
    command.args(["--volume", &format!("{cargo}/registry:/cargo/registry:O")]);
    command::feed(command.arg("-"), &sources);
    WHARF
}
