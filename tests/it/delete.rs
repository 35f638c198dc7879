//! Deleting tags, manifests and blobs (end-9, end-10): at once, no more than asked for, and only
//! where it is allowed.

use crate::content::{Algorithm, Manifest, image, index_json, sha256};
use crate::harness::{Server, Setup};
use crate::repository::Repository;

const NAME: &str = "library/delete";

#[test]
fn a_tag_goes_and_its_manifest_stays() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let digest = repository.push_named("one");
    let (_, manifest) = image(Algorithm::Sha256, "one");
    repository.put("two", &manifest).expect(201);
    server.delete(repository.manifest_path("one")).expect(202);
    repository.manifest_head("one").expect(404);
    repository.manifest("one").refused(404, "MANIFEST_UNKNOWN");
    repository.manifest_head("two").expect(200);
    repository.manifest_head(&digest).expect(200);
    assert_eq!(repository.tags(), ["two"]);
    server.delete(repository.manifest_path("one")).refused(404, "MANIFEST_UNKNOWN");
}

#[test]
fn a_manifest_goes_with_all_its_tags() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let digest = repository.push_named("one");
    let (blobs, manifest) = image(Algorithm::Sha256, "one");
    repository.put("two", &manifest).expect(201);
    let other = repository.push_named("other");
    server.delete(repository.manifest_path(&digest)).expect(202);
    for reference in ["one", "two", &digest] {
        repository.manifest_head(reference).expect(404);
    }
    assert_eq!(repository.tags(), ["other"]);
    repository.manifest_head(&other).expect(200);
    repository.blob_head(&sha256(&blobs[0])).expect(200);
    server.delete(repository.manifest_path(&digest)).refused(404, "MANIFEST_UNKNOWN");
}

#[test]
fn a_tag_that_moved_on_is_not_taken_along() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let (blobs, first) = image(Algorithm::Sha256, "first");
    repository.push_image("latest", &blobs, &first);
    let (blobs, second) = image(Algorithm::Sha256, "second");
    repository.push_image("latest", &blobs, &second);
    server.delete(repository.manifest_path(&first.digest())).expect(202);
    let latest = repository.manifest("latest").expect(200);
    assert_eq!(latest.the("Docker-Content-Digest"), second.digest());
}

#[test]
fn a_blob_goes_at_once_from_this_repository_only() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let other = Repository::new(&server, "library/other");
    let digest = repository.push(b"shared");
    other.push(b"shared");
    repository.blob(&digest).expect(200);
    server.delete(repository.blob_path(&digest)).expect(202);
    repository.blob_head(&digest).expect(404);
    repository.blob(&digest).refused(404, "BLOB_UNKNOWN");
    server.delete(repository.blob_path(&digest)).refused(404, "BLOB_UNKNOWN");
    assert_eq!(other.blob(&digest).expect(200).body, b"shared");
    repository.push(b"shared");
    repository.blob(&digest).expect(200);
}

#[test]
fn what_is_deleted_stays_deleted_after_a_restart() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let manifest = repository.push_named("gone");
    repository.push_named("kept");
    let blob = repository.push(b"gone too");
    server.delete(repository.manifest_path(&manifest)).expect(202);
    server.delete(repository.blob_path(&blob)).expect(202);
    let server = server.restart();
    let repository = Repository::new(&server, NAME);
    repository.manifest_head("gone").expect(404);
    repository.manifest_head(&manifest).expect(404);
    repository.blob_head(&blob).expect(404);
    assert_eq!(repository.tags(), ["kept"]);
}

#[test]
fn what_was_deleted_may_come_back() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    for _ in 0..3 {
        let digest = repository.push_named("back");
        repository.manifest_head("back").expect(200);
        server.delete(repository.manifest_path(&digest)).expect(202);
        repository.manifest_head("back").expect(404);
    }
}

#[test]
fn a_pull_that_has_begun_is_finished() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = crate::content::blob("being read", 24 * 1024 * 1024);
    let digest = repository.push(&bytes);
    let mut connection = server.connect();
    connection.write(&repository.blob(&digest).to_bytes()).unwrap();
    connection.wait_for_bytes();
    server.delete(repository.blob_path(&digest)).expect(202);
    assert!(connection.receive("GET").unwrap().body == bytes, "other bytes");
    repository.blob_head(&digest).expect(404);
}

#[test]
fn an_index_goes_without_its_children() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let child = repository.push_named("child");
    let (_, manifest) = image(Algorithm::Sha256, "child");
    let index = Manifest::new(&index_json(Algorithm::Sha256, &[&manifest]));
    repository.put("index", &index).expect(201);
    server.delete(repository.manifest_path(&index.digest())).expect(202);
    repository.manifest_head(&child).expect(200);
}

#[test]
fn bad_references_are_refused() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    repository.push_named("one");
    let delete = |target: String| server.delete(target).send();
    assert!(matches!(delete(repository.manifest_path("sha256:short")).status, 400 | 404));
    assert!(matches!(delete(repository.manifest_path("-bad")).status, 400 | 404));
    assert!(matches!(delete(repository.blob_path("sha256:short")).status, 400 | 404));
    assert!(matches!(delete(repository.blob_path("one")).status, 400 | 404));
    assert_eq!(repository.tags(), ["one"]);
}

#[test]
fn where_deletes_are_off_nothing_goes() {
    for setup in [
        Setup::new().arguments(["--deletes", "false"]),
        Setup::new().variable("REGISTRY_STORAGE_DELETE_ENABLED", "false"),
    ] {
        let server = setup.start();
        let repository = Repository::new(&server, NAME);
        let digest = repository.push_named("kept");
        let blob = repository.push(b"kept");
        for target in [
            repository.manifest_path("kept"),
            repository.manifest_path(&digest),
            repository.blob_path(&blob),
        ] {
            server.delete(target).refused(405, "UNSUPPORTED");
        }
        repository.manifest_head("kept").expect(200);
        repository.blob_head(&blob).expect(200);
        // A session is not content: it may always be cancelled.
        server.delete(repository.start_upload()).expect(204);
    }
}
