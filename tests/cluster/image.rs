//! The images of the test, all made here out of Debian packages: no registry is asked for anything.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::machine;
use crate::podman::Podman;

/// What a node of the cluster runs: containerd, set up as in Kind's nodes.
pub(crate) const NODE: &str = "localhost/node:1";
/// What is pushed: a few hundred megabytes in three layers, the last of which holds one static program.
pub(crate) const APP: &str = "localhost/app:1";
/// `registry:2` as the Docker project packs it, around Debian's build of the program.
pub(crate) const REGISTRY_2: &str = "localhost/registry:2";
/// The base of all three.
pub(crate) const DEBIAN: &str = "localhost/debian:bookworm";
/// The packages of the base; part of the name under which it is kept, so that a change makes it anew.
const PACKAGES: &str = "ca-certificates,curl,procps,iproute2";

/// [`APP`] as files, for the clients that do not read Podman's store.
pub(crate) struct Saved {
    /// An OCI layout directory, in which the image is tagged `1`.
    pub(crate) layout: PathBuf,
    /// A tar file as `docker save` writes it.
    pub(crate) archive: PathBuf,
}

/// Builds [`DEBIAN`] and [`NODE`].
pub(crate) fn build_node(podman: &Podman) {
    podman.run(["import", &base().display().to_string(), DEBIAN]);
    build(podman, NODE, "node", &[]);
}

/// Builds [`APP`] and saves it.
pub(crate) fn build_app(podman: &Podman) -> Saved {
    build(podman, APP, "app", &[&machine::wharf()]);
    let saved =
        Saved { layout: podman.folder().join("app"), archive: podman.folder().join("app.tar") };
    podman.run(["push", "--quiet", APP, &format!("oci:{}:1", saved.layout.display())]);
    podman.run(["save", "--quiet", "--output", &saved.archive.display().to_string(), APP]);
    saved
}

/// Builds [`REGISTRY_2`].
pub(crate) fn build_registry_2(podman: &Podman) {
    let program = machine::find("docker-registry").expect("checked before the tests began");
    build(podman, REGISTRY_2, "registry-2", &[&program]);
}

/// Packs the program under test into its own image, and hands it to Podman: the way of the README.
/// Returns the image's name.
pub(crate) fn load_wharf(podman: &Podman) -> String {
    let name = command::run(podman.command(machine::wharf()).args(["image", "--load"]));
    assert!(
        name.starts_with("localhost/wharf:"),
        "`wharf image --load` printed {name:?}, not the image's name"
    );
    name
}

/// Builds Wharf's image by the Containerfile, as people without a Linux build of it do. Returns its name.
pub(crate) fn build_wharf(podman: &Podman) -> &'static str {
    const BUILDER: &str = "localhost/builder:1";
    const WHARF: &str = "localhost/wharf:built";
    build(podman, BUILDER, "builder", &[]);
    let toolchain = command::run(Command::new("rustc").args(["--print", "sysroot"]));
    let cargo = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))
        .expect("cargo has a home");
    let mut command =
        podman.podman(["build", "--quiet", "--isolation", "chroot", "--network", "host"]);
    command.args(["--build-arg", &format!("BUILDER={BUILDER}"), "--tag", WHARF]);
    command.args(["--volume", &format!("{toolchain}:/rust:ro")]);
    // Cargo unpacks crates and takes locks there: on a layer that is thrown away.
    command.args(["--volume", &format!("{cargo}/registry:/cargo/registry:O")]);
    command::run(command.arg(env!("CARGO_MANIFEST_DIR")));
    WHARF
}

/// Builds one image from the folder of that name beside this file, with `programs` beside its Containerfile.
fn build(podman: &Podman, image: &str, folder: &str, programs: &[&Path]) {
    let context = tempfile::tempdir().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/images").join(folder);
    for file in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        fs::copy(&file, context.path().join(file.file_name().unwrap())).unwrap();
    }
    for program in programs {
        fs::copy(program, context.path().join(program.file_name().unwrap())).unwrap();
    }
    // Steps run in a chroot on the machine's network: they only install packages.
    let arguments =
        ["build", "--quiet", "--isolation", "chroot", "--network", "host", "--tag", image];
    command::run(podman.podman(arguments).arg(context.path()));
}

/// A tar file of a minimal Debian, kept between runs where there is a cache.
fn base() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("wharf-tests");
    fs::create_dir_all(&cache).unwrap();
    let tar = cache.join(format!("debian-bookworm-{PACKAGES}.tar"));
    if tar.exists() {
        return tar;
    }

    eprintln!("making a Debian with debootstrap (a minute; kept in {})", cache.display());
    let work = tempfile::tempdir_in(&cache).unwrap();
    let root = work.path().join("root");
    let mut debootstrap = Command::new("debootstrap");
    debootstrap
        .args(["--variant=minbase", &format!("--include={PACKAGES}"), "bookworm"])
        .arg(&root);
    command::run(&mut debootstrap);
    let packed = work.path().join("root.tar");
    let mut pack = Command::new("tar");
    pack.arg("-C").arg(&root).args([
        "--exclude=./var/cache/apt/*",
        "--exclude=./var/lib/apt/lists/*",
        "-cf",
    ]);
    command::run(pack.arg(&packed).arg("."));
    fs::rename(&packed, &tar).unwrap();
    tar
}
