//! Who may not ask for an ingest, and what nobody may ask for.

use std::fs;

use super::{PATH, SECRET, ingest, knowing, last, make_tree, serve, wish};
use crate::engine::Engine;
use crate::harness::{Server, Setup};
use crate::repository::Repository;
use serde_json::{Value, json};

/// Nothing was ever put there.
#[track_caller]
fn nothing_is_there(server: &Server, name: &str) {
    server.get(Repository::new(server, name).tags_path()).refused(404, "NAME_UNKNOWN");
}

#[test]
fn only_who_knows_the_secret_may_ask() {
    let Some(engine) = Engine::new("the secret of ingest") else { return };
    let id = engine.build("scratch", "localhost/app:1", make_tree);
    let server = serve(&engine).start();
    let asked = || wish(&server, &id, "app", "1");
    let bearer = |secret: &str| asked().header("Authorization", format!("Bearer {secret}"));
    for request in [
        asked(),
        bearer(""),
        bearer("0123456789abcdef"),
        bearer(&SECRET[..SECRET.len() - 1]),
        bearer(&format!("{SECRET}x")),
        bearer(&SECRET.to_uppercase()),
        bearer(SECRET).header("Authorization", format!("Bearer {SECRET}")),
        asked().header("Authorization", format!("Basic {SECRET}")),
        asked().header("Authorization", SECRET),
        server.post(format!("{PATH}?secret={SECRET}")).body("{}"),
    ] {
        let response = request.clone().expect(401);
        assert_eq!(response.error_code(), "UNAUTHORIZED", "{request:?}");
        assert_eq!(response.the("WWW-Authenticate"), "Bearer");
    }
    // A page knows no secret; one that does is still a page.
    for origin in ["http://evil.example", "http://localhost:5000", "null", ""] {
        knowing(asked()).header("Origin", origin).refused(403, "DENIED");
    }
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        let response = knowing(server.request(method, PATH)).send();
        assert!(matches!(response.status, 404 | 405), "{method}: {response}");
    }
    nothing_is_there(&server, "app");
    last(&ingest(&server, &id, "app", "1"), "done");
}

#[test]
fn a_request_is_understood_or_refused() {
    let Some(engine) = Engine::new("requests for an ingest") else { return };
    let id = engine.build("scratch", "localhost/app:1", make_tree);
    let server = serve(&engine).start();
    let refused = |body: Value| {
        let response = knowing(server.post(PATH).body(body.to_string())).send();
        (response.status, response.error_code())
    };
    for body in [
        json!({ "version": 2, "image": id, "name": "app", "tag": "1" }),
        json!({ "version": 2, "what": "of another time" }),
        json!({ "image": id, "name": "app" }),
        json!({ "version": 1, "image": "localhost/app:1", "name": "app" }),
        json!({ "version": 1, "image": "../../etc/shadow", "name": "app" }),
        json!({ "version": 1, "image": &id[7..], "name": "app" }),
        json!({ "version": 1, "image": id, "name": "../app" }),
        json!({ "version": 1, "image": id, "name": "app", "tag": "a/b" }),
        json!([]),
        json!("x"),
    ] {
        assert_eq!(refused(body.clone()), (400, "UNSUPPORTED".to_owned()), "{body}");
    }
    let long = json!({ "version": 1, "image": id, "name": "app", "more": "x".repeat(5000) });
    assert_eq!(refused(long), (413, "SIZE_INVALID".to_owned()));

    // What the store does not hold, or cannot give, is told so that the client pushes it.
    let absent = format!("sha256:{}", "0".repeat(64));
    engine.podman(&[
        "manifest",
        "create",
        "localhost/list:1",
        "containers-storage:localhost/app:1",
    ]);
    let list = engine.podman(&["images", "--no-trunc", "--quiet", "localhost/list"]);
    for image in [&absent, &list] {
        let body = json!({ "version": 1, "image": image, "name": "app", "tag": "1" });
        assert_eq!(refused(body), (404, "IMAGE_UNKNOWN".to_owned()), "{image}");
    }
    nothing_is_there(&server, "app");
}

#[test]
fn there_is_no_ingest_unless_it_is_asked_for() {
    let server = Server::start();
    let image = format!("sha256:{}", "0".repeat(64));
    let response = knowing(wish(&server, &image, "app", "1")).send();
    assert_eq!(response.status, 404);
    assert_ne!(response.error_code(), "IMAGE_UNKNOWN");
}

#[test]
fn a_read_only_registry_takes_nothing_in() {
    let Some(engine) = Engine::new("ingest into a read-only registry") else { return };
    let id = engine.build("scratch", "localhost/app:1", make_tree);
    let server = serve(&engine).arguments(["--read-only"]).start();
    knowing(wish(&server, &id, "app", "1")).refused(405, "UNSUPPORTED");
}

#[test]
fn half_of_the_settings_end_the_start() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (name, text) in [("secret", SECRET), ("short", "0123456789"), ("two", "0123456789 abcdef")]
    {
        fs::write(folder.path().join(name), text).unwrap();
    }
    for (storage, secret, told) in [
        (Some("/storage"), None, "ingest-secret"),
        (None, Some(path("secret")), "containers-storage"),
        (Some("/storage"), Some(path("short")), "16 characters"),
        (Some("/storage"), Some(path("two")), "one word"),
        (Some("/storage"), Some(path("absent")), "No such file"),
    ] {
        let mut setup = Setup::new();
        if let Some(storage) = storage {
            setup = setup.variable("WHARF_SERVE_CONTAINERS_STORAGE", storage);
        }
        if let Some(secret) = &secret {
            setup = setup.variable("WHARF_SERVE_INGEST_SECRET", secret);
        }
        let (code, log) = setup.refused(folder.path());
        assert_eq!(code, 2, "{log}");
        assert!(log.contains(told) && log.contains("hint: "), "{told} is not told: {log}");
        assert!(!log.contains("0123456789"), "a secret is not for the log: {log}");
    }
    // A file that others can read is told, and no more.
    let setup = Setup::new().arguments(["--containers-storage", "/storage"]);
    let server = setup.arguments(["--ingest-secret", &path("secret")]).start();
    let line = server.log_line(|line| line.contains("WARN") && line.contains("others can read"));
    assert!(line.contains(&path("secret")) && !line.contains(SECRET), "{line}");
}
