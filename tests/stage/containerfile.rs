//! Images made here out of Debian packages and files of this repository: no registry is asked for
//! anything. What takes long to make is kept in a cache between runs, by its content.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wharf_oci::{Algorithm, Digest};

use crate::command;
use crate::podman::Podman;

/// A minimal Debian, upon which all other images stand.
pub(crate) const DEBIAN: &str = "localhost/debian:bookworm";
/// [`DEBIAN`] with containerd: what both stages make their nodes of.
pub(crate) const CONTAINERD: &str = "localhost/containerd:bookworm";
/// The packages of [`DEBIAN`]; part of the name under which it is kept, so that a change makes it anew.
const PACKAGES: &str = "ca-certificates,curl,procps,iproute2";

/// Brings [`DEBIAN`] and [`CONTAINERD`].
pub(crate) fn load(podman: &Podman) {
    podman.run(["load", "--quiet", "--input", &archive().display().to_string()]);
}

/// An archive of [`DEBIAN`] and [`CONTAINERD`]; the packages in them are fetched if it is not there yet.
pub(crate) fn archive() -> PathBuf {
    let folder = "stage/images/containerd";
    let recipe = fs::read_to_string(tests().join(folder).join("Containerfile")).unwrap();
    let key = Digest::of(Algorithm::Sha256, format!("{PACKAGES}\n{recipe}").as_bytes());
    let archive = cache().join(format!("containerd-{}.tar", &key.hex()[..16]));
    if archive.exists() {
        return archive;
    }
    let podman = Podman::new();
    podman.run(["import", &base().display().to_string(), DEBIAN]);
    build(&podman, CONTAINERD, folder, &[]);
    let work = tempfile::tempdir_in(cache()).unwrap();
    let saved = work.path().join("saved.tar");
    let save = ["save", "--quiet", "--multi-image-archive", "--output"];
    command::run(podman.podman(save).arg(&saved).args([DEBIAN, CONTAINERD]));
    fs::rename(&saved, &archive).unwrap();
    archive
}

/// Builds one image from a folder below `tests`, with `programs` beside its Containerfile.
pub(crate) fn build(podman: &Podman, image: &str, folder: &str, programs: &[&Path]) {
    let context = tempfile::tempdir().unwrap();
    let mut copy = Command::new("cp");
    command::run(copy.arg("-rT").arg(tests().join(folder)).arg(context.path()));
    for program in programs {
        fs::copy(program, context.path().join(program.file_name().unwrap())).unwrap();
    }
    // Steps run in a chroot on the machine's network: they only install packages.
    let arguments =
        ["build", "--quiet", "--isolation", "chroot", "--network", "host", "--tag", image];
    command::run(podman.podman(arguments).arg(context.path()));
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Where what takes long to make is kept between runs.
fn cache() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("wharf-tests");
    fs::create_dir_all(&cache).unwrap();
    cache
}

/// A tar file of a minimal Debian.
fn base() -> PathBuf {
    let cache = cache();
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
