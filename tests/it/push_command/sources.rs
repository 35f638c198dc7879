//! Sources: the same image out of everything that images are kept in, and through the engine where
//! its store cannot be seen.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::registry::Registry;
use super::{bare, build_app, digest, failed, folder, layers, manifest, push, said, told_one};
use crate::engine::Engine;
use crate::harness::Server;

/// What an image is, whatever its manifest says: its id and its layers.
fn parts(registry: &Registry, name: &str) -> (String, Vec<String>) {
    let address = registry.address();
    let manifest = manifest(address, name, "v1").expect(name, 200).json();
    (manifest["config"]["digest"].as_str().unwrap().to_owned(), layers(address, name, "v1"))
}

fn written(path: &std::path::Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// The files that other programs make of `localhost/app:v1`.
fn saved(engine: &Engine) -> [PathBuf; 4] {
    let [docker, oci, layout, packed] =
        ["saved.tar", "oci.tar", "layout", "saved.tar.gz"].map(|name| folder(engine).join(name));
    let image = "localhost/app:v1";
    engine.podman(&[
        "save",
        "--quiet",
        "--format",
        "docker-archive",
        "-o",
        &written(&docker),
        image,
    ]);
    let copy = |to: String| {
        let uncompressed = "--dest-oci-accept-uncompressed-layers";
        engine.skopeo(&["copy", "--quiet", uncompressed, &engine.transport(image), &to]);
    };
    copy(format!("oci-archive:{}:{image}", oci.display()));
    copy(format!("oci:{}:{image}", layout.display()));
    let gzip = Command::new("gzip").args(["--fast", "--keep"]).arg(&docker).status().unwrap();
    assert!(gzip.success());
    [docker, oci, layout, packed]
}

#[test]
fn every_source_gives_the_same_image() {
    let what = "one image out of a store, archives, a layout and a pipe";
    let Some(engine) = Engine::new(what) else { return };
    let id = build_app(&engine);
    let files = saved(&engine);
    let [docker, oci, layout, packed] = files.each_ref().map(|path| written(path));
    let odd = folder(&engine).join("an archive");
    fs::copy(&files[0], &odd).unwrap();
    for registry in Registry::each(what) {
        said(&mut push(&engine, registry.address(), ["app:v1"]));
        let expected = parts(&registry, "app");
        assert_eq!(expected.0, id);
        for (index, words) in [
            vec![docker.clone()],
            vec![format!("docker-archive:{docker}:localhost/app:v1")],
            vec!["saved.tar".to_owned()],
            vec![oci.clone()],
            vec![format!("oci-archive:{oci}")],
            vec![layout.clone()],
            vec![format!("oci:{layout}:localhost/app:v1")],
            vec![packed.clone()],
            vec!["--archive".into(), written(&odd)],
            vec!["--archive".into(), written(&odd), "app:v1".into()],
        ]
        .iter()
        .enumerate()
        {
            // A repository of its own, so that nothing is there before it.
            let name = format!("app{index}");
            let mut command = bare(&engine, registry.address(), []);
            said(command.args(words).args(["--as", &format!("{name}:v1")]));
            assert_eq!(parts(&registry, &name), expected, "{words:?}");
        }
    }
}

#[test]
fn a_file_is_pushed_under_the_name_that_it_has_inside() {
    let Some(engine) = Engine::new("names in archives and layouts") else { return };
    build_app(&engine);
    for file in saved(&engine) {
        let server = Server::start();
        let (out, _) = said(&mut bare(&engine, server.address(), [&written(&file)]));
        assert_eq!(out, "kind-registry:5000/app:v1\n", "{}", file.display());
        digest(server.address(), "app", "v1");
    }
    let nameless = folder(&engine).join("nameless");
    let to = format!("oci:{}:v1", nameless.display());
    engine.skopeo(&["copy", "--quiet", &engine.transport("localhost/app:v1"), &to]);
    let server = Server::start();
    let (code, words) = failed(&mut bare(&engine, server.address(), [&written(&nameless)]));
    assert!(code == 2 && words.contains("--as NAME:TAG"), "{words}");
}

#[test]
fn standard_input_is_an_archive() {
    let what = "an archive from a pipe";
    let Some(engine) = Engine::new(what) else { return };
    let id = build_app(&engine);
    let [docker, _, _, packed] = saved(&engine);
    for registry in Registry::each(what) {
        for (file, words, name) in [
            (&docker, vec!["-"], "app"),
            (&packed, vec!["-", "--as", "team/piped:v1"], "team/piped"),
        ] {
            let mut command = bare(&engine, registry.address(), []);
            said(command.args(words).stdin(File::open(file).unwrap()));
            assert_eq!(parts(&registry, name).0, id);
        }
    }
}

/// A folder for the PATH in which `podman` is the engine's, whatever its settings say.
fn engine_on_path(engine: &Engine) -> String {
    let bin = folder(engine).join("bin");
    fs::create_dir_all(&bin).unwrap();
    let home = folder(engine);
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> {home}/asked\nexport CONTAINERS_CONF={home}/containers.conf \
         CONTAINERS_STORAGE_CONF={home}/storage.conf\nexec {podman} --tmpdir {home}/tmp \"$@\"\n",
        home = home.display(),
        podman = real_podman(),
    );
    fs::write(bin.join("podman"), script).unwrap();
    fs::set_permissions(bin.join("podman"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    format!("{}:{path}", bin.display())
}

fn real_podman() -> String {
    let found = Command::new("sh").args(["-c", "command -v podman"]).output().unwrap();
    String::from_utf8(found.stdout).unwrap().trim().to_owned()
}

/// The settings of a store that is not there, as on a machine whose Podman runs elsewhere.
fn storeless(engine: &Engine) -> PathBuf {
    let absent = folder(engine).join("absent");
    let (graph, run) = (absent.join("graph"), absent.join("run"));
    let text = format!("[storage]\ndriver = 'overlay'\ngraphroot = {graph:?}\nrunroot = {run:?}\n");
    engine.file("storeless.conf", &text)
}

#[test]
fn an_engine_whose_store_cannot_be_seen_saves_the_image() {
    let what = "an image saved by an engine that runs elsewhere";
    let Some(engine) = Engine::new(what) else { return };
    let id = build_app(&engine);
    let (path, storeless) = (engine_on_path(&engine), storeless(&engine));
    for registry in Registry::each(what) {
        let push = |words: &[&str]| {
            let mut command = bare(&engine, registry.address(), ["--verbose"]);
            command.args(words).env("PATH", &path).env("CONTAINERS_STORAGE_CONF", &storeless);
            command
        };
        let (_, words) = said(&mut push(&["localhost:5000/app:v1"]));
        assert!(words.contains("asking podman, since there is no image store at"), "{words}");
        assert_eq!(parts(&registry, "app").0, id);
        let asked = fs::read_to_string(folder(&engine).join("asked")).unwrap();
        assert!(asked.contains("image inspect -- app:v1") && asked.contains("save"), "{asked}");

        // What is there is read from the engine again, and not sent again.
        let again = told_one(&mut push(&["app:v1"]));
        assert_eq!(again["sent_bytes"], 0, "{again}");

        let (code, words) = failed(&mut push(&["ap:v1"]));
        assert!(code == 1 && words.contains("the nearest: localhost/app:v1"), "{words}");
    }
}

#[test]
fn a_store_that_lacks_what_layers_are_made_of_is_left_to_the_engine() {
    let Some(engine) = Engine::new("layers that only the engine can read") else { return };
    let id = build_app(&engine);
    let saved = folder(&engine).join("saved.tar");
    engine.podman(&["save", "--quiet", "-o", &written(&saved), "localhost/app:v1"]);
    let mut removed = 0;
    for entry in fs::read_dir(engine.root().join("overlay-layers")).unwrap() {
        let path = entry.unwrap().path();
        if written(&path).ends_with(".tar-split.gz") {
            fs::remove_file(path).unwrap();
            removed += 1;
        }
    }
    assert!(removed > 0);
    // A Podman that has a way to read them all the same.
    let path = engine_on_path(&engine);
    let script = folder(&engine).join("bin/podman");
    let text = fs::read_to_string(&script).unwrap();
    let (head, rest) = text.split_once("exec ").unwrap();
    let saves = format!("case $1 in save) exec cat {};; esac", saved.display());
    fs::write(&script, format!("{head}{saves}\nexec {rest}")).unwrap();

    let registry = Registry::docker("");
    let mut command = bare(&engine, registry.address(), ["app:v1", "--verbose"]);
    let settings = folder(&engine).join("storage.conf");
    let (_, words) = said(command.env("PATH", &path).env("CONTAINERS_STORAGE_CONF", settings));
    assert!(words.contains("asking podman, since") && words.contains("tar-split"), "{words}");
    assert_eq!(parts(&registry, "app").0, id);

    // In the one store that was named, nobody else's image is looked for.
    let mut command = push(&engine, registry.address(), ["app:v1"]);
    let (code, words) = failed(command.env("PATH", &path));
    assert!(code == 1 && words.contains("tar-split"), "{words}");
}

#[test]
fn without_a_store_and_an_engine_there_is_a_way_left_to_say() {
    let Some(engine) = Engine::new("a machine without an engine") else { return };
    let storeless = storeless(&engine);
    let server = Server::start();
    let mut command = bare(&engine, server.address(), ["app:v1"]);
    let command = command.env("PATH", folder(&engine)).env("CONTAINERS_STORAGE_CONF", storeless);
    let (code, words) = failed(command.stdin(Stdio::null()));
    assert!(code == 1 && words.contains("neither podman nor docker"), "{words}");
    assert!(words.contains("wharf push -"), "{words}");
}

#[test]
fn nothing_is_started_for_an_image_in_the_store() {
    let Some(engine) = Engine::new("a push that starts no program") else { return };
    build_app(&engine);
    let path = engine_on_path(&engine);
    let server = Server::start();
    for _ in 0..2 {
        said(push(&engine, server.address(), ["app:v1"]).env("PATH", &path));
    }
    assert!(!folder(&engine).join("asked").exists(), "podman was started");
}

#[test]
fn a_rootless_user_goes_on_in_podmans_namespace() {
    let Some(engine) = Engine::new("a store whose files this user may not read") else { return };
    build_app(&engine);
    // A Podman that only tells what it was asked for: the namespace itself is its business.
    let bin = folder(&engine).join("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(bin.join("podman"), "#!/bin/sh\necho \"$1 ${2##*/} $3 $4\"\n").unwrap();
    for path in [folder(&engine), bin.join("podman")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(engine.root(), fs::Permissions::from_mode(0o700)).unwrap();
    let server = Server::start();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let mut command = push(&engine, server.address(), ["app:v1"]);
    let (out, _) = said(command.uid(65534).env("PATH", &path));
    let name = std::path::PathBuf::from(crate::harness::program());
    let name = name.file_name().unwrap().to_str().unwrap();
    assert_eq!(out, format!("unshare {name} push app:v1\n"));

    // Inside of it there is nowhere further to go.
    let inside = [("_CONTAINERS_USERNS_CONFIGURED", "done"), ("_CONTAINERS_ROOTLESS_UID", "1000")];
    let (code, words) = failed(command.envs(inside));
    assert!(code == 1 && words.contains("may not read"), "{words}");
}
