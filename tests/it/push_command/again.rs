//! What is not sent: what the registry has, what images share, and everything on a dry run.

use std::fs;

use serde_json::{Value, json};

use super::registry::Registry;
use super::{build_app, build_base, digest, layers, manifest, push, said, told, told_one, write};
use crate::engine::Engine;
use crate::wire::Request;

/// The sizes of an image's blobs in a registry: config and layers.
fn sizes(registry: &Registry, name: &str, tag: &str) -> (u64, Vec<u64>) {
    let manifest = manifest(registry.address(), name, tag).expect(name, 200).json();
    let size = |part: &Value| part["size"].as_u64().unwrap();
    let layers = manifest["layers"].as_array().unwrap().iter().map(size).collect();
    (size(&manifest["config"]), layers)
}

fn numbers(image: &Value) -> [u64; 3] {
    ["sent_bytes", "reused_bytes", "mounted_bytes"].map(|name| image[name].as_u64().unwrap())
}

#[test]
fn a_second_push_sends_nothing() {
    let what = "the same image pushed twice";
    let Some(engine) = Engine::new(what) else { return };
    build_app(&engine);
    for registry in Registry::each(what) {
        let first = told_one(&mut push(&engine, registry.address(), ["app:v1"]));
        let (config, layers) = sizes(&registry, "app", "v1");
        let all = config + layers.iter().sum::<u64>();
        assert_eq!((&first["unchanged"], numbers(&first)), (&json!(false), [all, 0, 0]));
        let second = told_one(&mut push(&engine, registry.address(), ["app:v1"]));
        assert_eq!((&second["unchanged"], numbers(&second)), (&json!(true), [0, all, 0]));
        assert_eq!(first["digest"], second["digest"]);
        let (_, words) = said(&mut push(&engine, registry.address(), ["app:v1"]));
        assert!(words.contains("app:v1: unchanged, reused 34"), "{words}");
    }
}

#[test]
fn of_a_changed_image_the_changed_layer_is_sent() {
    let what = "an image pushed again after its top layer changed";
    let Some(engine) = Engine::new(what) else { return };
    build_app(&engine);
    let registries = Registry::each(what);
    for registry in &registries {
        said(&mut push(&engine, registry.address(), ["app:v1"]));
    }
    engine.build("localhost/base:1", "localhost/app:v1", |root| write(root, "app", 3, 50_000));
    for registry in &registries {
        let before = digest(registry.address(), "app", "v1");
        let image = told_one(&mut push(&engine, registry.address(), ["app:v1"]));
        let (config, layers) = sizes(registry, "app", "v1");
        assert_eq!(numbers(&image), [config + layers[1], layers[0], 0]);
        assert_ne!(digest(registry.address(), "app", "v1"), before);
    }
}

#[test]
fn what_two_images_share_is_sent_once() {
    let what = "two images on one base, pushed by one command";
    let Some(engine) = Engine::new(what) else { return };
    build_base(&engine);
    for (name, seed) in [("localhost/one:1", 4), ("localhost/two:1", 5)] {
        engine.build("localhost/base:1", name, |root| write(root, "own", seed, 20_000));
    }
    for registry in Registry::each(what) {
        let images = told(&mut push(&engine, registry.address(), ["one:1", "two:1"]));
        let [(config_one, one), (config_two, two)] =
            ["one", "two"].map(|name| sizes(&registry, name, "1"));
        assert_eq!(one[0], two[0], "the base");
        let sent: u64 = images.iter().map(|image| numbers(image)[0]).sum();
        assert_eq!(sent, config_one + config_two + one[0] + one[1] + two[1]);
        let address = registry.address();
        assert_eq!(layers(address, "one", "1")[0], layers(address, "two", "1")[0]);
    }
}

#[test]
fn a_dry_run_moves_nothing() {
    let what = "a push that only shows what it would do";
    let Some(engine) = Engine::new(what) else { return };
    build_app(&engine);
    for registry in Registry::each(what) {
        let image = told_one(&mut push(&engine, registry.address(), ["app:v1", "--dry-run"]));
        let steps: Vec<_> =
            image["blobs"].as_array().unwrap().iter().map(|it| &it["step"]).collect();
        assert_eq!(steps, ["send", "send", "send"]);
        manifest(registry.address(), "app", "v1").expect("nothing is there", 404);
        let catalog = Request::new(registry.address(), "GET", "/v2/_catalog".into()).expect(200);
        assert_eq!(catalog.json()["repositories"], json!([]));
        if let Registry::Wharf(server) = &registry {
            assert!(!server.root().join("docker/registry/v2/repositories/app").exists());
        }

        let pushed = told_one(&mut push(&engine, registry.address(), ["app:v1"]));
        assert_eq!(image["digest"], pushed["digest"]);
        let (plan, _) = said(&mut push(&engine, registry.address(), ["app:v1", "--dry-run"]));
        assert!(plan.contains("app:v1: unchanged"), "{plan}");
        let elsewhere = ["app:v1", "--dry-run", "--as", "other:v1"];
        let (plan, _) = said(&mut push(&engine, registry.address(), elsewhere));
        assert!(plan.contains("from app"), "what can be mounted is remembered: {plan}");
    }
}

#[test]
fn without_what_it_remembers_a_push_is_none_the_worse() {
    let what = "a push after the cache of digests was damaged";
    let Some(engine) = Engine::new(what) else { return };
    build_app(&engine);
    let registry = Registry::each(what).remove(0);
    said(&mut push(&engine, registry.address(), ["app:v1", "--compression", "zstd"]));
    let cache = super::folder(&engine).join(".cache/wharf");
    let files: Vec<_> = fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty(), "nothing was remembered in {}", cache.display());
    for file in files.iter().filter(|path| path.is_file()) {
        fs::write(file, "not what it was").unwrap();
    }
    let again =
        told_one(&mut push(&engine, registry.address(), ["app:v1", "--compression", "zstd"]));
    assert_eq!(again["digest"], digest(registry.address(), "app", "v1"));
}
