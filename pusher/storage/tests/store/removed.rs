//! Images that go while they are read.

use std::io::{ErrorKind, Read};

use wharf_storage_reader::{Error, LayerError};

use crate::engine::Engine;
use crate::{hashed, image, tree};

#[test]
fn a_layer_that_goes_while_it_is_read_is_named() {
    let engine = Engine::new("overlay");
    engine.build("scratch", "localhost/app:v1", tree::make);
    let store = engine.store();
    let app = image(&store, "app:v1");
    let mut reader = store.open_layer(&app.layers[0]).unwrap();
    let mut begin = [0; 1024];
    reader.read_exact(&mut begin).unwrap();

    engine.podman(&["rmi", "localhost/app:v1"]);
    let error = hashed(&mut reader, 4096).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let said = error.to_string();
    let inner = error.into_inner().unwrap().downcast::<LayerError>().unwrap();
    let LayerError::Vanished { layer, file } = *inner else { panic!("{said}") };
    assert!(said.contains(&layer) && said.contains(&file) && said.contains("pull it again"));
    // Whoever reads on does not take it for the end.
    assert_eq!(reader.read(&mut begin).unwrap_err().to_string(), said);

    // The store has noticed, and so does everyone who still has the old record.
    assert!(matches!(store.find("app:v1"), Err(Error::ImageUnknown { .. })));
    assert!(matches!(store.image(&app.record), Err(Error::Incomplete { .. })));
    let gone = store.open_layer(&app.layers[0]).unwrap_err();
    assert!(matches!(gone, Error::LayerMissing { .. }), "{gone}");
}
