//! Images as the programs make them: every layer comes out with its digest, every manifest and config
//! byte for byte.

use std::fs;

use wharf_oci::{Algorithm, Digest, ManifestKind};
use wharf_storage_reader::Location;

use crate::engine::Engine;
use crate::{check_layers, hashed, image, tree};

#[test]
fn layers_of_built_images_are_remade_with_overlay() {
    built("overlay");
}

#[test]
fn layers_of_built_images_are_remade_with_vfs() {
    built("vfs");
}

fn built(driver: &'static str) {
    let engine = Engine::new(driver);
    engine.build("scratch", "localhost/base:v1", tree::make);
    engine.build("localhost/base:v1", "localhost/app:v1", tree::change);
    engine.podman(&["rmi", "localhost/base:v1"]);
    let store = engine.store();

    let app = image(&store, "app:v1");
    assert_eq!(app.layers.len(), 2);
    check_layers(&store, &app);
    assert!(app.layers.iter().all(|layer| layer.compressed.is_none()));

    // What Skopeo reads is what we read.
    let name = "containers-storage:localhost/app:v1";
    assert_eq!(app.manifest.bytes(), &engine.skopeo(&["inspect", "--raw", name]));
    let config = engine.skopeo(&["inspect", "--raw", "--config", name]);
    assert_eq!(app.config.as_deref(), Some(config.as_slice()));
    assert_eq!(app.record.id, Digest::of(Algorithm::Sha256, &config));
    let names: Vec<_> = app.manifest.layers().iter().map(|layer| Some(layer.digest)).collect();
    let diff_ids: Vec<_> = app.layers.iter().map(|layer| layer.diff_id).collect();
    assert_eq!(diff_ids, names, "an image built here has uncompressed layers");

    // However small or odd the steps, the bytes are the same.
    for step in [1000, 512, 4097] {
        let layer = &app.layers[0];
        let whole = hashed(store.open_layer(layer).unwrap(), step).unwrap();
        assert_eq!((Some(whole.0), Some(whole.1)), (layer.diff_id, layer.size), "{step}");
    }
}

#[test]
fn podmans_build_and_its_layers() {
    let engine = Engine::new("overlay");
    let context = engine.scratch();
    fs::write(context.join("Containerfile"), "FROM scratch\nCOPY a /a\nCOPY b /b\nENV C=d\n")
        .unwrap();
    fs::write(context.join("a"), "first").unwrap();
    fs::write(context.join("b"), "second").unwrap();
    let context = context.display().to_string();
    let build = ["build", "--layers", "--network=none", "--quiet", "--tag=short:v1", &context];
    let id = engine.podman(&build);
    let store = engine.store();
    let built = image(&store, "short:v1");
    assert_eq!(built.record.id.hex(), id);
    assert_eq!(built.record.names, ["localhost/short:v1"]);
    check_layers(&store, &built);

    // An image without layers, and a name given later.
    fs::write(engine.scratch().join("Containerfile"), "FROM scratch\nLABEL a=b\n").unwrap();
    engine.podman(&["build", "--network=none", "--quiet", "--tag=empty:v1", &context]);
    let empty = image(&store, "empty:v1");
    assert_eq!(empty.layers.len(), empty.manifest.layers().len());
    assert!(store.find("later:v1").is_err());
    engine.podman(&["tag", "short:v1", "later:v1"]);
    assert_eq!(store.find("later:v1").unwrap().id, built.record.id);
}

#[test]
fn pulled_images_remember_their_compressed_layers() {
    let engine = Engine::new("overlay");
    engine.build("scratch", "localhost/base:v1", tree::make);
    engine.build("localhost/base:v1", "localhost/app:v1", tree::change);
    let layout = format!("oci:{}:v1", engine.scratch().join("layout").display());
    engine.skopeo(&["copy", "--dest-compress", "containers-storage:localhost/app:v1", &layout]);

    let other = Engine::new("overlay");
    other.skopeo(&["copy", &layout, "containers-storage:example.org/pulled:v1"]);
    let store = other.store();
    let pulled = image(&store, "example.org/pulled:v1");
    check_layers(&store, &pulled);
    let named = pulled.manifest.layers();
    assert_eq!(named.len(), 2);
    for (layer, named) in pulled.layers.iter().zip(named) {
        assert_eq!(layer.compressed, Some((named.digest, named.size)));
        assert_ne!(layer.diff_id, Some(named.digest));
    }
    let built = image(&engine.store(), "app:v1");
    assert_eq!(pulled.record.id, built.record.id);
    assert_ne!(pulled.manifest.bytes(), built.manifest.bytes());

    // In one store it is one image with two manifests, and each can be asked for.
    engine.skopeo(&["copy", &layout, "containers-storage:localhost/again:v1"]);
    let store = engine.store();
    let again = store.find("again:v1").unwrap();
    assert_eq!((again.id, again.digests.len()), (built.record.id, 2));
    for digest in again.digests {
        for record in [store.by_manifest(&digest), store.find(&format!("app@{digest}"))] {
            let image = store.image(&record.unwrap()).unwrap();
            assert_eq!(Digest::of(Algorithm::Sha256, image.manifest.bytes()), digest);
            check_layers(&store, &image);
        }
    }
}

#[test]
fn an_image_over_one_of_an_additional_store() {
    let shared = Engine::new("overlay");
    shared.build("scratch", "localhost/base:v1", tree::make);
    let engine = Engine::over("overlay", &[shared.root()]);
    engine.build("localhost/base:v1", "localhost/app:v1", tree::change);

    let store = engine.store();
    for name in ["app:v1", "base:v1"] {
        check_layers(&store, &image(&store, name));
    }
    // Without the additional store its layers are missed, and that is said.
    let alone = Location { additional: Vec::new(), ..engine.location() };
    let alone = wharf_storage_reader::Store::open(alone).unwrap();
    assert!(alone.find("base:v1").is_err());
    let record = alone.find("app:v1").unwrap();
    let error = alone.image(&record).unwrap_err().to_string();
    assert!(error.contains("is not in the store any more"), "{error}");
}

#[test]
fn a_list_of_images_and_the_images_in_it() {
    let engine = Engine::new("overlay");
    for name in ["one", "two"] {
        engine.build("scratch", &format!("localhost/{name}:v1"), |folder| {
            fs::write(folder.join(name), name).unwrap();
        });
    }
    engine.podman(&["manifest", "create", "localhost/list:v1"]);
    for name in ["one", "two"] {
        let image = format!("containers-storage:localhost/{name}:v1");
        engine.podman(&["manifest", "add", "localhost/list:v1", &image]);
    }
    let store = engine.store();
    let list = image(&store, "list:v1");
    assert_eq!(list.manifest.kind(), ManifestKind::Index);
    assert!(list.config.is_none() && list.layers.is_empty());
    let children = list.manifest.children();
    assert_eq!(children.len(), 2);
    for child in children {
        let record = store.by_manifest(&child.digest).unwrap();
        let image = store.image(&record).unwrap();
        assert_eq!(Digest::of(Algorithm::Sha256, image.manifest.bytes()), child.digest);
        check_layers(&store, &image);
        assert_eq!(store.by_id(&image.record.id).unwrap().names, image.record.names);
    }
}
