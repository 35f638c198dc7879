//! Web pages and the registry: a page in a browser can send requests to loopback, and must not be
//! able to change anything there.

use crate::harness::{Server, Setup};
use crate::repository::Repository;
use crate::wire::Request;

fn with_origin(request: Request, origin: &str) -> u16 {
    request.header("Origin", origin).send().status
}

#[test]
fn a_foreign_page_may_read_and_not_write() {
    let server = Server::start();
    let repository = Repository::new(&server, "library/origin");
    let digest = repository.push_named("v1");
    for origin in [
        "http://evil.example",
        "https://evil.example:5000",
        "null",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://evil.example/localhost",
        "http://notlocalhost",
        "http://kind-registry.evil.example",
        "http://[::1]evil.example",
        "http://user@localhost",
        "http://localhost:",
        "http://localhost:99999",
        "http://localhost/path",
        "ftp://localhost",
        "",
        "file://",
        "chrome-extension://abc",
    ] {
        assert_eq!(with_origin(server.get("/v2/"), origin), 200, "{origin}");
        assert_eq!(with_origin(repository.manifest_head("v1"), origin), 200, "{origin}");
        for request in [
            server.post(repository.uploads_path()),
            server.put(repository.manifest_path("v2")).body("{}"),
            server.patch(repository.start_upload()).body("x"),
            server.delete(repository.manifest_path("v1")),
            server.delete(repository.manifest_path(&digest)),
        ] {
            request.header("Origin", origin).refused(403, "DENIED");
        }
    }
    repository.manifest_head("v1").expect(200);
}

#[test]
fn pages_on_this_machine_may_write() {
    let server = Server::start();
    let path = Repository::new(&server, "library/origin").uploads_path();
    for origin in [
        "http://localhost",
        "http://localhost:3000",
        "https://localhost:8443",
        "http://127.0.0.1:5173",
        "http://127.1.2.3",
        "http://[::1]:3000",
        "http://kind-registry:5000",
    ] {
        assert_eq!(with_origin(server.post(path.as_str()), origin), 202, "{origin}");
    }
}

#[test]
fn clients_that_are_no_pages_send_no_origin() {
    let server = Server::start();
    Repository::new(&server, "library/origin").push_named("v1");
}

#[test]
fn more_pages_may_be_allowed_by_a_setting() {
    let server = Setup::new().arguments(["--allowed-origin", "https://ui.example"]).start();
    let path = Repository::new(&server, "library/origin").uploads_path();
    assert_eq!(with_origin(server.post(path.as_str()), "https://ui.example"), 202);
    assert_eq!(with_origin(server.post(path.as_str()), "https://other.example"), 403);
    assert_eq!(with_origin(server.post(path.as_str()), "http://ui.example"), 403);
}
