//! Images in archives that lie in a file: every form, every packing, and which image is meant.

use std::fs;
use std::path::Path;

use serde_json::json;
use wharf_oci::Digest;
use wharf_pusher::source::archive::ArchiveSource;
use wharf_pusher::source::{ImageSource, SourceError};

use crate::contract;
use crate::made::{Made, Packing, sha256};
use crate::written::{Archive, docker_by_digest, docker_classic, index, layout_archive};

/// Opens an archive with these bytes, from a file.
fn open(bytes: &[u8], reference: Option<&str>) -> Result<ArchiveSource, SourceError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.tar");
    fs::write(&path, bytes).unwrap();
    let nothing_is_there = |_: &Digest| true;
    ArchiveSource::open(&path, reference, nothing_is_there, folder.path())
}

/// The same image in every form of archive.
pub(crate) fn every_form(made: &Made) -> Vec<(&'static str, Vec<u8>)> {
    let layout = |packing| {
        let stored = made.stored(packing);
        layout_archive(&[&stored], &index(&[(&stored, "localhost/app:v1")]))
    };
    vec![
        ("a layout", layout(Packing::Plain)),
        ("a layout with gzip", layout(Packing::Gzip)),
        ("a layout with zstd", layout(Packing::Zstd)),
        ("docker, classic", docker_classic(&[(made, "localhost/app:v1")])),
        ("docker, by digest", docker_by_digest(made, Packing::Plain, ".tar")),
        ("docker, gzip under the plain digest", docker_by_digest(made, Packing::Gzip, ".tar")),
        ("docker, gzip by digest", docker_by_digest(made, Packing::Gzip, ".tar.gz")),
        ("docker, with a layout in it", docker_with_layout(made)),
    ]
}

/// As `docker save` writes since version 25.
fn docker_with_layout(made: &Made) -> Vec<u8> {
    let stored = made.stored(Packing::Plain);
    let mut archive = Archive::default();
    let path = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
    for (digest, bytes) in &stored.blobs {
        archive.file(&path(digest), bytes);
    }
    archive.file(&path(&sha256(&stored.manifest)), &stored.manifest);
    let layers: Vec<_> = made.diff_ids().iter().map(path).collect();
    let name = "localhost/app:v1";
    let list = json!([{ "Config": path(&made.id()), "RepoTags": [name], "Layers": layers }]);
    archive.file("index.json", &index(&[(&stored, name)]));
    archive.file("manifest.json", list.to_string().as_bytes());
    archive.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    archive.end()
}

#[test]
fn every_form_gives_the_same_image() {
    let made = Made::new(1);
    for (form, bytes) in every_form(&made) {
        for reference in [None, Some("app:v1"), Some("localhost/app:v1")] {
            let source = open(&bytes, reference).unwrap_or_else(|error| panic!("{form}: {error}"));
            assert_eq!(source.image().id, Some(made.id()), "{form}");
            assert_eq!(source.names(), ["localhost/app:v1"], "{form}");
            if reference.is_none() {
                assert_eq!(contract::check(&source), made.facts(), "{form}");
            }
        }
    }
}

#[test]
fn a_layout_keeps_its_manifest() {
    let stored = Made::new(1).stored(Packing::Gzip);
    let source = open(&layout_archive(&[&stored], &index(&[(&stored, "v1")])), None).unwrap();
    assert_eq!(source.image().manifest.bytes(), &stored.manifest);
}

#[test]
fn a_docker_archive_gets_the_manifest_of_a_plain_oci_image() {
    let made = Made::new(1);
    let plain = made.stored(Packing::Plain);
    let expected: serde_json::Value = serde_json::from_slice(&plain.manifest).unwrap();
    for bytes in
        [docker_classic(&[(&made, "a:b")]), docker_by_digest(&made, Packing::Plain, ".tar")]
    {
        let source = open(&bytes, None).unwrap();
        let manifest: serde_json::Value =
            serde_json::from_slice(source.image().manifest.bytes()).unwrap();
        assert_eq!(manifest, expected);
    }
}

#[test]
fn of_several_images_one_must_be_named() {
    let (a, b) = (Made::new(1), Made::new(2));
    let (stored_a, stored_b) = (a.stored(Packing::Plain), b.stored(Packing::Plain));
    let named = [(&stored_a, "localhost/a:v1"), (&stored_b, "localhost/b:v1")];
    let layouts = layout_archive(&[&stored_a, &stored_b], &index(&named));
    let docker = docker_classic(&[(&a, "localhost/a:v1"), (&b, "localhost/b:v1")]);
    for bytes in [layouts, docker.clone()] {
        assert_eq!(open(&bytes, Some("a:v1")).unwrap().image().id, Some(a.id()));
        assert_eq!(open(&bytes, Some("localhost/b:v1")).unwrap().image().id, Some(b.id()));
        let error = open(&bytes, None).unwrap_err().to_string();
        assert!(error.contains("localhost/a:v1, localhost/b:v1"), "{error}");
        assert!(open(&bytes, Some("c:v1")).unwrap_err().is_image_unknown());
    }
    // What a docker-archive is asked for by digest is the image's id.
    let source = open(&docker, Some(&b.id().to_string())).unwrap();
    assert_eq!(source.names(), ["localhost/b:v1"]);
    assert_eq!(contract::check(&source), b.facts());
}

#[test]
fn an_image_without_layers_is_an_image() {
    let made = Made::of_layers(vec![]);
    let source = open(&docker_classic(&[(&made, "empty:v1")]), None).unwrap();
    assert_eq!(contract::check(&source), made.facts());
    assert_eq!(source.image().blobs.len(), 1);
}

#[test]
fn a_layer_may_be_there_twice() {
    let layer = crate::made::layer("same", b"same");
    let made = Made::of_layers(vec![layer.clone(), layer]);
    let source = open(&docker_by_digest_once(&made), None).unwrap();
    assert_eq!(contract::check(&source), made.facts());
}

/// As [`docker_by_digest`], where equal layers are one entry.
fn docker_by_digest_once(made: &Made) -> Vec<u8> {
    let mut archive = Archive::default();
    let names: Vec<_> = made.diff_ids().iter().map(|id| format!("{}.tar", id.hex())).collect();
    archive.file(&names[0], &made.layers[0]);
    archive.file("config.json", &made.config);
    let list = json!([{ "Config": "config.json", "RepoTags": null, "Layers": names }]);
    archive.file("manifest.json", list.to_string().as_bytes());
    archive.end()
}

#[test]
fn an_archive_that_is_compressed_as_a_whole_is_read_through_the_decompressor() {
    let made = Made::new(1);
    let packings = [Packing::Gzip, Packing::Zstd].into_iter().cycle();
    for ((form, bytes), packing) in every_form(&made).into_iter().zip(packings) {
        let source = open(&packing.pack(&bytes), None).unwrap();
        assert_eq!(contract::check(&source), made.facts(), "{form} {packing:?}");
    }
    for (beginning, program) in [(b"BZh91AY&SY".as_slice(), "bzip2"), (b"\xfd7zXZ\0\0\x04", "xz")] {
        let error = open(beginning, None).unwrap_err().to_string();
        assert!(error.contains(program) && error.contains("decompress it first"), "{error}");
    }
}

#[test]
fn an_archive_made_with_another_tar_is_read_too() {
    let made = Made::new(1);
    let stored = made.stored(Packing::Plain);
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("layout");
    crate::written::layout(&layout, &[&stored], &index(&[(&stored, "v1")]));
    for form in ["gnu", "posix", "ustar", "v7"] {
        let archive = folder.path().join(format!("{form}.tar"));
        let status = std::process::Command::new("tar")
            .arg(format!("--format={form}"))
            .args(["--create", "--file"])
            .arg(&archive)
            .arg("--directory")
            .arg(&layout)
            .arg(".")
            .status()
            .expect("GNU tar is needed for this test");
        assert!(status.success());
        let source = ArchiveSource::open(&archive, None, |_| true, Path::new("/")).unwrap();
        assert_eq!(contract::check(&source), made.facts(), "{form}");
    }
}

#[test]
fn an_archive_that_changes_meanwhile_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.tar");
    let made = Made::new(1);
    fs::write(&path, docker_classic(&[(&made, "a:b")])).unwrap();
    let source = ArchiveSource::open(&path, None, |_| true, folder.path()).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(4096).unwrap();
    let mut reader = source.open(&made.diff_ids()[1]).unwrap();
    let error = std::io::copy(&mut reader, &mut std::io::sink()).unwrap_err().to_string();
    assert!(error.contains("cut short"), "{error}");
}
