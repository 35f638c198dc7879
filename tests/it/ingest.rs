//! Ingest: images taken out of a real store without a push. What arrives is what a push would have
//! brought; who may not ask gets nothing (`refused`); what goes wrong on the way moves no tag
//! (`broken`).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::content::sha256;
use crate::engine::Engine;
use crate::harness::{Server, Setup, program};
use crate::repository::Repository;
use crate::wire::{Request, Response};
use serde_json::{Value, json};

mod broken;
mod refused;

const SECRET: &str = "0123456789abcdef-of-the-test";
const PATH: &str = "/wharf/ingest";

/// A server that sees the store of `engine`.
fn serve(engine: &Engine) -> Setup {
    let secret = engine.file("secret", &format!("{SECRET}\n"));
    let (root, secret) = (engine.root(), secret);
    Setup::new().arguments([
        "--containers-storage",
        root.to_str().unwrap(),
        "--ingest-secret",
        secret.to_str().unwrap(),
    ])
}

/// The request for an image, less the secret.
fn wish(server: &Server, image: &str, name: &str, tag: &str) -> Request {
    let wish = json!({ "version": 1, "image": image, "name": name, "tag": tag });
    server.post(PATH).body(wish.to_string())
}

fn knowing(request: Request) -> Request {
    request.header("Authorization", format!("Bearer {SECRET}"))
}

/// What the registry tells while it takes an image in.
fn events(response: &Response) -> Vec<Value> {
    let text = String::from_utf8(response.body.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Has an image taken in; gives the events.
#[track_caller]
fn ingest(server: &Server, image: &str, name: &str, tag: &str) -> Vec<Value> {
    let response = knowing(wish(server, image, name, tag)).expect(200);
    assert_eq!(response.the("Content-Type"), "application/x-ndjson");
    events(&response)
}

/// The last event, which must be of this kind.
#[track_caller]
fn last<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    let last = events.last().unwrap();
    assert_eq!(last["event"], kind, "{events:?}");
    last
}

/// Where the image's blobs were when the ingest began.
fn places(events: &[Value]) -> Vec<&str> {
    let blobs = events.iter().filter(|event| event["event"] == "blob");
    blobs.map(|event| event["place"].as_str().unwrap()).collect()
}

/// A tree with what makes archives hard: links of both kinds, long names, empty and sparse files,
/// owners, modes, extended attributes.
fn make_tree(root: &Path) {
    let etc = root.join("etc");
    fs::create_dir(&etc).unwrap();
    fs::write(etc.join("empty"), "").unwrap();
    fs::write(etc.join("to-be-removed"), "gone in the next layer").unwrap();
    fs::write(etc.join("one"), "1".repeat(100_000)).unwrap();
    fs::hard_link(etc.join("one"), etc.join("two")).unwrap();
    symlink("/nowhere/at/all", etc.join("link")).unwrap();
    let deep = root.join("a".repeat(120)).join("b".repeat(120));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("ü".repeat(60)), "long").unwrap();
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.set_len(3_000_000).unwrap();
    std::os::unix::fs::chown(etc.join("empty"), Some(1000), Some(2000)).unwrap();
    rustix::fs::setxattr(etc.join("one"), "user.wharf", b"kept", rustix::fs::XattrFlags::empty())
        .unwrap();
}

fn change_tree(root: &Path) {
    fs::remove_file(root.join("etc/to-be-removed")).unwrap();
    fs::remove_dir_all(root.join("a".repeat(120))).unwrap();
    fs::write(root.join("etc/added"), "by the second layer").unwrap();
}

/// Builds an image of two such layers; gives its id.
fn two_layers(engine: &Engine) -> String {
    engine.build("scratch", "localhost/base:1", make_tree);
    engine.build("localhost/base:1", "localhost/app:1", change_tree)
}

/// Has Skopeo push the image as it is; gives the manifest's digest.
fn skopeo_push(engine: &Engine, server: &Server, image: &str, target: &str) -> String {
    let target = format!("docker://{}/{target}", server.address());
    let flags = ["copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false"];
    engine.skopeo(&[&flags[..], &[&engine.transport(image), &target]].concat());
    engine.skopeo(&["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &target])
}

#[test]
fn what_is_taken_in_is_what_skopeo_would_push() {
    let Some(engine) = Engine::new("taking in a built image") else { return };
    let id = two_layers(&engine);
    let server = serve(&engine).start();
    let events = ingest(&server, &id, "app", "1");
    let done = last(&events, "done");
    assert_eq!((&done["original"], &done["unchanged"]), (&json!(true), &json!(false)));
    assert_eq!(events[0], json!({ "event": "begun", "version": 1 }));
    assert_eq!(places(&events), ["store", "store", "store"]);

    let other = Server::start();
    let pushed = skopeo_push(&engine, &other, "localhost/app:1", "app:1");
    assert_eq!(done["digest"], pushed.as_str());
    let (here, there) = (Repository::new(&server, "app"), Repository::new(&other, "app"));
    let manifest = here.manifest("1").expect(200);
    let expected = there.manifest("1").expect(200);
    assert_eq!(manifest.body, expected.body);
    assert_eq!(manifest.the("Content-Type"), expected.the("Content-Type"));
    let manifest = manifest.json();
    assert_eq!(manifest["config"]["digest"], id.as_str());
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 2);
    for blob in layers.iter().chain([&manifest["config"]]) {
        let digest = blob["digest"].as_str().unwrap();
        let bytes = here.blob(digest).expect(200).body;
        assert_eq!(sha256(&bytes), digest);
        assert_eq!(bytes, there.blob(digest).expect(200).body);
        assert!(events.contains(&json!({ "event": "stored", "digest": digest })), "{events:?}");
    }

    let bytes = layers.iter().chain([&manifest["config"]]).map(|blob| blob["size"].as_u64());
    let bytes = bytes.map(Option::unwrap).sum::<u64>() + expected.body.len() as u64;
    let metrics = String::from_utf8(server.get("/metrics").expect(200).body).unwrap();
    for line in [
        format!("wharf_ingested_bytes_total {bytes}"),
        "wharf_blobs_committed_total 3".to_owned(),
        r#"wharf_requests_total{endpoint="ingest",method="POST",status="2xx"} 1"#.to_owned(),
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is missing in:\n{metrics}");
    }
    let line = server.log_line(|line| line.contains("ingested"));
    for part in ["repository=app", "reference=1", "taken=3", &format!("bytes={bytes}"), &pushed] {
        assert!(line.contains(part), "{part} is missing in {line}");
    }
    assert!(!server.log().contains(SECRET), "a secret is not for the log");
}

#[test]
fn what_is_there_is_not_taken_again() {
    let Some(engine) = Engine::new("taking in what is there") else { return };
    let id = two_layers(&engine);
    let server = serve(&engine).start();
    let first = ingest(&server, &id, "app", "1");
    let digest = &last(&first, "done")["digest"];

    let again = ingest(&server, &id, "app", "1");
    assert_eq!(places(&again), ["repository"; 3]);
    let unchanged =
        json!({ "event": "done", "digest": digest, "original": true, "unchanged": true });
    assert_eq!(*last(&again, "done"), unchanged);

    let tagged = ingest(&server, &id, "app", "2");
    assert_eq!(last(&tagged, "done")["unchanged"], false);
    let linked = ingest(&server, &id, "another/name", "1");
    assert_eq!(places(&linked), ["registry"; 3]);
    assert_eq!(last(&linked, "done")["digest"], *digest);

    // A layer that a push brought is as good; only what is new is taken.
    let app = engine.build("localhost/app:1", "localhost/app:2", |root| {
        fs::write(root.join("new"), "new").unwrap();
    });
    let third = ingest(&server, &app, "app", "3");
    let mut found = places(&third);
    found.sort_unstable();
    assert_eq!(found, ["repository", "repository", "store", "store"]);

    // Without a tag, the manifest has its digest alone.
    let wish = json!({ "version": 1, "image": app, "name": "untagged" });
    let response = knowing(server.post(PATH).body(wish.to_string())).expect(200);
    let events = events(&response);
    let digest = last(&events, "done")["digest"].as_str().unwrap();
    let untagged = Repository::new(&server, "untagged");
    untagged.manifest(digest).expect(200);
    assert!(untagged.tags().is_empty());
}

#[test]
fn a_pulled_image_has_its_layers_uncompressed() {
    let Some(engine) = Engine::new("taking in a pulled image") else { return };
    let id = two_layers(&engine);
    let server = serve(&engine).start();
    let target = format!("docker://{}/compressed:1", server.address());
    let source = engine.transport("localhost/app:1");
    engine.skopeo(&["copy", "--quiet", "--dest-tls-verify=false", &source, &target]);
    let local = last(&ingest(&server, &id, "built", "1"), "done").clone();
    engine.podman(&["rmi", "--all", "--force"]);
    let store = engine.transport("localhost/pulled:1");
    engine.skopeo(&["copy", "--quiet", "--src-tls-verify=false", &target, &store]);

    let other = serve(&engine).start();
    let events = ingest(&other, &id, "pulled", "1");
    let done = last(&events, "done");
    assert_eq!(done["original"], false);
    let pulled = Repository::new(&other, "pulled").manifest("1").expect(200).json();
    let built = Repository::new(&server, "built").manifest("1").expect(200).json();
    assert_eq!(pulled["config"]["digest"], id.as_str());
    let digests = |manifest: &Value| {
        let layers = manifest["layers"].as_array().unwrap();
        layers.iter().map(|layer| layer["digest"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(digests(&pulled), digests(&built));
    assert_ne!(done["digest"], local["digest"], "Skopeo's manifest was of another form");
}

/// Pushes by `wharf push`, by one road and no other.
fn push(engine: &Engine, server: &Server, image: &str, road: &str, target: &str) {
    let mut push = Command::new(program());
    push.args(["push", "--quiet", "--via", road, "--as", target, image]);
    push.arg("--registry").arg(server.address().to_string());
    push.arg("--storage-root").arg(engine.root());
    push.arg("--ingest-secret").arg(engine.file("secret", SECRET));
    push.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", server.root());
    let output = push.output().unwrap();
    assert!(output.status.success(), "{push:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn both_roads_end_at_the_same_digest() {
    let Some(engine) = Engine::new("both roads of wharf push") else { return };
    two_layers(&engine);
    let server = serve(&engine).start();
    // A pulled image is one whose manifest has to be rewritten.
    let target = format!("docker://{}/compressed:1", server.address());
    let source = engine.transport("localhost/app:1");
    engine.skopeo(&["copy", "--quiet", "--dest-tls-verify=false", &source, &target]);
    let pulled = Engine::new("both roads of wharf push").unwrap();
    let store = pulled.transport("localhost/app:1");
    pulled.skopeo(&["copy", "--quiet", "--src-tls-verify=false", &target, &store]);

    for engine in [&engine, &pulled] {
        // Each road has a registry of its own, with nothing in it.
        let digests = ["ingest", "stream"].map(|road| {
            let server = serve(engine).start();
            push(engine, &server, "localhost/app:1", road, "app:1");
            let (told, other) = match road {
                "ingest" => ("ingested", "pushed"),
                _ => ("pushed", "ingested"),
            };
            let line = server.log_line(|line| line.contains("ingested") || line.contains("pushed"));
            assert!(line.contains(told) && !line.contains(other), "{road}: {line}");
            let manifest = Repository::new(&server, "app").manifest("1").expect(200);
            (manifest.the("Docker-Content-Digest").to_owned(), manifest.body)
        });
        assert_eq!(digests[0], digests[1]);
    }
}

#[test]
fn images_that_come_after_the_start_are_found() {
    let Some(engine) = Engine::new("a store that is made later") else { return };
    let server = serve(&engine).start();
    server.log_line(|line| line.contains("WARN") && line.contains("no image can be taken in yet"));
    let image = format!("sha256:{}", "0".repeat(64));
    knowing(wish(&server, &image, "app", "1")).refused(404, "IMAGE_UNKNOWN");
    let first = engine.build("scratch", "localhost/app:1", make_tree);
    last(&ingest(&server, &first, "app", "1"), "done");
    let second = engine.build("localhost/app:1", "localhost/app:2", change_tree);
    last(&ingest(&server, &second, "app", "2"), "done");
    engine.podman(&["rmi", "localhost/app:2"]);
    knowing(wish(&server, &second, "other", "1")).refused(404, "IMAGE_UNKNOWN");
}

#[test]
fn several_images_at_once() {
    let Some(engine) = Engine::new("several ingests at once") else { return };
    let base = engine.build("scratch", "localhost/app:0", make_tree);
    let build = |number: usize| {
        engine.build("localhost/app:0", &format!("localhost/app:{number}"), |root| {
            fs::write(root.join("number"), number.to_string()).unwrap();
        })
    };
    let mut images: Vec<_> = (1..6).map(build).collect();
    images.push(base);
    let server = serve(&engine).start();
    std::thread::scope(|scope| {
        for (number, image) in images.iter().enumerate() {
            let server = &server;
            scope.spawn(move || {
                let events = ingest(server, image, "app", &format!("v{number}"));
                last(&events, "done");
            });
        }
    });
    let repository = Repository::new(&server, "app");
    assert_eq!(repository.tags(), ["v0", "v1", "v2", "v3", "v4", "v5"]);
    for (number, image) in images.iter().enumerate() {
        let manifest = repository.manifest(&format!("v{number}")).expect(200).json();
        assert_eq!(manifest["config"]["digest"], image.as_str());
    }
}

#[test]
fn the_store_is_only_read() {
    let Some(engine) = Engine::new("what an ingest changes in the store") else { return };
    let id = two_layers(&engine);
    let server = serve(&engine).start();
    let state = || {
        let mut find = Command::new("find");
        let output = find.arg(engine.root()).args(["-printf", "%p %s %T@ %C@\n"]).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let before = state();
    last(&ingest(&server, &id, "app", "1"), "done");
    assert_eq!(state(), before);
}
