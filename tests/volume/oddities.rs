//! What crashes, old versions and strangers leave in a volume. Each reads as absent: 404 and on no list,
//! never a 500; and what lies beside it is served as ever.

use std::fs;

use wharf_oci::Algorithm::Sha256;
use wharf_oci::Digest;

use crate::api::Api;
use crate::content::{Blob, Image, Shelf};
use crate::volume::{Volume, blob_data, layer_link, revision_link, tag_link};

/// A volume that docker-registry wrote, with one image that must be served whatever happens beside it.
fn volume() -> Option<(Volume, Shelf)> {
    let volume = Volume::for_both()?;
    let mut shelf = Shelf::default();
    let serving = volume.by_docker_registry();
    shelf.push(serving.api(), "sound", "1", &Image::oci("sound"));
    serving.stop();
    Some((volume, shelf))
}

/// Pushes an image by docker-registry that nobody is going to expect.
fn push(volume: &Volume, repository: &str, tag: &str, image: &Image) {
    let serving = volume.by_docker_registry();
    image.push(serving.api(), repository, tag);
    serving.stop();
}

fn assert_absent(api: &Api, paths: &[String]) {
    for path in paths {
        let answer = api.get(path);
        assert_eq!(answer.status, 404, "GET {path}: {answer}");
        assert_eq!(api.head(path), 404, "HEAD {path}");
    }
}

/// A digest of something that is nowhere.
fn nowhere(seed: &str) -> Digest {
    Digest::of(Sha256, seed.as_bytes())
}

/// registry:2 truncates links in place: a crash leaves them empty. A push makes them whole again.
#[test]
fn empty_links_are_absent_until_pushed_again() {
    let Some((volume, shelf)) = volume() else { return };
    let image = Image::docker("cut short");
    push(&volume, "sound", "cut", &image);
    let mut whole = shelf.clone();
    whole.put("sound", "cut", &image.manifest);

    let (layer, manifest) = (image.blobs[2].digest, image.manifest.digest);
    let (tagged, by_digest) = ("sound/manifests/cut".into(), format!("sound/manifests/{manifest}"));
    let blob = format!("sound/blobs/{layer}");
    for (link, absent, left) in [
        (layer_link("sound", &layer), vec![blob], &whole),
        (tag_link("sound", "cut"), vec![String::clone(&tagged)], &shelf),
        // A tag that points at it goes with it.
        (revision_link("sound", &manifest), vec![by_digest, tagged], &shelf),
    ] {
        volume.write(&link, "");
        let serving = volume.by_wharf();
        assert_absent(serving.api(), &absent);
        left.check(serving.api(), &format!("wharf with an empty {link}"));
        image.push(serving.api(), "sound", "cut");
        whole.check(serving.api(), &format!("wharf that repaired {link}"));
        serving.stop();
        whole.check(
            volume.by_docker_registry().api(),
            &format!("docker-registry with {link} repaired"),
        );
    }
}

/// Garbage collection that raced a push, and 2.8's at any time, leave links to nothing.
#[test]
fn dangling_links_are_absent() {
    let Some((volume, shelf)) = volume() else { return };
    let (layer, revision, tagged) = (nowhere("layer"), nowhere("revision"), nowhere("tag"));
    volume.write(&layer_link("sound", &layer), layer.to_string());
    volume.write(&revision_link("sound", &revision), revision.to_string());
    volume.write(&tag_link("sound", "to-a-lost-blob"), revision.to_string());
    volume.write(&tag_link("sound", "to-nothing"), tagged.to_string());
    volume.write(&tag_link("sound", "to-no-digest"), "not a digest");
    fs::create_dir_all(volume.path("repositories/sound/_manifests/tags/with-no-link/current"))
        .unwrap();
    fs::create_dir_all(volume.path("repositories/sound/_manifests/tags/with-no-folder")).unwrap();

    let serving = volume.by_wharf();
    assert_absent(
        serving.api(),
        &[
            format!("sound/blobs/{layer}"),
            format!("sound/manifests/{revision}"),
            format!("sound/manifests/{tagged}"),
            "sound/manifests/to-a-lost-blob".into(),
            "sound/manifests/to-nothing".into(),
            "sound/manifests/to-no-digest".into(),
            "sound/manifests/with-no-link".into(),
            "sound/manifests/with-no-folder".into(),
        ],
    );
    shelf.check(serving.api(), "wharf among dangling links");
}

/// registry 3.1 writes links by way of `link.UUID.tmp`.
#[test]
fn leftovers_beside_links_are_no_links() {
    let Some((volume, shelf)) = volume() else { return };
    let digest = Image::oci("sound").manifest.digest;
    let leftover = "link.0c1b0ea6-6d24-4a04-9dd5-1f6b9fd9c5a4.tmp";
    let link = tag_link("sound", "1").replace("link", leftover);
    volume.write(&link, "sha2");
    let link = tag_link("sound", "half").replace("link", leftover);
    volume.write(&link, digest.to_string());
    let lost = nowhere("a revision");
    volume.write(&revision_link("sound", &lost).replace("link", leftover), lost.to_string());

    let serving = volume.by_wharf();
    assert_absent(
        serving.api(),
        &["sound/manifests/half".into(), format!("sound/manifests/{lost}")],
    );
    shelf.check(serving.api(), "wharf among leftovers");
}

/// Signatures of registry 2.0's manifests lie below their revisions.
#[test]
fn old_signatures_are_passed_over() {
    let Some((volume, shelf)) = volume() else { return };
    let revision = revision_link("sound", &Image::oci("sound").manifest.digest);
    let signature = nowhere("a signature");
    let link = format!("signatures/sha256/{}/link", signature.hex());
    volume.write(&revision.replace("link", &link), signature.to_string());
    // One whose revision has gone.
    let lost = nowhere("a revision");
    volume.write(&revision_link("sound", &lost).replace("link", &link), signature.to_string());

    let serving = volume.by_wharf();
    assert_absent(
        serving.api(),
        &[format!("sound/manifests/{lost}"), format!("sound/blobs/{signature}")],
    );
    shelf.check(serving.api(), "wharf among old signatures");
}

/// An upload without `startedat` is one that registry:2 never purges, and never continues.
#[test]
fn an_upload_without_its_start_is_unknown() {
    let Some((volume, shelf)) = volume() else { return };
    let id = "5f2b8a4e-8f5e-4b52-8f39-0c9bd1c2f3a1";
    volume.write(&format!("repositories/sound/_uploads/{id}/data"), "some bytes");
    let serving = volume.by_wharf();
    assert_absent(serving.api(), &[format!("sound/blobs/uploads/{id}")]);
    shelf.check(serving.api(), "wharf beside an upload without its start");
}

/// A crash of the file system leaves files of no bytes. The next push of the blob heals it.
#[test]
fn a_blob_of_no_bytes_is_absent_until_it_is_pushed_again() {
    let Some((volume, shelf)) = volume() else { return };
    let image = Image::oci("emptied");
    push(&volume, "emptied", "1", &image);
    let blob = &image.blobs[2];
    volume.write(&blob_data(&blob.digest), "");

    let serving = volume.by_wharf();
    assert_absent(serving.api(), &[format!("emptied/blobs/{}", blob.digest)]);
    let mut shelf = shelf;
    shelf.push(serving.api(), "emptied", "1", &image);
    shelf.check(serving.api(), "wharf after the blob was pushed again");
    serving.stop();
    shelf.check(volume.by_docker_registry().api(), "docker-registry after wharf healed the blob");
}

/// The digest of no bytes is the one digest that an empty file may have.
#[test]
fn the_empty_blob_is_there() {
    let Some((volume, _)) = volume() else { return };
    let empty = Blob::new(Sha256, "unused", 0);
    let serving = volume.by_docker_registry();
    serving.api().push_blob("sound", &empty.digest, &empty.bytes);
    serving.stop();
    let answer = volume.by_wharf().api().get(&format!("sound/blobs/{}", empty.digest));
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}

/// Folders that are no repositories, and files of others.
#[test]
fn strangers_are_not_listed() {
    let Some((volume, shelf)) = volume() else { return };
    let blob = Blob::new(Sha256, "a layer", 100);
    let serving = volume.by_docker_registry();
    serving.api().push_blob("only/layers", &blob.digest, &blob.bytes);
    serving.api().start_upload("only/uploads");
    serving.stop();
    for folder in
        ["lost+found", "Upper/_manifests/tags", "sound/_trivia", "_manifests/tags", "-/_manifests"]
    {
        fs::create_dir_all(volume.path("repositories").join(folder)).unwrap();
    }
    volume.write("repositories/.DS_Store", "a file where a folder belongs");
    volume.write("repositories/sound/_manifests/tags/README", "and another");
    volume.write("blobs/sha256/zz/README", "and another");
    fs::write(volume.root().join("scheduler-state.json"), "{}").unwrap();

    let serving = volume.by_wharf();
    shelf.check(serving.api(), "wharf among strangers");
    let answer = serving.api().get(&format!("only/layers/blobs/{}", blob.digest));
    assert_eq!((answer.status, &answer.body), (200, &blob.bytes));
}
