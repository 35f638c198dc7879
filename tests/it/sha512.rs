//! sha512 beside sha256: told in advance or not, in blobs, manifests, tags and lists.

use crate::content::{
    ARTIFACT, Algorithm, Manifest, artifact_json, blob, image, index_json, sha256, sha512,
};
use crate::harness::Server;
use crate::repository::{Push, Repository};

const NAME: &str = "library/sha512";
const SHA512: Algorithm = Algorithm::Sha512;

#[test]
fn a_blob_needs_no_hint() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("no hint", 300_000);
    let digest = sha512(&bytes);
    for push in Push::ALL {
        let pushed = repository.push_as(push, &bytes, &digest).expect("push", 201);
        assert_eq!(pushed.the("Docker-Content-Digest"), digest);
        assert_eq!(pushed.location(), repository.blob_path(&digest));
        let get = repository.blob(&digest).expect(200);
        assert_eq!(get.the("Docker-Content-Digest"), digest);
        assert_eq!(get.the("ETag"), format!("\"{digest}\""));
        assert!(get.body == bytes, "other bytes");
        server.delete(repository.blob_path(&digest)).expect(202);
        repository.blob_head(&digest).expect(404);
    }
}

#[test]
fn a_long_upload_in_pieces_needs_no_hint() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("long sha512", 10_000_000);
    let digest = sha512(&bytes);
    repository.push_as(Push::Chunked, &bytes, &digest).expect("push", 201);
    assert!(repository.blob(&digest).expect(200).body == bytes, "other bytes");
}

#[test]
fn a_blob_may_have_both_names() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("both", 4000);
    for digest in [sha256(&bytes), sha512(&bytes)] {
        repository.push_as(Push::PostPut, &bytes, &digest).expect("push", 201);
    }
    for digest in [sha256(&bytes), sha512(&bytes)] {
        let get = repository.blob(&digest).expect(200);
        assert_eq!(get.the("Docker-Content-Digest"), digest);
        assert_eq!(get.body, bytes);
    }
}

/// Pushes an image whose descriptors are sha512, and the manifest under its sha512 digest.
fn push_image(repository: Repository<'_>, query: &str) -> (String, Manifest) {
    let (blobs, manifest) = image(SHA512, "sha512");
    for bytes in &blobs {
        repository.push_as(Push::PostPut, bytes, &sha512(bytes)).expect("push", 201);
    }
    let digest = sha512(&manifest.bytes);
    let put = repository.put(&format!("{digest}{query}"), &manifest).expect(201);
    assert_eq!(put.the("Docker-Content-Digest"), digest);
    (digest, manifest)
}

#[test]
fn a_manifest_is_found_by_the_name_it_was_given() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let (digest, manifest) = push_image(repository, "");
    for response in
        [repository.manifest(&digest).expect(200), repository.manifest_head(&digest).expect(200)]
    {
        assert_eq!(response.the("Docker-Content-Digest"), digest);
        assert_eq!(response.the("Content-Length"), manifest.bytes.len().to_string());
    }
    server.delete(repository.manifest_path(&digest)).expect(202);
    repository.manifest_head(&digest).expect(404);
}

#[test]
fn a_tag_remembers_the_algorithm() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let (digest, manifest) = push_image(repository, "?tag=a&tag=b");
    let check = |repository: Repository<'_>| {
        for tag in ["a", "b"] {
            let get = repository.manifest(tag).expect(200);
            assert_eq!(get.the("Docker-Content-Digest"), digest);
            assert_eq!(get.body, manifest.bytes);
            let head = repository.manifest_head(tag).expect(200);
            assert_eq!(head.the("Docker-Content-Digest"), digest);
        }
    };
    check(repository);
    let server = server.restart();
    check(Repository::new(&server, NAME));
}

#[test]
fn a_tag_put_by_itself_means_sha256() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let (_, manifest) = push_image(repository, "?tag=both");
    let put = repository.put("both", &manifest).expect(201);
    assert_eq!(put.the("Docker-Content-Digest"), manifest.digest());
    let get = repository.manifest("both").expect(200);
    assert_eq!(get.the("Docker-Content-Digest"), manifest.digest());
}

#[test]
fn a_manifest_of_two_names_is_listed_once_as_it_was_pushed() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let (digest, manifest) = push_image(repository, "");
    let subject = manifest.descriptor(SHA512);
    repository.push_as(Push::PostPut, b"{}", &sha512(b"{}")).expect("push", 201);
    let mut referrer = artifact_json(SHA512, ARTIFACT, b"{}");
    referrer["subject"] = subject;
    let referrer = Manifest::new(&referrer);
    let name = sha512(&referrer.bytes);
    let put = repository.put(&name, &referrer).expect(201);
    assert_eq!(put.the("OCI-Subject"), digest);
    let entries = repository.referrers(&digest);
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(entries[0]["digest"], name);
    let server = server.restart();
    let entries = Repository::new(&server, NAME).referrers(&digest);
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(entries[0]["digest"], name);
}

#[test]
fn an_index_of_sha512_children() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let (_, child) = push_image(repository, "");
    let index = Manifest::new(&index_json(SHA512, &[&child]));
    let digest = sha512(&index.bytes);
    repository.put(&digest, &index).expect(201);
    assert_eq!(repository.manifest(&digest).expect(200).body, index.bytes);
}

#[test]
fn both_survive_a_restart() {
    let server = Server::start();
    let (digest, manifest) = push_image(Repository::new(&server, NAME), "");
    let (blobs, _) = image(SHA512, "sha512");
    let server = server.restart();
    let repository = Repository::new(&server, NAME);
    assert_eq!(repository.manifest(&digest).expect(200).body, manifest.bytes);
    for bytes in &blobs {
        assert_eq!(repository.blob(&sha512(bytes)).expect(200).body, *bytes);
    }
}

#[test]
fn a_session_survives_a_restart_and_is_closed_with_sha512() {
    let server = Server::start();
    let bytes = blob("sha512 after a restart", 100_000);
    let repository = Repository::new(&server, NAME);
    let location = repository.start_upload();
    repository.patch(&location, 0, &bytes[..60_000]).expect(202);
    let server = server.restart();
    let repository = Repository::new(&server, NAME);
    repository.patch(&location, 60_000, &bytes[60_000..]).expect(202);
    repository.close(&location, &sha512(&bytes)).expect(201);
    assert!(repository.blob(&sha512(&bytes)).expect(200).body == bytes, "other bytes");
}
