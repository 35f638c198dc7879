//! Error answers: each code of the specification ("Error Codes", code-1 to code-14) where it
//! belongs, in the body it prescribes.

use crate::content::{IMAGE, Manifest, sha256};
use crate::harness::{Server, Setup};
use crate::repository::Repository;
use crate::wire::{Request, Response};
use serde_json::json;

const NAME: &str = "library/errors";

#[test]
fn each_code_comes_where_it_belongs() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    repository.push_named("v1");
    let absent = sha256(b"absent");
    let session = repository.start_upload();
    let unknown = format!("{}00000000-0000-4000-8000-000000000000", repository.uploads_path());
    let invalid = Manifest::pushed_as(&json!([]), IMAGE);
    let incomplete = crate::content::image(crate::content::Algorithm::Sha256, "incomplete").1;
    let cases: Vec<(&str, u16, Request)> = vec![
        ("BLOB_UNKNOWN", 404, repository.blob(&absent)),
        ("BLOB_UPLOAD_UNKNOWN", 404, server.get(unknown)),
        ("DIGEST_INVALID", 400, repository.close(&session, &absent).body("other")),
        ("DIGEST_INVALID", 400, repository.blob("sha256:short")),
        ("MANIFEST_BLOB_UNKNOWN", 400, repository.put("x", &incomplete)),
        ("MANIFEST_INVALID", 400, repository.put("x", &invalid)),
        ("MANIFEST_UNKNOWN", 404, repository.manifest("absent")),
        ("NAME_INVALID", 400, server.get("/v2/Library/tags/list")),
        ("NAME_UNKNOWN", 404, server.get("/v2/absent/tags/list")),
        ("PAGINATION_NUMBER_INVALID", 400, server.get("/v2/_catalog?n=x")),
        ("RANGE_INVALID", 416, repository.patch(&repository.start_upload(), 9, b"x")),
        ("UNSUPPORTED", 405, server.put("/v2/")),
    ];
    for (code, status, request) in cases {
        request.refused(status, code);
    }
}

#[test]
fn an_error_names_what_it_is_about() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let absent = sha256(b"absent");
    let text = |response: Response| String::from_utf8(response.body).unwrap();
    assert!(text(repository.blob(&absent).expect(404)).contains(&absent));
    assert!(text(repository.manifest("no-such-tag").expect(404)).contains("no-such-tag"));
    assert!(text(server.get("/v2/absent/tags/list").expect(404)).contains("absent"));
    let location = repository.start_upload();
    let refused = text(repository.close(&location, &absent).body("other").expect(400));
    assert!(refused.contains(&absent) || refused.contains(&sha256(b"other")), "{refused}");
}

#[test]
fn an_error_to_a_head_has_no_body() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    // `wire` checks that nothing follows the head.
    repository.blob_head(&sha256(b"absent")).expect(404);
    repository.manifest_head("absent").expect(404);
    repository.manifest_head("-bad").expect(400);
}

#[test]
fn what_cannot_be_written_is_refused_in_the_same_form() {
    let server = Setup::new().arguments(["--read-only"]).start();
    let repository = Repository::new(&server, NAME);
    let digest = sha256(b"x");
    for request in [
        server.post(repository.uploads_path()),
        repository.put("v1", &Manifest::pushed_as(&json!({}), IMAGE)),
        server.delete(repository.manifest_path("v1")),
        server.delete(repository.blob_path(&digest)),
    ] {
        request.refused(405, "UNSUPPORTED");
    }
}
