//! Words: what a person, a log and a script get to read.

use super::{build_app, build_base, folder, push, said, told};
use crate::engine::Engine;
use crate::harness::Server;

#[test]
fn a_log_gets_one_line_for_each_layer_and_one_for_the_image() {
    let Some(engine) = Engine::new("words where there is no terminal") else { return };
    build_app(&engine);
    let server = Server::start();
    let (_, words) = said(&mut push(&engine, server.address(), ["app:v1"]));
    let lines: Vec<_> = words.lines().collect();
    let sent = lines.iter().filter(|line| line.contains("  sent in ")).count();
    assert_eq!((lines.len(), sent), (4, 2), "{words}");
    assert!(lines[2].contains(&format!("{}/app:v1: sent 34", server.address())), "{words}");
    assert!(lines[3].starts_with("sha256:"), "{words}");
    assert!(!words.contains(['\r', '\u{1b}']), "{words:?}");

    let (_, words) = said(&mut push(&engine, server.address(), ["app:v1", "--as", "b:1"]));
    assert_eq!(words.matches("mounted from app").count(), 2, "{words}");
}

#[test]
fn json_is_for_programs_and_alone() {
    let Some(engine) = Engine::new("words for programs") else { return };
    build_base(&engine);
    let server = Server::start();
    let mut command = push(&engine, server.address(), ["base:1"]);
    let (out, words) = said(command.arg("--json"));
    assert_eq!((out.lines().count(), &*words), (1, ""));
    let [image] = &told(&mut push(&engine, server.address(), ["base:1"]))[..] else { panic!() };
    assert_eq!(image["reference"], format!("{}/base:1", server.address()));
    assert_eq!(image["pod_reference"], "kind-registry:5000/base:1");
    assert_eq!(image["source"], format!("Podman's store at {}", engine.root().display()));
}

#[test]
fn an_image_for_another_machine_is_warned_of() {
    let Some(engine) = Engine::new("an image for another architecture") else { return };
    let other = if cfg!(target_arch = "aarch64") { "amd64" } else { "arm64" };
    engine.file("Containerfile", "FROM scratch\nCOPY Containerfile /\n");
    let (platform, context) = (format!("linux/{other}"), folder(&engine));
    let context = context.to_str().unwrap();
    engine.podman(&["build", "--quiet", "--platform", &platform, "--tag", "other:1", context]);
    let server = Server::start();
    let (_, words) = said(&mut push(&engine, server.address(), ["other:1"]));
    assert!(words.contains(&format!("warning: other:1 is for linux/{other}")), "{words}");
    let (_, words) = said(&mut push(&engine, server.address(), ["other:1", "--quiet"]));
    assert_eq!(words, "");
}

#[test]
fn compression_is_by_where_it_goes_and_by_the_flag() {
    let Some(engine) = Engine::new("compressed layers") else { return };
    build_app(&engine);
    let server = Server::start();
    let media_types = |words: &[&str]| {
        said(push(&engine, server.address(), ["app:v1"]).args(words));
        let manifest = super::manifest(server.address(), "app", "v1").expect("app", 200).json();
        let layers = manifest["layers"].as_array().unwrap();
        layers.iter().map(|layer| layer["mediaType"].to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(media_types(&[]).matches(".tar\"").count(), 2);
    assert_eq!(media_types(&["--compression", "gzip:1"]).matches("gzip\"").count(), 2);
    assert_eq!(media_types(&["--compression", "zstd"]).matches("zstd\"").count(), 2);
    let (_, words) =
        said(&mut push(&engine, server.address(), ["app:v1", "--compression", "zstd"]));
    assert!(words.contains("not the local digest"), "the digest is another: {words}");
}
