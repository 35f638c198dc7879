//! The store is found where Podman itself says that it is.

use wharf_storage_reader::{Driver, Location, Lookup};

use crate::engine::Engine;

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
