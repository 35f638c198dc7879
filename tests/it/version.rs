//! The version check (end-1), the paths around the API, and the header that marks every answer as a
//! registry's.

use crate::harness::Server;

#[test]
fn says_that_this_is_a_registry() {
    let server = Server::start();
    let response = server.get("/v2/").expect(200);
    assert_eq!(response.the("Docker-Distribution-Api-Version"), "registry/2.0");
    let head = server.head("/v2/").expect(200);
    assert_eq!(head.the("Content-Length"), response.body.len().to_string());
}

#[test]
fn the_version_header_is_on_every_answer() {
    let server = Server::start();
    let absent = format!("sha256:{}", "0".repeat(64));
    for (method, target, status) in [
        ("GET", "/v2/".to_owned(), 200),
        ("GET", "/v2/_catalog".to_owned(), 200),
        ("GET", "/v2/a/tags/list".to_owned(), 404),
        ("GET", format!("/v2/a/blobs/{absent}"), 404),
        ("GET", "/v2/a/manifests/latest".to_owned(), 404),
        ("GET", "/v2/a/manifests/..bad".to_owned(), 400),
        ("POST", "/v2/a/blobs/uploads/".to_owned(), 202),
        ("PUT", "/v2/".to_owned(), 405),
    ] {
        let response = server.request(method, target).expect(status);
        assert_eq!(response.the("Docker-Distribution-Api-Version"), "registry/2.0");
    }
}

#[test]
fn without_the_slash_it_is_found_too() {
    let server = Server::start();
    let response = server.get("/v2").send();
    match response.status {
        200 => assert_eq!(response.the("Docker-Distribution-Api-Version"), "registry/2.0"),
        301 | 308 => assert_eq!(response.location(), "/v2/"),
        status => panic!("{status}"),
    }
}

#[test]
fn the_root_is_fine_for_health_checks_made_for_the_old_registry() {
    Server::start().get("/").expect(200);
}

#[test]
fn other_paths_are_not_found() {
    let server = Server::start();
    for target in ["/v1/", "/v3/", "/v2/a", "/v2/a/b/c", "/v2//", "/v2/a/blobs", "/v2/a/tags/other"]
    {
        server.get(target).expect(404);
    }
}

#[test]
fn other_methods_are_refused_with_the_ones_that_work() {
    let server = Server::start();
    let digest = crate::content::sha256(b"");
    for (method, target, allowed) in [
        ("POST", "/v2/".to_owned(), "GET"),
        ("PUT", "/v2/a/tags/list".to_owned(), "GET"),
        ("PATCH", format!("/v2/a/blobs/{digest}"), "DELETE"),
        ("POST", "/v2/a/manifests/latest".to_owned(), "PUT"),
        ("DELETE", "/v2/_catalog".to_owned(), "GET"),
        ("POST", format!("/v2/a/referrers/{digest}"), "GET"),
    ] {
        let response = server.request(method, target).refused(405, "UNSUPPORTED");
        assert!(response.the("Allow").contains(allowed), "{response}");
    }
}
