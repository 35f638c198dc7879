//! Names: what people type, and where it arrives.

use super::{build_app, build_base, digest, failed, manifest, push, said, told_one};
use crate::engine::Engine;
use crate::harness::Server;
use crate::repository::{Repository, strings};

/// The names of the tests' registry, as `NAME:TAG`, after a push of `typed`.
fn arrived(engine: &Engine, typed: &[&str]) -> Vec<String> {
    let server = Server::start();
    said(push(engine, server.address(), []).args(typed));
    let catalog = server.get("/v2/_catalog").expect(200).json();
    let names = strings(&catalog["repositories"]);
    let tagged = |name: &String| {
        let tags = server.get(Repository::new(&server, name).tags_path()).expect(200).json();
        strings(&tags["tags"]).into_iter().map(|tag| format!("{name}:{tag}")).collect::<Vec<_>>()
    };
    names.iter().map(|name| tagged(&(*name).to_owned())).collect::<Vec<_>>().concat()
}

#[test]
fn every_name_of_an_image_arrives_where_it_is_meant() {
    let Some(engine) = Engine::new("names of images") else { return };
    let id = build_app(&engine);
    let id = id.strip_prefix("sha256:").unwrap();
    engine.podman(&[
        "tag",
        "localhost/base:1",
        "docker.io/library/base:2",
        "localhost:5000/team/x:3",
    ]);
    for (typed, expected) in [
        ("app:v1", "app:v1"),
        ("localhost/app:v1", "app:v1"),
        // Built as localhost/app, and meant for the local registry, whatever that is called.
        ("localhost:5000/app:v1", "app:v1"),
        ("127.0.0.1:5000/app:v1", "app:v1"),
        ("kind-registry:5000/app:v1", "app:v1"),
        ("containers-storage:app:v1", "app:v1"),
        ("docker.io/library/base:2", "library/base:2"),
        ("localhost:5000/team/x:3", "team/x:3"),
        // The only name that the id has.
        (&id[..12], "app:v1"),
        (id, "app:v1"),
    ] {
        assert_eq!(arrived(&engine, &[typed]), [expected], "{typed}");
    }
    assert_eq!(arrived(&engine, &["app:v1", "--as", "team/other:2"]), ["team/other:2"]);
    assert_eq!(arrived(&engine, &[id, "--as", "renamed"]), ["renamed:latest"]);
    assert_eq!(arrived(&engine, &["base:1", "app:v1"]), ["app:v1", "base:1"]);
}

#[test]
fn a_digest_is_stored_without_a_tag() {
    let Some(engine) = Engine::new("an image by its digest") else { return };
    build_app(&engine);
    let server = Server::start();
    let image = told_one(&mut push(&engine, server.address(), ["app:v1"]));
    let digest = image["digest"].as_str().unwrap();
    let elsewhere = Server::start();
    let typed = format!("app@{digest}");
    let (out, _) = said(&mut push(&engine, elsewhere.address(), [&typed]));
    assert_eq!(out, format!("kind-registry:5000/app@{digest}\n"));
    manifest(elsewhere.address(), "app", digest).expect("by its digest", 200);
    let tags = elsewhere.get("/v2/app/tags/list").send();
    assert!(tags.status == 404 || tags.json()["tags"].as_array().is_none_or(Vec::is_empty));
}

#[test]
fn the_flag_beats_the_registry_in_the_name_and_the_variable_does_not() {
    let Some(engine) = Engine::new("names with a registry of their own") else { return };
    build_base(&engine);
    let (named, flagged) = (Server::start(), Server::start());
    let nobody = "127.0.0.1:1".parse().unwrap();
    let name = format!("{}/team/base:1", named.address());
    engine.podman(&["tag", "localhost/base:1", &name]);
    said(&mut push(&engine, nobody, [&name]));
    let there = digest(named.address(), "team/base", "1");
    let flag = flagged.address().to_string();
    said(&mut push(&engine, nobody, [&name, "--registry", &flag]));
    assert_eq!(digest(flagged.address(), "team/base", "1"), there);
}

#[test]
fn the_name_for_pods_is_printed_and_nothing_else() {
    let Some(engine) = Engine::new("what a script reads") else { return };
    build_base(&engine);
    let server = Server::start();
    let (out, words) = said(&mut push(&engine, server.address(), ["base:1", "--quiet"]));
    assert_eq!((&*out, &*words), ("kind-registry:5000/base:1\n", ""));
    let renamed = ["base:1", "-q", "--pod-registry", "registry.test:80", "--as", "a/b:c"];
    assert_eq!(said(&mut push(&engine, server.address(), renamed)).0, "registry.test:80/a/b:c\n");
}

#[test]
fn an_image_that_could_go_anywhere_goes_nowhere() {
    let Some(engine) = Engine::new("images without one name") else { return };
    let id = build_app(&engine);
    engine.podman(&["tag", "localhost/app:v1", "localhost/second:v1"]);
    let server = Server::start();
    let fail = |words: &[&str]| failed(push(&engine, server.address(), []).args(words));
    let (code, words) = fail(&[&id[7..]]);
    assert!(code == 2 && words.contains("localhost/second:v1"), "{words}");
    engine.podman(&["untag", "localhost/app:v1"]);
    let (code, words) = fail(&[&id[7..]]);
    assert!(code == 2 && words.contains("--as NAME:TAG"), "{words}");
    let (code, words) = fail(&["base:1", "base:1", "--as", "one:1"]);
    assert!(code == 2 && words.contains("one by one"), "{words}");
    for wrong in [&["base:1", "--as", "A"][..], &["base:1", "--registry", "a/b"], &[]] {
        assert_eq!(fail(wrong).0, 2, "{wrong:?}");
    }
    let catalog = server.get("/v2/_catalog").expect(200).json();
    assert_eq!(strings(&catalog["repositories"]), [""; 0]);
}
