//! The store is found where Podman itself says that it is.

use std::fs;
use std::io::Read;

use wharf_storage_reader::{Driver, Location, Lookup, Store};

use crate::engine::Engine;
use crate::forged::Forged;
use crate::image;

#[test]
fn podman_and_we_find_the_same_store() {
    for (name, driver) in [("overlay", Driver::Overlay), ("vfs", Driver::Vfs)] {
        let engine = Engine::new(name);
        let place = "{{.Store.GraphRoot}} {{.Store.GraphDriverName}}";
        let said = engine.podman(&["info", "--format", place]);
        let location = engine.location();
        assert_eq!(said, format!("{} {name}", location.graph_root.display()));
        assert_eq!(location.driver, driver);
        // The root alone tells the driver.
        let by_root = Lookup { root: Some(engine.root()), ..Lookup::default() };
        assert_eq!(Location::find(&by_root).unwrap(), location);
        assert!(engine.store().images().unwrap().is_empty());
    }
}

#[test]
fn images_may_be_kept_apart_from_their_layers() {
    // An `imagestore` has the images, and their layers too, or only those that came after it was set.
    for moved in [&["overlay-images"][..], &["overlay-images", "overlay-layers", "overlay"]] {
        let forged = Forged::new(&[("file", b"content")]);
        let images = forged.outside();
        for folder in moved {
            fs::rename(forged.root().join(folder), images.join(folder)).unwrap();
        }
        let location = Location { image_store: Some(images), ..Location::mounted(&forged.root()) };
        let store = Store::open(location).unwrap();
        let image = image(&store, "forged:v1");
        let mut bytes = Vec::new();
        store.open_layer(&image.layers[0]).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"content");
    }
}
