//! A project's way from a folder to the registry, as a person goes it: `wharf init`, `wharf build`,
//! `wharf push`, with a real Podman and a store of the test's own; and what is said where the file is
//! wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::engine::Engine;
use crate::harness::{Server, program};
use crate::repository::Repository;
use crate::spoken::{failed, said};

const MANIFEST: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: app}\n\
                        spec: {containers: [{name: app, image: 'kind-registry:5000/team/app:v1'}]}\n";

fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// `wharf` in a folder, with nothing of the test's own environment.
fn wharf<const N: usize>(folder: &Path, words: [&str; N]) -> Command {
    let mut command = Command::new(program());
    command.args(words).current_dir(folder).env_clear().stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", folder);
    command
}

/// Two images, of which one is built upon the other, and a manifest.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    write(
        folder.path(),
        &[
            ("app/Containerfile", "FROM localhost/base:dev\nARG WHAT=app\nCOPY app /app\n"),
            ("app/app", "the program"),
            ("base/Dockerfile", "FROM scratch\nCOPY base /base\n"),
            ("deploy/pod.yaml", MANIFEST),
        ],
    );
    // What does not compress, so that it is seen where it goes.
    let base: Vec<u8> =
        (0u32..75_000).flat_map(|it| it.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
    fs::write(folder.path().join("base/base"), base).unwrap();
    folder
}

/// An engine whose Podman keeps to a folder of the test's, found by wharf as by itself.
fn with(engine: &Engine, command: &mut Command) {
    let root = engine.root().parent().unwrap().to_owned();
    let conf = format!(
        "[engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n\
         tmp_dir = \"{}\"\n",
        root.join("libpod").display()
    );
    command.env("CONTAINERS_CONF", engine.file("project.conf", &conf));
    command.env("CONTAINERS_STORAGE_CONF", root.join("storage.conf"));
    command.env("BUILDAH_ISOLATION", "chroot").env("TMPDIR", root);
}

#[test]
fn a_folder_comes_to_the_registry_by_three_words() {
    let what = "a project's way to the registry";
    let Some(engine) = Engine::new(what) else { return };
    let (folder, registry) = (folder(), Server::start());
    let root = folder.path();
    let (written, words) = said(&mut wharf(root, ["init"]));
    assert_eq!(fs::read_to_string(root.join("wharf.toml")).unwrap(), written);
    assert!(words.contains("2 images") && words.contains("wharf build"), "{words}");

    // Any folder of the project will do.
    let mut build = wharf(&root.join("app"), ["build"]);
    with(&engine, build.env("HOME", root));
    let (stdout, words) = said(&mut build);
    assert_eq!(stdout, "base:dev\nteam/app:v1\n");
    assert!(words.contains("Building team/app:v1"), "{words}");

    let mut push = wharf(root, ["push"]);
    with(&engine, push.env("WHARF_REGISTRY", registry.address().to_string()));
    let (stdout, words) = said(&mut push);
    assert_eq!(stdout, "kind-registry:5000/base:dev\nkind-registry:5000/team/app:v1\n");
    assert!(words.contains("2 images"), "{words}");
    for (name, tag) in [("base", "dev"), ("team/app", "v1")] {
        assert_eq!(Repository::new(&registry, name).tags(), [tag]);
    }

    // What both have was sent once: 300 kB, of images of twice that.
    let again = Server::start();
    let mut push = wharf(root, ["push", "--json"]);
    with(&engine, push.env("WHARF_REGISTRY", again.address().to_string()));
    let told: Value = serde_json::from_str(&said(&mut push).0).unwrap();
    let sum = |what: &str| -> u64 {
        let images = told["images"].as_array().unwrap().iter();
        images.map(|image| image[what].as_u64().unwrap()).sum()
    };
    assert!(sum("sent_bytes") < 600_000, "{told}");
    assert!(sum("mounted_bytes") + sum("reused_bytes") > 300_000, "{told}");
}

#[test]
fn a_build_that_fails_is_the_last() {
    let Some(engine) = Engine::new("a build that fails") else { return };
    let folder = folder();
    write(folder.path(), &[("base/Dockerfile", "FROM scratch\nCOPY absent /\n")]);
    said(&mut wharf(folder.path(), ["init"]));
    let mut build = wharf(folder.path(), ["build"]);
    with(&engine, &mut build);
    let words = failed(&mut build, 1);
    assert!(words.contains("cannot build base:dev"), "{words}");
    assert!(words.contains("absent") && !words.contains("Building team/app"), "{words}");
}

/// A folder with an engine that is never started.
fn with_idle_engine(root: &Path) -> PathBuf {
    write(root, &[("bin/podman", "#!/bin/sh\necho started >&2; exit 1\n")]);
    let podman = root.join("bin/podman");
    fs::set_permissions(&podman, fs::Permissions::from_mode(0o755)).unwrap();
    root.join("bin")
}

#[test]
fn a_dry_build_shows_each_command() {
    let folder = folder();
    let root = folder.path();
    said(&mut wharf(root, ["init"]));
    let text = fs::read_to_string(root.join("wharf.toml")).unwrap();
    fs::write(root.join("wharf.toml"), format!("{text}build-args = {{ WHAT = 'a b' }}\n")).unwrap();
    let bin = with_idle_engine(root);
    let mut build = wharf(root, ["build", "--dry-run", "app", "--", "--no-cache"]);
    let (stdout, _) = said(build.env("PATH", bin));
    let root = root.canonicalize().unwrap();
    let root = root.display();
    assert_eq!(
        stdout,
        format!(
            "podman build --tag team/app:v1 --file {root}/app/Containerfile --build-arg 'WHAT=a b' \
             --no-cache {root}/app\n"
        )
    );
}

#[test]
fn a_file_that_is_there_is_not_written_over_unasked() {
    let folder = folder();
    let root = folder.path();
    let (shown, words) = said(&mut wharf(root, ["init", "--dry-run"]));
    assert!(
        shown.contains("name = \"team/app:v1\"") && words.contains("Nothing is written"),
        "{words}"
    );
    assert!(!root.join("wharf.toml").exists());
    write(root, &[("wharf.toml", "# mine\n")]);
    let words = failed(&mut wharf(root, ["init"]), 2);
    assert!(words.contains("already") && words.contains("--force"), "{words}");
    assert_eq!(fs::read_to_string(root.join("wharf.toml")).unwrap(), "# mine\n");
    said(&mut wharf(root, ["init", "--force"]));
    assert_eq!(fs::read_to_string(root.join("wharf.toml")).unwrap(), shown);
    let empty = TempDir::new().unwrap();
    let words = failed(&mut wharf(empty.path(), ["init"]), 2);
    assert!(words.contains("no Containerfile"), "{words}");
}

#[test]
fn what_is_wrong_with_a_project_is_told_before_anything_is_done() {
    let folder = folder();
    let root = folder.path();
    let bin = with_idle_engine(root);
    // The search for a file ends here.
    fs::create_dir(root.join(".git")).unwrap();
    for (text, words, expected) in [
        (None, "build", "wharf init"),
        (None, "push", "no wharf.toml"),
        (None, "deploy", "no wharf.toml"),
        (Some("[[image]]\nnam = 'app:v1'"), "build", "`name` may be meant"),
        (Some("[[image]]\nname = 'app'"), "push", "with a tag"),
        (Some("manifests = 'deploy'"), "deploy", "no [[image]]"),
        (Some("[[image]]\nname = 'app:v1'\n"), "build", "no "),
        (Some("[[image"), "build", "line 1"),
        (Some(""), "push", "no [[image]]"),
        (Some("image = []"), "build", "no [[image]]"),
        (Some("[[image]]\nname = 'app:v1'\ncontext = 'absent'"), "build", "there is no folder"),
        (Some("[[image]]\nname = 'app:v1'\ncontext = \"app\\u0000\""), "build", "no folder"),
        (Some("[[image]]\nname = 'a:1'\n[[image]]\nname = 'localhost/a:1'"), "push", "line 3"),
    ] {
        _ = fs::remove_file(root.join("wharf.toml"));
        if let Some(text) = text {
            write(root, &[("wharf.toml", text)]);
        }
        let words = failed(wharf(root, [words]).env("PATH", &bin), 2);
        assert!(words.contains(expected), "{text:?}: {words}");
    }
    write(root, &[("wharf.toml", "[[image]]\nname = 'moon:v1'\ncontext = 'app'\n")]);
    for command in [["build", "mon"], ["build", "moon:v2"]] {
        let words = failed(wharf(root, command).env("PATH", &bin), 2);
        assert!(words.contains("moon:v1 may be meant"), "{words}");
    }
    fs::write(root.join("latin.toml"), b"# caf\xe9\n[[image]]\nname = 'app:v1'\n").unwrap();
    for (file, expected) in
        [("absent.toml", "absent.toml"), ("latin.toml", "UTF-8"), ("app", "directory")]
    {
        let words = failed(wharf(root, ["build", "--file", file]).env("PATH", &bin), 2);
        assert!(words.contains(file) && words.contains(expected), "{words}");
    }
}

#[test]
fn a_build_may_see_a_folder_outside_of_the_project() {
    let folder = folder();
    let root = folder.path().canonicalize().unwrap();
    let bin = with_idle_engine(&root);
    let elsewhere = root.join("app");
    write(
        &root,
        &[(
            "deploy/wharf.toml",
            &format!(
                "[[image]]\nname = 'a:1'\ncontext = '../app'\n[[image]]\nname = 'b:1'\ncontext = '..'\n\
                 containerfile = '../base/Dockerfile'\n[[image]]\nname = 'c:1'\ncontext = '{}'\n",
                elsewhere.display()
            ),
        )],
    );
    let mut build = wharf(&root.join("deploy"), ["build", "--dry-run"]);
    let (stdout, _) = said(build.env("PATH", bin));
    let folder = root.join("deploy");
    let (folder, elsewhere) = (folder.display(), elsewhere.display());
    assert_eq!(
        stdout,
        format!(
            "podman build --tag a:1 --file {folder}/../app/Containerfile {folder}/../app\n\
             podman build --tag b:1 --file {folder}/../base/Dockerfile {folder}/..\n\
             podman build --tag c:1 --file {elsewhere}/Containerfile {elsewhere}\n"
        )
    );
}
