//! Layers that try to make the reader leave their folder. Each test has its counterpart that works, so
//! that a reader that refuses everything does not pass.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use wharf_storage_reader::LayerError;

use crate::forged::Forged;
use crate::image;

const SECRET: &[u8] = b"a secret of the host";

/// Everything that the forged layer gives, and how it ends.
fn read(forged: &Forged) -> (Vec<u8>, Option<LayerError>) {
    let store = forged.store();
    let image = image(&store, "localhost/forged:v1");
    let mut bytes = Vec::new();
    let mut reader = store.open_layer(&image.layers[0]).unwrap();
    let error = reader.read_to_end(&mut bytes).err();
    let inner = error.map(|error| *error.into_inner().unwrap().downcast().unwrap());
    (bytes, inner)
}

/// A layer that should have one file with the secret in it, called `name`.
fn forged(name: &str) -> Forged {
    let forged = Forged::new(&[("file", SECRET)]);
    fs::remove_file(forged.diff().join("file")).unwrap();
    fs::write(forged.outside().join("secret"), SECRET).unwrap();
    forged.record(&[(name, SECRET)]);
    forged
}

#[test]
fn a_plain_layer_is_read() {
    let forged = Forged::new(&[("file", SECRET), ("folder/other", b"more")]);
    let (bytes, error) = read(&forged);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(bytes, [SECRET, b"more"].concat());
}

#[test]
fn names_do_not_lead_out() {
    let outside = Forged::new(&[]).outside();
    let absolute = outside.join("secret").display().to_string();
    for name in ["../../../../outside/secret", "a/../../../../../outside/secret", "..", "", "/"] {
        let forged = forged(name);
        fs::create_dir(forged.diff().join("a")).unwrap();
        let (bytes, error) = read(&forged);
        assert!(bytes.is_empty(), "{name}");
        assert!(matches!(error, Some(LayerError::Outside { .. })), "{name}: {error:?}");
    }
    // An absolute name is one inside of the layer, as when it was unpacked.
    let forged = forged(&absolute);
    let (bytes, error) = read(&forged);
    assert!(bytes.is_empty());
    assert!(matches!(error, Some(LayerError::Vanished { .. })), "{error:?}");
    let inside = forged.diff().join(absolute.trim_start_matches('/'));
    fs::create_dir_all(inside.parent().unwrap()).unwrap();
    fs::write(inside, SECRET).unwrap();
    let (bytes, error) = read(&forged);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(bytes, SECRET);
}

#[test]
fn links_do_not_lead_out() {
    for name in ["link", "up/secret", "absolute/secret", "deep/up/secret"] {
        let forged = forged(name);
        let (diff, outside) = (forged.diff(), forged.outside());
        symlink(outside.join("secret"), diff.join("link")).unwrap();
        symlink("../../../../outside", diff.join("up")).unwrap();
        symlink(&outside, diff.join("absolute")).unwrap();
        fs::create_dir(diff.join("deep")).unwrap();
        symlink("../../../../../outside", diff.join("deep/up")).unwrap();
        assert_eq!(fs::read(diff.join(name)).unwrap(), SECRET, "{name}: the trap is set");
        let (bytes, error) = read(&forged);
        assert!(bytes.is_empty() && error.is_some(), "{name}: {error:?}");
    }
    // A link that stays inside is followed, as when the layer was unpacked.
    let forged = forged("sbin/tool");
    fs::create_dir_all(forged.diff().join("usr/bin")).unwrap();
    symlink("/usr/bin", forged.diff().join("sbin")).unwrap();
    fs::write(forged.diff().join("usr/bin/tool"), SECRET).unwrap();
    assert_eq!(read(&forged).0, SECRET);
}

#[test]
fn the_layers_own_folder_is_no_link() {
    let forged = forged("secret");
    fs::remove_dir(forged.diff()).unwrap();
    symlink(forged.outside(), forged.diff()).unwrap();
    let store = forged.store();
    let image = image(&store, "localhost/forged:v1");
    let opened = store.open_layer(&image.layers[0]);
    let read = opened.ok().map(|mut reader| reader.read_to_end(&mut Vec::new()).is_ok());
    assert_ne!(read, Some(true));
}

#[test]
fn only_regular_files_are_opened() {
    let mode = Mode::from_raw_mode(0o644);
    for (name, kind, device) in [
        ("pipe", FileType::Fifo, 0),
        ("endless device", FileType::CharacterDevice, makedev(1, 5)),
        ("socket", FileType::Socket, 0),
    ] {
        let forged = forged("file");
        mknodat(CWD, forged.diff().join("file"), kind, mode, device).unwrap();
        let (bytes, error) = read(&forged);
        assert!(bytes.is_empty(), "{name}");
        assert!(matches!(error, Some(LayerError::Changed { .. })), "{name}: {error:?}");
    }
}

#[test]
fn a_file_of_another_size_is_named() {
    for content in [&SECRET[..5], &[SECRET, b"more"].concat()] {
        let forged = forged("file");
        fs::write(forged.diff().join("file"), content).unwrap();
        let (_, error) = read(&forged);
        let Some(LayerError::Changed { file, .. }) = error else { panic!("{error:?}") };
        assert_eq!(file, "`file`");
    }
}
