//! Images in folders: which one is meant, what of an index is there, and folders that are damaged.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;
use wharf_oci::media_type;
use wharf_pusher::source::layout::LayoutSource;
use wharf_pusher::source::{ImageSource, SourceError};

use crate::contract;
use crate::made::{Made, Packing, Stored, descriptor, sha256};
use crate::written::{index, layout, list};

fn open(folder: &Path, reference: Option<&str>) -> Result<LayoutSource, SourceError> {
    LayoutSource::open(folder, reference)
}

/// A folder with one image, and that image.
fn one_image() -> (tempfile::TempDir, Made, Stored) {
    let folder = tempfile::tempdir().unwrap();
    let made = Made::new(1);
    let stored = made.stored(Packing::Plain);
    layout(folder.path(), &[&stored], &index(&[(&stored, "v1")]));
    (folder, made, stored)
}

fn blob(folder: &Path, bytes: &[u8]) -> std::path::PathBuf {
    folder.join("blobs/sha256").join(sha256(bytes).hex())
}

#[test]
fn a_layout_in_any_packing_gives_its_image_as_it_lies() {
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let folder = tempfile::tempdir().unwrap();
        let made = Made::new(1);
        let stored = made.stored(packing);
        layout(folder.path(), &[&stored], &index(&[(&stored, "v1")]));
        let source = open(folder.path(), None).unwrap();
        assert_eq!(contract::check(&source), made.facts());
        assert_eq!(source.image().manifest.bytes(), &stored.manifest);
        assert!(source.image().pulled.is_none());
    }
}

#[test]
fn of_several_images_one_must_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (Made::new(1), Made::new(2));
    let (stored_a, stored_b) = (a.stored(Packing::Plain), b.stored(Packing::Plain));
    let mut entry = stored_b.descriptor();
    entry["annotations"] = json!({
        "org.opencontainers.image.ref.name": "v2",
        "io.containerd.image.name": "docker.io/library/app:v2",
    });
    let mut named = stored_a.descriptor();
    named["annotations"] = json!({ "org.opencontainers.image.ref.name": "localhost/app:v1" });
    layout(folder.path(), &[&stored_a, &stored_b], &list(&[named, entry]));

    let (digest_a, digest_b) = (sha256(&stored_a.manifest), sha256(&stored_b.manifest));
    for (reference, expected) in [
        ("localhost/app:v1", &a),
        ("app:v1", &a),
        (&digest_a.to_string(), &a),
        ("v2", &b),
        ("app:v2", &b),
        ("docker.io/library/app:v2", &b),
        (&format!("anything@{digest_b}"), &b),
    ] {
        let source = open(folder.path(), Some(reference)).unwrap();
        assert_eq!(source.image().id, Some(expected.id()), "{reference}");
        let name = if expected.id() == a.id() { "localhost/app:v1" } else { "v2" };
        assert!(source.names().iter().any(|found| found == name), "{:?}", source.names());
    }
    let error = open(folder.path(), None).unwrap_err();
    assert!(matches!(error, SourceError::Ambiguous { .. }));
    let error = open(folder.path(), Some("app:v3")).unwrap_err();
    assert!(error.is_image_unknown());
    for name in ["localhost/app:v1", "docker.io/library/app:v2", "app:v3"] {
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn an_index_gives_the_images_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let (here, half, gone) = (Made::new(1), Made::new(2), Made::new(3));
    let [here_stored, half_stored, gone_stored] =
        [&here, &half, &gone].map(|made| made.stored(Packing::Gzip));
    let platforms =
        list(&[gone_stored.descriptor(), here_stored.descriptor(), half_stored.descriptor()]);
    let top = list(&[descriptor(media_type::OCI_INDEX, &platforms)]);
    layout(folder.path(), &[&here_stored, &half_stored], &top);
    fs::write(blob(folder.path(), &platforms), &platforms).unwrap();
    // The manifest alone is there, as after a pull for another platform.
    for digest in half_stored.blobs.keys() {
        fs::remove_file(folder.path().join("blobs/sha256").join(digest.hex())).unwrap();
    }

    let source = open(folder.path(), None).unwrap();
    let facts = contract::check(&source);
    assert_eq!(facts.children, [here.facts()]);
    assert_eq!(source.image().manifest.bytes(), &platforms, "the index stays as it is");
    assert_eq!(source.image().manifest.children().len(), 3);

    fs::remove_file(blob(folder.path(), &here_stored.manifest)).unwrap();
    let error = open(folder.path(), None).unwrap_err();
    assert!(matches!(error, SourceError::Missing { .. }), "nothing of it is left: {error}");
}

#[test]
fn indexes_have_a_bottom() {
    let folder = tempfile::tempdir().unwrap();
    let stored = Made::of_layers(vec![]).stored(Packing::Plain);
    let mut inner = list(&[stored.descriptor()]);
    layout(folder.path(), &[&stored], b"");
    for _ in 0..8 {
        fs::write(blob(folder.path(), &inner), &inner).unwrap();
        inner = list(&[descriptor(media_type::OCI_INDEX, &inner)]);
    }
    fs::write(folder.path().join("index.json"), &inner).unwrap();
    let error = open(folder.path(), None).unwrap_err();
    assert!(matches!(error, SourceError::Nesting { .. }), "{error}");
}

#[test]
fn indexes_do_not_multiply() {
    let folder = tempfile::tempdir().unwrap();
    let stored = Made::of_layers(vec![]).stored(Packing::Plain);
    layout(folder.path(), &[&stored], b"");
    let mut inner = list(&vec![stored.descriptor(); 100]);
    for _ in 0..2 {
        fs::write(blob(folder.path(), &inner), &inner).unwrap();
        inner = list(&vec![descriptor(media_type::OCI_INDEX, &inner); 100]);
    }
    fs::write(blob(folder.path(), &inner), &inner).unwrap();
    let top = list(&[descriptor(media_type::OCI_INDEX, &inner)]);
    fs::write(folder.path().join("index.json"), &top).unwrap();
    let error = open(folder.path(), None).unwrap_err();
    assert!(matches!(error, SourceError::TooLarge { .. }), "{error}");
}

#[test]
fn what_is_kept_in_memory_has_a_bound() {
    let folder = tempfile::tempdir().unwrap();
    // 3 MiB that an index lists 20 times.
    let mut made = Made::of_layers(vec![]);
    made.config.resize(3 << 20, b' ');
    let stored = made.stored(Packing::Plain);
    let inner = list(&vec![stored.descriptor(); 20]);
    let top = list(&[descriptor(media_type::OCI_INDEX, &inner)]);
    layout(folder.path(), &[&stored], &top);
    fs::write(blob(folder.path(), &inner), &inner).unwrap();
    let error = open(folder.path(), None).unwrap_err();
    assert!(matches!(error, SourceError::TooLarge { max: 0x200_0000, .. }), "{error}");
}

#[test]
fn the_flat_form_gives_the_same_image() {
    let folder = tempfile::tempdir().unwrap();
    let made = Made::new(1);
    let stored = made.stored(Packing::Gzip);
    fs::write(folder.path().join("version"), "Directory Transport Version: 1.1\n").unwrap();
    fs::write(folder.path().join("manifest.json"), &stored.manifest).unwrap();
    for (digest, bytes) in &stored.blobs {
        fs::write(folder.path().join(digest.hex()), bytes).unwrap();
    }
    let source = open(folder.path(), None).unwrap();
    assert_eq!(contract::check(&source), made.facts());
    let digest = sha256(&stored.manifest).to_string();
    assert_eq!(open(folder.path(), Some(&digest)).unwrap().image().id, Some(made.id()));
    assert!(open(folder.path(), Some("app:v1")).unwrap_err().is_image_unknown());

    // An index, with its images beside it.
    let manifest = format!("{}.manifest.json", sha256(&stored.manifest).hex());
    fs::write(folder.path().join(manifest), &stored.manifest).unwrap();
    fs::write(folder.path().join("manifest.json"), list(&[stored.descriptor()])).unwrap();
    let source = open(folder.path(), None).unwrap();
    assert_eq!(contract::check(&source).children, [made.facts()]);
}

#[test]
fn an_artifact_may_have_any_config() {
    let folder = tempfile::tempdir().unwrap();
    let layer = b"not an archive at all".to_vec();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
        "artifactType": "text/plain",
        "config": descriptor(media_type::EMPTY_JSON, b"{}"),
        "layers": [descriptor("text/plain", &layer)],
    });
    let blobs = [b"{}".to_vec(), layer.clone()].map(|bytes| (sha256(&bytes), bytes));
    let stored = Stored { manifest: manifest.to_string().into(), blobs: blobs.into() };
    layout(folder.path(), &[&stored], &index(&[(&stored, "note")]));
    let source = open(folder.path(), None).unwrap();
    assert_eq!((source.image().id, source.image().blobs.len()), (None, 2));
    assert_eq!(contract::read(&source, &sha256(&layer), 3), layer);
}

#[test]
fn layers_that_live_elsewhere_by_design_need_not_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let made = Made::new(1);
    let mut stored = made.stored(Packing::Plain);
    let mut manifest: serde_json::Value = serde_json::from_slice(&stored.manifest).unwrap();
    manifest["layers"][1]["mediaType"] =
        "application/vnd.oci.image.layer.nondistributable.v1.tar".into();
    stored.manifest = manifest.to_string().into();
    stored.blobs.remove(&made.diff_ids()[1]);
    layout(folder.path(), &[&stored], &index(&[(&stored, "v1")]));
    let source = open(folder.path(), None).unwrap();
    let given: Vec<_> = source.image().blobs.iter().map(|blob| blob.descriptor.digest).collect();
    assert_eq!(given, [made.id(), made.diff_ids()[0]]);
}

#[test]
fn damage_is_told_before_anything_is_sent() {
    type Damage = fn(&Path, &Made, &Stored);
    type IsTold = fn(&SourceError) -> bool;
    let table: [(&str, Damage, IsTold); 9] = [
        (
            "a layer is gone",
            |folder, made, _| fs::remove_file(blob(folder, &made.layers[0])).unwrap(),
            |error| matches!(error, SourceError::Missing { .. }),
        ),
        (
            "a layer is cut short",
            |folder, made, _| fs::write(blob(folder, &made.layers[0]), b"short").unwrap(),
            |error| matches!(error, SourceError::SizeMismatch { found: 5, .. }),
        ),
        (
            "the config is another",
            |folder, made, _| fs::write(blob(folder, &made.config), b"{}").unwrap(),
            |error| matches!(error, SourceError::DigestMismatch { .. }),
        ),
        (
            "the manifest is another",
            |folder, _, stored| fs::write(blob(folder, &stored.manifest), b"{}").unwrap(),
            |error| matches!(error, SourceError::DigestMismatch { .. }),
        ),
        (
            "the index is no index",
            |folder, _, _| fs::write(folder.join("index.json"), b"[1]").unwrap(),
            |error| matches!(error, SourceError::Manifest { .. }),
        ),
        (
            "the index is empty",
            |folder, _, _| fs::write(folder.join("index.json"), list(&[])).unwrap(),
            |error| matches!(error, SourceError::Empty { .. }),
        ),
        (
            "the index is endless",
            |folder, _, _| {
                let file = fs::File::create(folder.join("index.json")).unwrap();
                file.set_len(1 << 40).unwrap();
            },
            |error| matches!(error, SourceError::TooLarge { .. }),
        ),
        (
            "a layer is a link to the outside",
            |folder, made, _| {
                let path = blob(folder, &made.layers[0]);
                let outside = folder.parent().unwrap().join("outside");
                fs::rename(&path, &outside).unwrap();
                symlink(&outside, &path).unwrap();
            },
            |error| matches!(error, SourceError::Outside { .. }),
        ),
        (
            "a layer is a folder",
            |folder, made, _| {
                fs::remove_file(blob(folder, &made.layers[0])).unwrap();
                fs::create_dir(blob(folder, &made.layers[0])).unwrap();
            },
            |error| matches!(error, SourceError::Missing { .. }),
        ),
    ];
    for (what, damage, is_told) in table {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("layout");
        let made = Made::new(1);
        let stored = made.stored(Packing::Plain);
        layout(&folder, &[&stored], &index(&[(&stored, "v1")]));
        damage(&folder, &made, &stored);
        let error = open(&folder, None).unwrap_err();
        assert!(is_told(&error), "{what}: {error:?}");
    }
}

#[test]
fn a_link_inside_is_followed() {
    let (folder, made, _) = one_image();
    let path = blob(folder.path(), &made.layers[0]);
    fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    symlink("../../elsewhere", &path).unwrap();
    assert_eq!(contract::check(&open(folder.path(), None).unwrap()), made.facts());
}

#[test]
fn a_layer_that_goes_away_meanwhile_is_an_error() {
    let (folder, made, _) = one_image();
    let source = open(folder.path(), None).unwrap();
    fs::remove_file(blob(folder.path(), &made.layers[1])).unwrap();
    let digest = made.diff_ids()[1];
    let error = source.open(&digest).err().unwrap().to_string();
    assert!(error.contains(&digest.to_string()), "{error}");
}

#[test]
fn what_is_no_layout_says_so() {
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(open(empty.path(), None), Err(SourceError::Shapeless { .. })));
    let absent = empty.path().join("absent");
    let error = open(&absent, None).unwrap_err();
    assert!(matches!(error, SourceError::Open { .. }));
    assert!(error.to_string().contains("absent"));
    fs::write(&absent, b"a file").unwrap();
    assert!(matches!(open(&absent, None), Err(SourceError::Shapeless { .. })));
}
