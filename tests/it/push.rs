//! Pushing blobs (end-4a, end-4b, end-4c, end-6): what each answer carries, and that only verified
//! content is kept.

use crate::content::{Algorithm, blob, sha256, sha512};
use crate::harness::Server;
use crate::repository::{Push, Repository, with_digest};
use crate::wire::Response;

const NAME: &str = "library/push";

#[track_caller]
fn check_created(response: &Response, digest: &str) {
    assert_eq!(response.location(), format!("/v2/{NAME}/blobs/{digest}"));
    assert_eq!(response.the("Docker-Content-Digest"), digest);
    assert_eq!(response.body, b"");
}

#[test]
fn a_session_is_opened() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let post = server.post(repository.uploads_path()).expect(202);
    let id = post.the("Docker-Upload-UUID");
    assert_eq!(id.len(), 36, "a UUID: {id}");
    assert!(post.location().starts_with(&format!("/v2/{NAME}/blobs/uploads/{id}")), "{post}");
    assert_eq!(post.the("Range"), "0-0");
    assert_eq!(post.header("OCI-Chunk-Min-Length"), None);
    assert_ne!(post.location(), repository.start_upload(), "each session has its own place");
}

#[test]
fn every_way_ends_in_the_same_answer() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    for push in Push::ALL {
        let bytes = blob(&format!("{push:?}"), 5000);
        let digest = sha256(&bytes);
        check_created(&repository.push_as(push, &bytes, &digest).expect("push", 201), &digest);
        assert_eq!(repository.blob(&digest).expect(200).body, bytes);
    }
}

#[test]
fn the_session_ends_with_the_blob() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let location = repository.start_upload();
    repository.close(&location, &sha256(b"done")).body("done").expect(201);
    server.get(location.as_str()).refused(404, "BLOB_UPLOAD_UNKNOWN");
    repository.close(&location, &sha256(b"done")).body("done").expect(404);
}

#[test]
fn a_stored_blob_may_be_pushed_again() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("again", 3000);
    let digest = sha256(&bytes);
    for push in Push::ALL.into_iter().chain(Push::ALL) {
        check_created(&repository.push_as(push, &bytes, &digest).expect("push", 201), &digest);
    }
    assert_eq!(repository.blob(&digest).expect(200).body, bytes);
}

#[test]
fn the_empty_blob_goes_every_way() {
    let server = Server::start();
    for (index, push) in Push::ALL.into_iter().enumerate() {
        for algorithm in Algorithm::ALL {
            let name = format!("library/empty-{index}-{}", algorithm.name());
            let repository = Repository::new(&server, &name);
            let digest = algorithm.digest(b"");
            repository.push_as(push, b"", &digest).expect("push", 201);
            let get = repository.blob(&digest).expect(200);
            assert_eq!(get.the("Content-Length"), "0");
            assert_eq!(repository.blob_head(&digest).expect(200).the("Content-Length"), "0");
        }
    }
}

#[test]
fn content_with_another_digest_is_refused_and_not_kept() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    for algorithm in Algorithm::ALL {
        let bytes = blob("content", 4000);
        let claimed = algorithm.digest(b"something else");
        for push in Push::ALL {
            let answer = repository.push_as(push, &bytes, &claimed).expect("push", 400);
            assert_eq!(answer.error_code(), "DIGEST_INVALID", "{push:?}");
            repository.blob_head(&claimed).expect(404);
            repository.blob_head(&algorithm.digest(&bytes)).expect(404);
        }
    }
}

#[test]
fn digests_that_cannot_be_are_refused_before_any_byte() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let hex = "0".repeat(64);
    for digest in [
        "sha256:short".to_owned(),
        "sha256:".to_owned(),
        format!("sha256:{}", &hex[1..]),
        format!("sha256:{hex}0"),
        format!("sha256:{}", "A".repeat(64)),
        format!("SHA256:{hex}"),
        format!("sha512:{hex}"),
        format!("md5:{}", &hex[..32]),
        format!("sha384:{}", "0".repeat(96)),
        hex.clone(),
    ] {
        let location = repository.start_upload();
        repository.close(&location, &digest).body("content").refused(400, "DIGEST_INVALID");
        let post = server.post(with_digest(&repository.uploads_path(), &digest));
        post.body("content").refused(400, "DIGEST_INVALID");
    }
    for query in ["", "?digest=", "?digest"] {
        let target = repository.start_upload() + query;
        server.put(target).body("content").refused(400, "DIGEST_INVALID");
    }
}

#[test]
fn the_algorithm_may_be_told_in_advance() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("told", 200_000);
    for (hint, digest) in [("sha256", sha256(&bytes)), ("sha512", sha512(&bytes))] {
        let post = server.post(format!("{}?digest-algorithm={hint}", repository.uploads_path()));
        let location = post.expect(202).location();
        let location = server.patch(location).chunked(bytes.as_slice()).expect(202).location();
        check_created(&repository.close(&location, &digest).expect(201), &digest);
        assert_eq!(repository.blob(&digest).expect(200).body, bytes);
    }
    // A hint that turns out wrong is no more than a hint.
    let post = server.post(format!("{}?digest-algorithm=sha512", repository.uploads_path()));
    let location = post.expect(202).location();
    repository.close(&location, &sha256(b"other")).body("other").expect(201);
}

#[test]
fn an_unknown_algorithm_is_refused_in_advance() {
    let server = Server::start();
    let path = Repository::new(&server, NAME).uploads_path();
    for hint in ["md5", "sha1", "SHA256", "blake3"] {
        server.post(format!("{path}?digest-algorithm={hint}")).refused(400, "DIGEST_INVALID");
    }
}

#[test]
fn a_large_body_of_unknown_length_is_taken() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("long stream", 24 * 1024 * 1024 + 7);
    let digest = sha256(&bytes);
    repository.push_as(Push::Streamed, &bytes, &digest).expect("push", 201);
    assert!(repository.blob(&digest).expect(200).body == bytes, "other bytes");
}

#[test]
fn a_client_that_waits_for_leave_to_send_gets_it() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("expected", 1000);
    let location = repository.start_upload();
    let put = repository.close(&location, &sha256(&bytes)).header("Expect", "100-continue");
    let request = put.body(bytes.as_slice()).to_bytes();
    let (head, body) = request.split_at(request.len() - bytes.len());
    let mut connection = server.connect();
    connection.write(head).unwrap();
    assert_eq!(connection.receive_any("PUT").unwrap().status, 100);
    connection.write(body).unwrap();
    assert_eq!(connection.receive("PUT").unwrap().status, 201);
}

#[test]
fn a_client_that_waits_for_leave_to_send_what_is_refused_need_not_send_it() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let unknown = format!("{}00000000-0000-4000-8000-000000000000", repository.uploads_path());
    let location = repository.start_upload();
    for (target, status) in [
        (with_digest(&unknown, &sha256(b"x")), 404),
        (with_digest(&location, "sha256:bad"), 400),
        (repository.manifest_path("-bad"), 400),
    ] {
        let put = server.put(target).header("Expect", "100-continue").body(vec![b'x'; 100_000]);
        let request = put.to_bytes();
        let mut connection = server.connect();
        connection.write(&request[..request.len() - 100_000]).unwrap();
        assert_eq!(connection.receive_any("PUT").unwrap().status, status, "at once");
    }
}

#[test]
fn many_sessions_go_on_at_once() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let blobs: Vec<_> = (0..24).map(|i| blob(&format!("session {i}"), 30_000)).collect();
    let mut locations: Vec<_> = blobs.iter().map(|_| repository.start_upload()).collect();
    for offset in [0, 10_000, 20_000] {
        for (bytes, location) in blobs.iter().zip(&mut locations) {
            let chunk = &bytes[offset..offset + 10_000];
            *location = repository.patch(location, offset, chunk).expect(202).location();
        }
    }
    for (bytes, location) in blobs.iter().zip(&locations) {
        let digest = sha256(bytes);
        repository.close(location, &digest).expect(201);
        assert_eq!(repository.blob(&digest).expect(200).body, *bytes);
    }
}

#[test]
fn a_push_in_many_repositories_keeps_one_copy() {
    let server = Server::start();
    let bytes = blob("one copy", 50_000);
    for name in ["a", "b/c", "d/e/f"] {
        Repository::new(&server, name).push(&bytes);
    }
    let copies = crate::durability::files(server.root());
    let copies: Vec<_> = copies.iter().filter(|(_, size)| *size == 50_000).collect();
    assert_eq!(copies.len(), 1, "{copies:?}");
}
