//! Stores that are damaged, unfinished or of another kind: each is told as what it is.

use std::fs;
use std::io::Read;

use serde_json::json;
use wharf_storage_reader::{Error, LayerError, Location, Store};

use crate::forged::{Forged, LAYER, layer};
use crate::image;

const FILES: &[(&str, &[u8])] = &[("file", b"content")];

/// How opening the image of a store ends.
fn failure(forged: &Forged) -> Error {
    let store = forged.store();
    let opened = store
        .find("localhost/forged:v1")
        .and_then(|record| store.image(&record))
        .and_then(|image| store.open_layer(&image.layers[0]));
    opened.unwrap_err()
}

#[test]
fn a_place_without_a_store() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_path_buf(), folder.path().join("none")] {
        let error = Store::open(Location::mounted(&path)).unwrap_err();
        assert!(matches!(error, Error::Absent { .. }), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()));
    }
    // A store in which nothing was ever put is empty, not absent.
    fs::create_dir(folder.path().join("overlay-images")).unwrap();
    let store = Store::open(Location::mounted(folder.path())).unwrap();
    assert!(store.images().unwrap().is_empty());
}

#[test]
fn lists_that_are_none() {
    for (name, text) in [
        ("overlay-images/images.json", "[{\"id\":"),
        ("overlay-images/images.json", "{}"),
        ("overlay-layers/layers.json", "[1]"),
    ] {
        let forged = Forged::new(FILES);
        fs::write(forged.root().join(name), text).unwrap();
        let error = failure(&forged);
        assert!(matches!(error, Error::Malformed { .. }), "{error}");
        assert!(error.to_string().contains(name));
    }
    let forged = Forged::new(FILES);
    let list = fs::File::create(forged.root().join("overlay-images/images.json")).unwrap();
    list.set_len(1 << 40).unwrap();
    let error = failure(&forged);
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

#[test]
fn layers_that_are_none() {
    let forged = Forged::new(FILES);
    forged.layers(&json!([]));
    assert!(matches!(failure(&forged), Error::LayerMissing { .. }));

    // In a circle.
    let other = "2".repeat(64);
    forged.layers(&json!([layer(LAYER, Some(&other), b""), layer(&other, Some(LAYER), b"")]));
    assert!(matches!(failure(&forged), Error::LayerEndless { .. }));

    // One too many.
    forged.layers(&json!([layer(LAYER, Some(&other), b""), layer(&other, None, b"")]));
    assert!(matches!(failure(&forged), Error::LayersDiffer { found: 2, named: 1, .. }));

    // One that is still being written.
    let mut unfinished = layer(LAYER, None, b"content");
    unfinished["flags"] = json!({"incomplete": true});
    forged.layers(&json!([unfinished]));
    assert!(matches!(failure(&forged), Error::LayerMissing { .. }));

    // One of which the list knows, and nobody else.
    forged.layers(&json!([layer(LAYER, None, b"content")]));
    fs::remove_dir_all(forged.diff()).unwrap();
    assert!(matches!(failure(&forged), Error::LayerMissing { .. }));
}

#[test]
fn layers_that_only_podman_reads() {
    let forged = Forged::new(FILES);
    fs::remove_file(forged.record_path()).unwrap();
    let error = failure(&forged);
    assert!(matches!(error, Error::NoTarSplit { .. }) && error.needs_podman(), "{error}");

    let forged = Forged::new(FILES);
    fs::create_dir(forged.diff().with_file_name("composefs-data")).unwrap();
    let error = failure(&forged);
    assert!(matches!(error, Error::Composefs { .. }) && error.needs_podman(), "{error}");
}

#[test]
fn images_that_are_not_whole() {
    let forged = Forged::new(FILES);
    let id = forged.store().find("forged:v1").unwrap().id;
    let folder = forged.image_folder(&id);
    // The manifest under its digest will do.
    fs::remove_file(folder.join("manifest")).unwrap();
    assert_eq!(image(&forged.store(), "forged:v1").record.id, id);
    fs::write(folder.join("manifest"), "not a manifest").unwrap();
    assert!(matches!(failure(&forged), Error::ManifestMalformed { .. }));

    let forged = Forged::new(FILES);
    let files = fs::read_dir(forged.image_folder(&id)).unwrap().map(|file| file.unwrap().path());
    let is_config =
        |path: &std::path::PathBuf| fs::read_to_string(path).unwrap().contains("rootfs");
    let config = files.into_iter().find(is_config).unwrap();
    fs::write(&config, "{}").unwrap();
    assert!(matches!(failure(&forged), Error::DigestMismatch { what: "config", .. }));
    fs::remove_file(config).unwrap();
    assert!(matches!(failure(&forged), Error::Incomplete { lack: "config", .. }));
    fs::remove_dir_all(folder_of(&forged)).unwrap();
    assert!(matches!(failure(&forged), Error::Incomplete { lack: "manifest", .. }));
}

fn folder_of(forged: &Forged) -> std::path::PathBuf {
    forged.image_folder(&forged.store().find("forged:v1").unwrap().id)
}

/// How reading the layer ends.
fn read(forged: &Forged) -> Result<Vec<u8>, LayerError> {
    let store = forged.store();
    let image = image(&store, "localhost/forged:v1");
    let mut bytes = Vec::new();
    let read = store.open_layer(&image.layers[0]).unwrap().read_to_end(&mut bytes);
    read.map(|_| bytes).map_err(|error| *error.into_inner().unwrap().downcast().unwrap())
}

#[test]
fn records_that_are_damaged() {
    let forged = Forged::new(FILES);
    assert_eq!(read(&forged).unwrap(), b"content");

    let whole = fs::read(forged.record_path()).unwrap();
    fs::write(forged.record_path(), &whole[..whole.len() - 9]).unwrap();
    assert!(matches!(read(&forged), Err(LayerError::Record { .. })));
    fs::write(forged.record_path(), "not gzip").unwrap();
    assert!(matches!(read(&forged), Err(LayerError::Record { .. })));

    // Shorter and longer than the store says.
    forged.record(&[]);
    assert!(matches!(read(&forged), Err(LayerError::Length { expected: 7, .. })));
    forged.record(&[FILES[0], FILES[0]]);
    assert!(matches!(read(&forged), Err(LayerError::Length { expected: 7, .. })));
    forged.record_of(&[json!({"type": 2, "payload": "AAAA"}), json!({"type": 7})]);
    assert!(matches!(read(&forged), Err(LayerError::Record { .. })));
}

#[test]
fn a_file_is_looked_for_in_the_layers_below() {
    let forged = Forged::new(FILES);
    let below = "2".repeat(64);
    let archive = FILES[0].1;
    // An image of two layers of which the upper one is a copy of the lower one.
    let template = forged.root().join("overlay").join(&below);
    fs::create_dir_all(&template).unwrap();
    fs::rename(forged.diff(), template.join("diff")).unwrap();
    fs::create_dir(forged.diff()).unwrap();
    assert!(matches!(read(&forged), Err(LayerError::Vanished { .. })));
    forged.layers(&json!([layer(LAYER, Some(&below), archive), layer(&below, None, archive)]));
    forged.image_of(archive, 2);
    let store = forged.store();
    let image = image(&store, "localhost/forged:v1");
    let mut bytes = Vec::new();
    store.open_layer(&image.layers[1]).unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, archive);
}
