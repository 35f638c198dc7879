//! docker-registry's own garbage collection, offline, on a volume that both programs wrote.

use std::process::Command;

use wharf_oci::Algorithm::Sha512;

use crate::content::{Image, Manifest, Shelf};
use crate::volume::Volume;

#[test]
fn docker_registry_collects_garbage_and_takes_nothing_that_is_tagged() {
    let Some(volume) = Volume::for_both() else { return };
    let mut shelf = Shelf::default();
    let serving = volume.by_docker_registry();
    shelf.push(serving.api(), "one", "1", &Image::oci("one"));
    shelf.push(serving.api(), "one", "2", &Image::docker("two"));
    serving.stop();

    let serving = volume.by_wharf();
    shelf.push(serving.api(), "one", "3", &Image::oci("three"));
    shelf.push(serving.api(), "three/four", "1", &Image::oci("three"));
    shelf.push_manifest(
        serving.api(),
        "three/four",
        "many",
        &Manifest::index(&[&Image::oci("three").manifest]),
    );
    let image = Image::oci("by sha512");
    image.push_blobs(serving.api(), "five");
    let manifest = image.manifest.known_by(Sha512);
    serving.api().push_manifest("five", &format!("{}?tag=1", manifest.digest), &manifest);
    shelf.put("five", "1", &manifest);
    // Garbage: a blob that no manifest names.
    let stray = crate::content::Blob::new(wharf_oci::Algorithm::Sha256, "stray", 1000);
    serving.api().push_blob("one", &stray.digest, &stray.bytes);
    shelf.check(serving.api(), "wharf");
    serving.stop();

    let collected = Command::new("docker-registry")
        .arg("garbage-collect")
        .arg(volume.config())
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&collected.stdout),
        String::from_utf8_lossy(&collected.stderr)
    );
    assert!(collected.status.success(), "garbage-collect: {}\n{said}", collected.status);

    let serving = volume.by_wharf();
    shelf.check(serving.api(), "wharf after docker-registry's garbage collection");
    // It did collect: what it leaves of the blob is a link to nothing.
    assert_eq!(serving.api().head(&format!("one/blobs/{}", stray.digest)), 404);
    serving.stop();
    shelf.check(volume.by_docker_registry().api(), "docker-registry after its garbage collection");
}
