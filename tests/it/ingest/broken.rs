//! Ingests that do not come to their end: what is gone or damaged in the store, and clients that leave.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{ingest, knowing, last, make_tree, serve, wish};
use crate::engine::Engine;
use crate::harness::{PATIENCE, Server};
use crate::repository::Repository;

/// No session is left, nor a file of one, nor a tag: what failed left nothing behind. A session is closed
/// before its files are removed, and both may come after the client was told.
#[track_caller]
fn nothing_is_left(server: &Server, name: &str) {
    let deadline = Instant::now() + PATIENCE;
    let uploads = server.root().join(format!("docker/registry/v2/repositories/{name}/_uploads"));
    let left = || {
        let page = server.get("/metrics").expect(200);
        let text = String::from_utf8(page.body).unwrap();
        let line = text.lines().find(|line| line.starts_with("wharf_uploads ")).unwrap().to_owned();
        (line, fs::read_dir(&uploads).map_or(0, Iterator::count))
    };
    while left() != ("wharf_uploads 0".to_owned(), 0) {
        assert!(Instant::now() < deadline, "uploads are left: {:?}", left());
        std::thread::sleep(Duration::from_millis(5));
    }
    Repository::new(server, name).manifest("1").refused(404, "MANIFEST_UNKNOWN");
}

/// The file of a layer's own tree in the store: the first of that name.
fn stored_file(engine: &Engine, name: &str) -> PathBuf {
    let layers = fs::read_dir(engine.root().join("overlay")).unwrap();
    let mut found = layers.filter_map(|layer| {
        let path = layer.unwrap().path().join("diff").join(name);
        path.symlink_metadata().is_ok().then_some(path)
    });
    found.next().unwrap_or_else(|| panic!("no layer has {name}"))
}

/// Does something to a file of the store; there is another one outside.
type Damage = fn(file: &Path, outside: &Path);

#[test]
fn what_is_gone_or_damaged_moves_no_tag() {
    let Some(engine) = Engine::new("damaged layers") else { return };
    let outside = engine.file("outside", &"X".repeat(100_000));
    let damages: [(&str, Damage); 5] = [
        ("the file is gone", |file, _| fs::remove_file(file).unwrap()),
        ("the file is shorter", |file, _| fs::write(file, "1").unwrap()),
        ("the file has other bytes", |file, _| {
            fs::write(file, "2".repeat(100_000)).unwrap();
        }),
        ("the file is a link out of the store", |file, outside| {
            fs::remove_file(file).unwrap();
            symlink(outside, file).unwrap();
        }),
        ("its folder is a link out of the store", |file, outside| {
            fs::remove_dir_all(file.parent().unwrap()).unwrap();
            symlink(outside.parent().unwrap(), file.parent().unwrap()).unwrap();
        }),
    ];
    for (what, damage) in damages {
        engine.podman(&["rmi", "--all", "--force"]);
        let id = engine.build("scratch", "localhost/app:1", |root| {
            fs::create_dir(root.join("etc")).unwrap();
            fs::write(root.join("etc/outside"), "1".repeat(100_000)).unwrap();
        });
        let server = serve(&engine).start();
        damage(&stored_file(&engine, "etc/outside"), &outside);
        let events = ingest(&server, &id, "app", "1");
        let message = last(&events, "failed")["message"].as_str().unwrap();
        assert!(message.contains("sha256:"), "{what}: the layer is not named: {message}");
        assert!(!message.contains(server.root().to_str().unwrap()), "{what}: {message}");
        nothing_is_left(&server, "app");
        server.log_line(|line| line.contains("WARN") && line.contains("ingest failed"));
    }
}

#[test]
fn a_layer_that_cannot_be_remade_is_told_before_anything_moves() {
    let Some(engine) = Engine::new("layers without a tar-split file") else { return };
    let id = engine.build("scratch", "localhost/app:1", make_tree);
    let server = serve(&engine).start();
    for entry in fs::read_dir(engine.root().join("overlay-layers")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(".tar-split.gz") {
            fs::remove_file(path).unwrap();
        }
    }
    knowing(wish(&server, &id, "app", "1")).refused(404, "IMAGE_UNKNOWN");
    nothing_is_left(&server, "app");
}

#[test]
fn a_client_that_leaves_ends_it() {
    const BYTES: u64 = 512 << 20;
    let Some(engine) = Engine::new("clients of an ingest that leave") else { return };
    let id = engine.build("scratch", "localhost/app:1", |root| {
        fs::File::create(root.join("large")).unwrap().set_len(BYTES).unwrap();
    });
    let server = serve(&engine).start();
    let mut connection = server.connect();
    connection.write(&knowing(wish(&server, &id, "app", "1")).to_bytes()).unwrap();
    connection.wait_for_bytes();
    drop(connection);
    server.log_line(|line| line.contains("INFO") && line.contains("ingest called off"));
    nothing_is_left(&server, "app");
}
