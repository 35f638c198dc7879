//! The volume changes hands, back and forth, and nothing is lost or altered on the way.

use crate::content::{Image, Manifest, Shelf};
use crate::volume::Volume;

#[test]
fn each_serves_what_the_other_wrote() {
    let Some(volume) = Volume::for_both() else { return };
    let mut shelf = Shelf::default();
    let (one, two, three) = (Image::oci("one"), Image::docker("two"), Image::oci("three"));

    let serving = volume.by_docker_registry();
    shelf.push(serving.api(), "library/one", "1", &one);
    shelf.push(serving.api(), "library/one", "latest", &one);
    shelf.push(serving.api(), "two", "1", &two);
    // An index and its children lie in one repository.
    shelf.push(serving.api(), "a/b/c/many", "amd64", &one);
    let index = Manifest::index(&[&one.manifest]);
    shelf.push_manifest(serving.api(), "a/b/c/many", "1", &index);
    shelf.check(serving.api(), "docker-registry that wrote it");
    serving.stop();

    let serving = volume.by_wharf();
    shelf.check(serving.api(), "wharf");
    shelf.push(serving.api(), "library/three", "1", &three);
    // A tag moves, one comes along, and a repository is born that has nothing but an index.
    shelf.push(serving.api(), "library/one", "latest", &three);
    shelf.push(serving.api(), "two", "2.0_final", &three);
    let none = Manifest::index(&[]);
    shelf.push_manifest(serving.api(), "nothing/but-an-index", "1", &none);
    shelf.check(serving.api(), "wharf that added to it");
    let (status, said) = serving.stop();
    assert!(status.success(), "{status}:\n{said}");

    let serving = volume.by_docker_registry();
    shelf.check(serving.api(), "docker-registry after wharf");
    shelf.push(serving.api(), "library/one", "latest", &two);
    shelf.push(serving.api(), "library/four", "1", &Image::docker("four"));
    shelf.check(serving.api(), "docker-registry that added to it");
    serving.stop();

    shelf.check(volume.by_wharf().api(), "wharf in the end");
}

/// What Wharf keeps beside the layout may vanish or be out of date; the layout alone counts.
#[test]
fn the_layout_alone_says_what_is_there() {
    let Some(volume) = Volume::for_both() else { return };
    let mut shelf = Shelf::default();
    let serving = volume.by_wharf();
    shelf.push(serving.api(), "one", "1", &Image::oci("one"));
    serving.stop();

    let serving = volume.by_docker_registry();
    shelf.push(serving.api(), "two", "1", &Image::oci("two"));
    serving.stop();
    let serving = volume.by_wharf();
    shelf.check(serving.api(), "wharf after docker-registry");
    serving.stop();

    std::fs::remove_dir_all(volume.root().join("wharf")).unwrap();
    shelf.check(volume.by_wharf().api(), "wharf without its own folder");
}
