//! The two roads: the registry takes the image out of the store itself where it can and may, and the
//! layers are streamed everywhere else.

use super::{build_app, digest, failed, layers, push, said, told_one};
use crate::engine::Engine;
use crate::harness::{Server, Setup};

const SECRET: &str = "0123456789abcdef-of-the-command\n";

/// A server that sees the store of `engine`, and the file of its secret.
fn seeing(engine: &Engine) -> (Server, String) {
    let secret = engine.file("secret", SECRET).to_str().unwrap().to_owned();
    let root = engine.root().to_str().unwrap().to_owned();
    let setup = Setup::new();
    let setup = setup.arguments(["--containers-storage", &root, "--ingest-secret", &secret]);
    (setup.start(), secret)
}

#[test]
fn both_roads_bring_the_same_image() {
    let Some(engine) = Engine::new("one image by both roads") else { return };
    build_app(&engine);
    let (server, secret) = seeing(&engine);
    let address = server.address();
    let known = ["app:v1", "--ingest-secret", &secret];
    let taken = told_one(&mut push(&engine, address, known));
    assert_eq!(taken["road"], "ingest", "{taken}");
    assert!(taken["sent_bytes"].as_u64().unwrap() > 340_000, "{taken}");
    let streamed = Server::start();
    let sent = told_one(&mut push(&engine, streamed.address(), ["app:v1"]));
    assert_eq!(sent["road"], "stream");
    assert_eq!(digest(address, "app", "v1"), digest(streamed.address(), "app", "v1"));
    assert_eq!(taken["digest"], sent["digest"]);
    assert_eq!(layers(address, "app", "v1"), layers(streamed.address(), "app", "v1"));

    let again = told_one(&mut push(&engine, address, known));
    assert_eq!((&again["road"], &again["sent_bytes"]), (&"ingest".into(), &0.into()), "{again}");
    let (_, words) = said(push(&engine, address, ["base:1"]).args(&known[1..]));
    assert!(words.contains("mounted 302 kB"), "the layer is that of the image above it: {words}");
}

#[test]
fn the_road_follows_from_what_there_is() {
    let Some(engine) = Engine::new("the choice between the roads") else { return };
    build_app(&engine);
    let (server, secret) = seeing(&engine);
    let blind = Server::start();
    let other = engine.file("other", "fedcba9876543210-not-its-own\n");
    let other = other.to_str().unwrap();
    for (server, words, road, reason) in [
        (&server, &["--via", "ingest", "--ingest-secret", &secret][..], "ingest", "taken in"),
        (&server, &["--via", "stream", "--ingest-secret", &secret], "stream", "--via stream"),
        (&server, &[], "stream", "no secret"),
        (&server, &["--ingest-secret", other], "stream", "does not accept the secret"),
        (&blind, &["--ingest-secret", &secret], "stream", "offers no ingest"),
        (&server, &["--ingest-secret", &secret, "--compression", "zstd"], "stream", "compressed"),
    ] {
        let mut command = push(&engine, server.address(), ["app:v1", "--verbose", "--json"]);
        let (stdout, explained) = said(command.args(words));
        assert!(stdout.contains(&format!("\"road\":\"{road}\"")), "{words:?}: {stdout}");
        assert!(explained.contains(reason), "{words:?}: {explained}");
    }
    let (code, words) = failed(&mut push(&engine, server.address(), ["app:v1", "--via", "ingest"]));
    assert!(code == 2 && words.contains("no secret"), "{words}");
    let forced = ["app:v1", "--via", "ingest", "--ingest-secret", other];
    let (code, words) = failed(&mut push(&engine, server.address(), forced));
    assert!(code == 1 && words.contains("without --via"), "{words}");
    let absent = ["app:v1", "--ingest-secret", "/absent"];
    assert_eq!(failed(&mut push(&engine, server.address(), absent)).0, 2);
}

#[test]
fn the_setups_secret_is_found_without_a_flag() {
    let Some(engine) = Engine::new("the secret in its place") else { return };
    build_app(&engine);
    let (server, _) = seeing(&engine);
    let config = super::folder(&engine).join(".config/wharf");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("ingest-secret"), SECRET).unwrap();
    let image = told_one(&mut push(&engine, server.address(), ["app:v1"]));
    assert_eq!(image["road"], "ingest");
}
