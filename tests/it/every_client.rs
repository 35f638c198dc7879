//! What every client may do, whoever wrote it: ask by HEAD, escape, leave out a slash, come through an
//! old proxy, and accept what it likes.

use crate::content::{Algorithm, DOCKER_IMAGE, IMAGE, Manifest, image, sha256};
use crate::harness::Server;
use crate::repository::{Repository, strings};

const NAME: &str = "library/every-client";
const SHA256: Algorithm = Algorithm::Sha256;

fn with_image(server: &Server) -> (Repository<'_>, Vec<Vec<u8>>, Manifest) {
    let repository = Repository::new(server, NAME);
    let (blobs, manifest) = image(SHA256, "client");
    repository.push_image("v1", &blobs, &manifest);
    (repository, blobs, manifest)
}

#[test]
fn gets_what_was_pushed_whatever_it_accepts() {
    let server = Server::start();
    let (repository, _, manifest) = with_image(&server);
    for accept in [
        None,
        Some("*/*"),
        Some(DOCKER_IMAGE),
        Some("text/html"),
        Some("application/json"),
        Some(""),
    ] {
        for method in ["GET", "HEAD"] {
            let request = server.request(method, repository.manifest_path("v1"));
            let request = accept.into_iter().fold(request, |r, accept| r.header("Accept", accept));
            let response = request.expect(200);
            assert_eq!(response.the("Content-Type"), IMAGE, "{accept:?}");
            assert_eq!(response.the("Docker-Content-Digest"), manifest.digest());
        }
    }
}

#[test]
fn follows_links_that_are_relative() {
    let server = Server::start();
    for name in ["a/b", "a/c"] {
        Repository::new(&server, name).push_named("v1");
    }
    let first = server.get("/v2/_catalog?n=1").expect(200);
    let link = first.the("Link");
    let next = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
    assert!(next.starts_with("/v2/_catalog?"), "{link}");
    let second = server.get(next).expect(200);
    assert_eq!(strings(&second.json()["repositories"]), ["a/c"]);
    assert_eq!(second.header("Link"), None);
}

#[test]
fn may_send_credentials_nobody_asked_for() {
    let server = Server::start();
    let (repository, _, _) = with_image(&server);
    for authorization in ["Basic dXNlcjpwYXNz", "Bearer token", "Digest x", "nonsense"] {
        server.get("/v2/").header("Authorization", authorization).expect(200);
        repository.manifest("v1").header("Authorization", authorization).expect(200);
    }
}

#[test]
fn may_come_through_a_proxy_that_speaks_http_1_0() {
    let server = Server::start();
    let (repository, blobs, manifest) = with_image(&server);
    // As nginx does towards what stands behind it, unless told otherwise.
    let as_old = |request: crate::wire::Request| {
        let text = request.to_bytes();
        let end = text.windows(8).position(|window| window == b"HTTP/1.1").unwrap() + 7;
        let mut connection = server.connect();
        connection.write(&[&text[..end], b"0", &text[end + 1..]].concat()).unwrap();
        let response = connection.receive("GET").unwrap();
        assert_eq!(response.header("Transfer-Encoding"), None, "{response}");
        assert_eq!(connection.rest(), b"", "the connection is closed");
        response
    };
    assert_eq!(as_old(server.get("/v2/")).status, 200);
    assert_eq!(as_old(repository.manifest("v1")).body, manifest.bytes);
    assert_eq!(as_old(repository.blob(&sha256(&blobs[1]))).body, blobs[1]);
    let close = repository.close(&repository.start_upload(), &sha256(b"old"));
    assert_eq!(as_old(close.body("old")).status, 201);
}

#[test]
fn may_escape_digests_and_names() {
    let server = Server::start();
    let (repository, blobs, manifest) = with_image(&server);
    let (layer, digest) = (sha256(&blobs[1]), manifest.digest());
    for escaped in [layer.replace(':', "%3A"), layer.replace(':', "%3a")] {
        assert_eq!(repository.blob(&escaped).expect(200).the("Docker-Content-Digest"), layer);
        repository.blob_head(&escaped).expect(200);
    }
    repository.manifest(&digest.replace(':', "%3A")).expect(200);
    server.get(repository.referrers_path(&digest).replace(':', "%3A")).expect(200);
    server.get(format!("/v2/library/%65very-client/manifests/{}", "%761")).expect(200);
}

#[test]
fn may_post_without_the_last_slash() {
    let server = Server::start();
    let post = server.post(format!("/v2/{NAME}/blobs/uploads")).expect(202);
    server.get(post.location()).expect(204);
}

#[test]
fn may_ask_by_head_wherever_it_gets() {
    let server = Server::start();
    let (repository, blobs, manifest) = with_image(&server);
    for target in [
        "/v2/".to_owned(),
        "/v2/_catalog".to_owned(),
        repository.tags_path(),
        repository.manifest_path("v1"),
        repository.blob_path(&sha256(&blobs[0])),
        repository.referrers_path(&manifest.digest()),
    ] {
        let get = server.get(target.as_str()).header("Accept", IMAGE).expect(200);
        let head = server.head(target.as_str()).header("Accept", IMAGE).expect(200);
        assert_eq!(head.the("Content-Length"), get.body.len().to_string(), "{target}");
        assert_eq!(head.header("Content-Type"), get.header("Content-Type"), "{target}");
    }
}
