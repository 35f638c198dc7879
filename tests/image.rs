//! `wharf image` by what it writes: the same bytes every time, an image that other tools read, the
//! right architecture, and no image at all of a program that could not run in it.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use wharf_oci::{Algorithm, Digest};

/// The program under test: `WHARF_BINARY` when it is set, otherwise the one cargo has just built.
fn wharf<const N: usize>(arguments: [&str; N]) -> Command {
    let program: OsString =
        std::env::var_os("WHARF_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_wharf").into());
    let mut command = Command::new(program);
    command.arg("image").args(arguments).stdin(Stdio::null());
    command
}

fn run<const N: usize>(arguments: [&str; N]) -> Vec<u8> {
    let output = wharf(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// A folder of a test's own.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn file(&self, name: &str, contents: &[u8]) -> String {
        fs::write(self.path(name), contents).unwrap();
        self.text(name)
    }
}

/// The smallest program of a kind: an ELF header, one segment, and its contents.
fn elf(machine: u16, segment: u32, contents: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 120];
    bytes[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\x00");
    bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    bytes[32] = 64; // where the segments are described
    bytes[54] = 56; // how long a description is
    bytes[56] = 1; // how many there are
    bytes[64..68].copy_from_slice(&segment.to_le_bytes());
    bytes[72] = 120; // where the contents are
    bytes[96] = u8::try_from(contents.len()).unwrap();
    bytes.extend_from_slice(contents);
    bytes
}

const X86_64: u16 = 62;
const AARCH64: u16 = 183;
const CODE: u32 = 1;
const DYNAMIC: u32 = 2;
const INTERPRETER: u32 = 3;

/// A file of a layout that a digest names, with the right bytes.
fn blob(layout: &Path, descriptor: &Value) -> Vec<u8> {
    let digest: Digest = descriptor["digest"].as_str().unwrap().parse().unwrap();
    let bytes = fs::read(layout.join("blobs/sha256").join(digest.hex())).unwrap();
    assert_eq!(Digest::of(Algorithm::Sha256, &bytes), digest);
    assert_eq!(descriptor["size"], bytes.len());
    bytes
}

#[test]
fn the_image_is_the_same_to_the_byte_whenever_and_wherever_it_is_written() {
    let folder = Folder::new();
    run(["--output", &folder.text("one.tar")]);
    run(["--output", &folder.text("two.tar")]);
    let archive = fs::read(folder.path("one.tar")).unwrap();
    assert!(archive == fs::read(folder.path("two.tar")).unwrap(), "two runs differ");
    assert!(archive == run([]), "what goes into a pipe differs");
    assert!(archive == run(["--output", "-"]), "what goes to stdout differs");

    run(["--output", &format!("{}/", folder.text("layout"))]);
    let mut archive = tar::Archive::new(&archive[..]);
    let mut files = 0;
    for mut entry in archive.entries().unwrap().map(Result::unwrap) {
        let path = entry.path().unwrap().into_owned();
        // Docker's own table of contents is no part of a layout.
        if !entry.header().entry_type().is_file() || path == Path::new("manifest.json") {
            continue;
        }
        let mut contents = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut contents).unwrap();
        assert!(contents == fs::read(folder.path("layout").join(&path)).unwrap(), "{path:?}");
        files += 1;
    }
    assert_eq!(files, 5, "index.json, oci-layout, manifest, configuration, layer");
}

#[test]
fn the_layout_leads_from_the_index_to_the_program() {
    let folder = Folder::new();
    let contents = elf(X86_64, CODE, b"code");
    let program = folder.file("program", &contents);
    let layout = folder.path("layout");
    let name = "kind-registry:5000/team/wharf:dev";
    let arguments = ["--program", &program, "--tag", name, "--format", "dir", "--json", "--output"];
    let output = wharf(arguments).arg(&layout).output().unwrap();
    let printed = parse(&output.stdout);

    let version = parse(&fs::read(layout.join("oci-layout")).unwrap());
    assert_eq!(version, json!({"imageLayoutVersion": "1.0.0"}));
    let index = parse(&fs::read(layout.join("index.json")).unwrap());
    let [entry] = &index["manifests"].as_array().unwrap()[..] else { panic!("{index}") };
    assert_eq!(entry["annotations"]["org.opencontainers.image.ref.name"], name);
    assert_eq!(entry["platform"], json!({"architecture": "amd64", "os": "linux"}));
    assert_eq!((&printed["digest"], &printed["name"]), (&entry["digest"], &json!(name)));

    let manifest = parse(&blob(&layout, entry));
    let config = parse(&blob(&layout, &manifest["config"]));
    assert_eq!(config["rootfs"]["diff_ids"], json!([manifest["layers"][0]["digest"]]));
    assert_eq!(config["config"]["Entrypoint"], json!(["/wharf"]));
    assert_eq!(config["config"]["Cmd"], json!(["serve"]));
    assert_eq!(config["config"]["ExposedPorts"], json!({"5000/tcp": {}}));
    assert_eq!(config["config"]["Volumes"], json!({"/var/lib/registry": {}}));
    let environment = ["WHARF_IMAGE_LISTEN=[::]:5000", "WHARF_IMAGE_ROOT=/var/lib/registry"];
    assert_eq!(config["config"]["Env"], json!(environment));

    let layer = blob(&layout, &manifest["layers"][0]);
    let mut archive = tar::Archive::new(&layer[..]);
    let last = archive.entries().unwrap().map(Result::unwrap).last().unwrap();
    assert_eq!(last.path().unwrap(), Path::new("wharf"));
    assert_eq!((last.header().mode().unwrap(), last.size()), (0o755, contents.len() as u64));
}

#[test]
fn the_architecture_is_that_of_the_program() {
    let folder = Folder::new();
    for (machine, platform) in [(X86_64, "linux/amd64"), (AARCH64, "linux/arm64")] {
        let program = folder.file("program", &elf(machine, CODE, b"code"));
        let printed = parse(&run(["--program", &program, "--json"]));
        assert_eq!(printed["platform"], platform);
    }
}

#[test]
fn a_program_that_could_not_run_alone_is_refused() {
    let folder = Folder::new();
    let mut needed = [0; 16];
    needed[0] = 1;
    for (contents, words) in [
        (
            elf(X86_64, INTERPRETER, b"/lib/ld.so\0"),
            "is not static: it asks for the loader /lib/ld.so",
        ),
        (elf(X86_64, DYNAMIC, &needed), "is not static: it asks for shared libraries"),
        (elf(243, CODE, b"code"), "a processor other than x86-64 and arm64"),
        (elf(X86_64, INTERPRETER, b"/lib/ld.so\0")[..125].to_vec(), "cut short or damaged"),
        (b"\xcf\xfa\xed\xfe\x0c\x00\x00\x01".to_vec(), "is a macOS program"),
        (b"#!/bin/sh\n".to_vec(), "is a script"),
        (Vec::new(), "is an empty file"),
    ] {
        let program = folder.file("program", &contents);
        let output = folder.file("kept.tar", b"what was there");
        let Output { status, stderr, stdout } =
            wharf(["--program", &program, "--output", &output]).output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(&program) && stderr.contains(words), "{words}: {stderr}");
        assert!(stdout.is_empty());
        assert_eq!(fs::read(&output).unwrap(), b"what was there");
    }
    let absent = folder.text("absent");
    let output = wharf(["--program", &absent]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot read the program"));
}

#[test]
fn a_folder_that_holds_something_is_left_alone() {
    let folder = Folder::new();
    folder.file("notes", b"mine");
    let output = wharf(["--output", &format!("{}/", folder.0.path().display())]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), 1);
}

#[test]
fn wrong_names_are_wrong_use() {
    for name in ["Wharf", "", &format!("wharf@{}", Digest::empty(Algorithm::Sha256))] {
        let output = wharf(["--tag", name]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}");
    }
}

#[test]
fn the_containerfile_is_printed_as_it_stands() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Containerfile");
    assert_eq!(run(["--print-containerfile"]), fs::read(file).unwrap());
}

#[test]
fn skopeo_reads_every_form() {
    if Command::new("skopeo").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "in CI nothing is left out: install skopeo");
        println!("left out: skopeo is not installed");
        return;
    }
    let folder = Folder::new();
    let program = folder.file("program", &elf(AARCH64, CODE, b"code"));
    let printed = parse(&run(["--program", &program, "--json"]));
    run(["--program", &program, "--output", &folder.text("image.tar")]);
    run(["--program", &program, "--output", &format!("{}/", folder.text("image"))]);
    for (transport, path) in
        [("oci-archive", "image.tar"), ("oci", "image"), ("docker-archive", "image.tar")]
    {
        let image = format!("{transport}:{}", folder.text(path));
        let output = Command::new("skopeo").args(["inspect", &image]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let inspected = parse(&output.stdout);
        assert_eq!(inspected["Architecture"], "arm64", "{image}");
        assert_eq!(inspected["Labels"]["org.opencontainers.image.title"], "wharf", "{image}");
        // As a Docker archive it gets a manifest of skopeo's making.
        if transport != "docker-archive" {
            assert_eq!(inspected["Digest"], printed["digest"], "{image}");
        }
    }
}
