//! sha512 manifests and blobs, which registry:2 stores but half: what Wharf makes of its volume, and
//! what is left of Wharf's when registry:2 serves it.

use wharf_oci::Algorithm::{Sha256, Sha512};
use wharf_oci::Digest;

use crate::content::{Blob, Image};
use crate::volume::{Volume, revision_link, tag_link};

#[test]
fn wharf_serves_a_sha512_blob_of_docker_registry() {
    let Some(volume) = Volume::for_both() else { return };
    let blob = Blob::new(Sha512, "by sha512", 5000);
    let serving = volume.by_docker_registry();
    serving.api().push_blob("one", &blob.digest, &blob.bytes);
    serving.stop();

    let serving = volume.by_wharf();
    for digest in [blob.digest, Digest::of(Sha256, &blob.bytes)] {
        let answer = serving.api().get(&format!("one/blobs/{digest}"));
        assert_eq!((answer.status, &answer.body), (200, &blob.bytes), "{digest}");
    }
}

#[test]
fn docker_registry_serves_a_sha512_image_of_wharf() {
    let Some(volume) = Volume::for_both() else { return };
    let image = Image::with_blobs_by(Sha512, "an image");
    let manifest = image.manifest.clone().known_by(Sha512);
    let serving = volume.by_wharf();
    image.push_blobs(serving.api(), "one");
    serving.api().push_manifest("one", &format!("{}?tag=1&tag=latest", manifest.digest), &manifest);
    serving.stop();

    // The two links of the manifest, and the tag's, as the layout's description has them.
    let sha256 = Digest::of(Sha256, &manifest.bytes);
    for (link, content) in [
        (revision_link("one", &manifest.digest), sha256),
        (revision_link("one", &sha256), sha256),
        (tag_link("one", "1"), manifest.digest),
        (tag_link("one", "latest"), manifest.digest),
    ] {
        assert_eq!(
            std::fs::read_to_string(volume.path(&link)).unwrap(),
            content.to_string(),
            "{link}"
        );
    }

    let serving = volume.by_docker_registry();
    for reference in ["1", "latest", &manifest.digest.to_string(), &sha256.to_string()] {
        let answer = serving.api().get(&format!("one/manifests/{reference}"));
        assert_eq!((answer.status, &answer.body), (200, &manifest.bytes), "{reference}: {answer}");
    }
    for blob in &image.blobs {
        let answer = serving.api().get(&format!("one/blobs/{}", blob.digest));
        assert_eq!((answer.status, &answer.body), (200, &blob.bytes), "{}", blob.digest);
    }
    assert_eq!(serving.api().list("one/tags/list", "tags"), ["1", "latest"]);
}
