//! `wharf push` as a person runs it: the built program, images of real engines in a store of the
//! test's own, and both kinds of registry. What is shown here is what the person gets: names, words,
//! exit codes, and an image that others can pull.

mod again;
mod failures;
mod names;
pub(crate) mod registry;
mod roads;
mod sources;
mod words;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::engine::Engine;
use crate::harness::program;
use crate::wire::{Request, Response};

/// What every manifest of these tests may be.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.v2+json, \
                         application/vnd.oci.image.index.v1+json";

/// A folder of the test's, which goes with the engine.
fn folder(engine: &Engine) -> PathBuf {
    engine.root().parent().unwrap().to_owned()
}

/// `wharf push` to a registry, out of nothing but the engine's store.
fn push<const N: usize>(engine: &Engine, registry: SocketAddr, words: [&str; N]) -> Command {
    let mut command = bare(engine, registry, words);
    command.arg("--storage-root").arg(engine.root());
    command
}

/// The same, in a home without a store.
fn bare<const N: usize>(engine: &Engine, registry: SocketAddr, words: [&str; N]) -> Command {
    let mut command = Command::new(program());
    command.arg("push").args(words).env_clear().stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", folder(engine)).env("TMPDIR", folder(engine));
    command.env("WHARF_REGISTRY", registry.to_string()).current_dir(folder(engine));
    command
}

/// What a push that succeeds prints: stdout and stderr.
#[track_caller]
fn said(command: &mut Command) -> (String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert!(status.success(), "{command:?} ({status}): {stdout}{stderr}");
    (stdout, stderr)
}

/// What a push that succeeds tells of its images.
#[track_caller]
fn told(command: &mut Command) -> Vec<Value> {
    let (stdout, _) = said(command.arg("--json"));
    let told: Value = serde_json::from_str(&stdout).unwrap();
    told["images"].as_array().unwrap().clone()
}

/// The only one of them.
#[track_caller]
fn told_one(command: &mut Command) -> Value {
    let [image] = &told(command)[..] else { panic!("{command:?}: not one image") };
    image.clone()
}

/// Exit code and words of a push that fails.
#[track_caller]
fn failed(command: &mut Command) -> (i32, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert!(!status.success() && stdout.is_empty(), "{command:?} ({status}): {stdout}{stderr}");
    (status.code().unwrap(), stderr)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// The manifest in a registry, by tag or digest.
fn manifest(registry: SocketAddr, name: &str, reference: &str) -> Response {
    let target = format!("/v2/{name}/manifests/{reference}");
    Request::new(registry, "GET", target).header("Accept", MANIFESTS).send()
}

/// The digest of the manifest that a tag points at.
#[track_caller]
fn digest(registry: SocketAddr, name: &str, tag: &str) -> String {
    let manifest = manifest(registry, name, tag).expect(name, 200);
    manifest.the("Docker-Content-Digest").to_owned()
}

/// The digests of an image's layers in a registry.
fn layers(registry: SocketAddr, name: &str, tag: &str) -> Vec<String> {
    let manifest = manifest(registry, name, tag).expect(name, 200).json();
    let layers = manifest["layers"].as_array().unwrap();
    layers.iter().map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
}

/// An image of two layers, `localhost/base:1` below `localhost/app:v1`; gives its id.
fn build_app(engine: &Engine) -> String {
    build_base(engine);
    engine.build("localhost/base:1", "localhost/app:v1", |root| write(root, "app", 2, 40_000))
}

/// The image `localhost/base:1`, of one layer.
fn build_base(engine: &Engine) {
    engine.build("scratch", "localhost/base:1", |root| write(root, "base", 1, 300_000));
}

/// A file that does not compress, the same for the same seed.
fn write(root: &Path, name: &str, seed: u64, length: usize) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    std::fs::write(root.join(name), bytes).unwrap();
}
