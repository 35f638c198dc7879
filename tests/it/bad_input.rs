//! Input that is wrong on purpose: every one gets a clear answer, stores nothing, and leaves the
//! server as it was.

use crate::content::{blob, sha256};
use crate::durability::files;
use crate::harness::{PATIENCE, Server};
use crate::repository::Repository;
use std::time::{Duration, Instant};

const NAME: &str = "library/bad";

#[test]
fn names_outside_the_grammar() {
    let server = Server::start();
    let long = "a".repeat(256);
    let digest = sha256(b"x");
    for name in [
        "UPPER", "a/B", "-a", "a-", ".a", "a.", "_a", "a_", "a..b", "a._b", "a___b", "a/-b",
        "a/b-", "a%20b", "a%00b", "%C3%A4", "a:b", "a@b", "a+b", "~a", "a%5Cb", &long,
    ] {
        for target in [
            format!("/v2/{name}/tags/list"),
            format!("/v2/{name}/manifests/latest"),
            format!("/v2/{name}/blobs/{digest}"),
            format!("/v2/{name}/referrers/{digest}"),
        ] {
            server.get(target).refused(400, "NAME_INVALID");
        }
        server.post(format!("/v2/{name}/blobs/uploads/")).refused(400, "NAME_INVALID");
    }
    let longest = "a".repeat(255);
    Repository::new(&server, &longest).push_named("v1");
}

#[test]
fn names_inside_the_grammar_however_odd() {
    let server = Server::start();
    let deep = vec!["a"; 100].join("/");
    for name in [
        "0",
        "a.b",
        "a_b",
        "a__b",
        "a---b",
        "a/b.c/d_e/f-g",
        "blobs",
        "tags/list",
        "manifests",
        "a/blobs/uploads",
        "a/manifests/b",
        "v2",
        "a/tags/list",
        "uploads/uploads",
        "a/referrers",
        &deep,
    ] {
        let repository = Repository::new(&server, name);
        let digest = repository.push_named("v1");
        repository.manifest("v1").expect(200);
        repository.manifest_head(&digest).expect(200);
        assert_eq!(repository.tags(), ["v1"], "{name}");
        assert_eq!(repository.referrers(&digest), [serde_json::json!(null); 0], "{name}");
        server.delete(repository.manifest_path(&digest)).expect(202);
    }
}

#[test]
fn tags_outside_the_grammar() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let (blobs, manifest) = crate::content::image(crate::content::Algorithm::Sha256, "bad tags");
    blobs.iter().for_each(|blob| drop(repository.push(blob)));
    let long = "a".repeat(129);
    for tag in ["-a", ".a", "a%20b", "a%00", "%C3%A4", "a+b", "a@b", "a%2Fb", "a%5Cb", "a~", &long]
    {
        for request in [
            repository.put(tag, &manifest),
            repository.manifest(tag),
            server.delete(repository.manifest_path(tag)),
        ] {
            let response = request.send();
            assert!(matches!(response.status, 400 | 404), "{tag}: {response}");
            response.error_code();
        }
    }
    for tag in ["a", "_", "A.b-C_9", "latest", "0", &"a".repeat(128)] {
        repository.put(tag, &manifest).expect(201);
        repository.manifest(tag).expect(200);
    }
}

#[test]
fn paths_that_try_to_leave_the_store() {
    let server = Server::start();
    let outside = server.root().parent().unwrap().join("secret");
    std::fs::write(&outside, "secret").unwrap();
    for target in [
        "/v2/../secret",
        "/v2/../../../../../../etc/passwd",
        "/v2/a/../../secret/tags/list",
        "/v2/%2e%2e/%2e%2e/secret/manifests/latest",
        "/v2/..%2f..%2fsecret/tags/list",
        "/v2/a/manifests/..%2f..%2f..%2fsecret",
        "/v2/a/manifests/%2e%2e",
        "/v2/a/blobs/sha256:..%2f..%2fsecret",
        "/v2/a/blobs/..",
        "/v2/a/blobs/uploads/..%2f..%2f..%2fsecret",
        "/v2/a/blobs/uploads/%2e%2e",
        "/v2/a//b/tags/list",
        "/v2//a/tags/list",
        "/v2/a/tags/list/",
        "/v2/a%2fb%00/tags/list",
        "/v2/a/manifests/%",
        "/v2/a/manifests/%zz",
        "/v2/a/manifests/%ff%fe",
        "//v2/a/tags/list",
        "/v2/_uploads/tags/list",
        "/v2/a/_layers/tags/list",
    ] {
        for method in ["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"] {
            let response = server.request(method, target).send();
            assert!(matches!(response.status, 400 | 404 | 405), "{method} {target}: {response}");
            assert!(!response.body.windows(6).any(|w| w == b"passwd"), "{response}");
        }
    }
    assert_eq!(std::fs::read(outside).unwrap(), b"secret");
    server.get("/v2/").expect(200);
}

#[test]
fn a_request_target_of_another_form() {
    let server = Server::start();
    // RFC 9112, section 3.2.2: a server takes the absolute form, too.
    let absolute = format!("http://{}/v2/", server.address());
    assert_eq!(server.get(absolute).send().status, 200);
    for (method, target) in [("OPTIONS", "*"), ("CONNECT", "example.com:443"), ("GET", "v2")] {
        let response = server.request(method, target).send();
        assert!((400..500).contains(&response.status) || response.status == 204, "{response}");
    }
}

#[test]
fn what_is_no_http_gets_a_400_or_a_closed_door() {
    let server = Server::start();
    for bytes in [
        b"hello\r\n\r\n".as_slice(),
        b"GET /v2/ HTTP/9.9\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: a\r\n\
          Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET /v2/\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\r\n\r\n\r\n\r\n",
    ] {
        let mut connection = server.connect();
        let _ = connection.write(bytes);
        connection.finish();
        let answer = connection.rest();
        let is_refused = answer.is_empty() || answer.starts_with(b"HTTP/1.1 4");
        let is_refused = is_refused || answer.starts_with(b"HTTP/1.1 505");
        assert!(is_refused, "{}: {}", bytes.escape_ascii(), answer.escape_ascii());
    }
    server.get("/v2/").expect(200);
}

#[test]
fn a_tls_hello_is_told_that_this_is_plain_http() {
    let server = Server::start();
    let mut connection = server.connect();
    let hello = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), &[7; 502]].concat();
    connection.write(&hello).unwrap();
    connection.finish();
    let answer = connection.rest();
    assert!(answer.starts_with(b"HTTP/1.1 400") || answer.starts_with(b"HTTP/1.0 400"));
    let line = server.log_line(|line| line.to_lowercase().contains("tls"));
    assert!(line.to_lowercase().contains("http"), "what to do: {line}");
}

#[test]
fn a_body_shorter_than_announced() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("short", 500_000);
    let digest = sha256(&bytes);
    let location = repository.start_upload();
    let request = repository.close(&location, &digest).body(bytes.as_slice()).to_bytes();
    for cut in [1, 250_000] {
        let mut connection = server.connect();
        connection.write(&request[..request.len() - cut]).unwrap();
        connection.finish();
        let answer = connection.rest();
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", answer.escape_ascii());
        repository.blob_head(&digest).expect(404);
    }
    repository.push(&bytes);
    assert!(repository.blob(&digest).expect(200).body == bytes, "other bytes");
}

#[test]
fn a_body_longer_than_announced() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let location = repository.start_upload();
    let digest = sha256(b"exact");
    let put = repository.close(&location, &digest).header("Connection", "close").body("exact");
    let mut connection = server.connect();
    connection.write(&[put.to_bytes(), b" and more".to_vec()].concat()).unwrap();
    assert_eq!(connection.receive("PUT").unwrap().status, 201);
    assert_eq!(repository.blob(&digest).expect(200).body, b"exact");
}

#[test]
fn a_chunk_that_does_not_fit_its_range() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let location = repository.start_upload();
    for range in ["0-99", "0-3"] {
        let patch = server.patch(location.as_str()).header("Content-Range", range);
        let response = patch.body("0123456789").send();
        assert!(matches!(response.status, 400 | 416), "{range}: {response}");
        let response = server.patch(location.as_str()).header("Content-Range", range);
        let response = response.chunked("0123456789").send();
        assert!(matches!(response.status, 400 | 416), "{range}, chunked: {response}");
    }
    let status = server.get(location.as_str()).expect(204);
    let held = crate::chunked_upload::offset(status.the("Range"));
    assert!(held <= 10, "no more than was sent: {held}");
}

#[test]
fn broken_chunked_encoding() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    for tail in
        ["zz\r\nhello\r\n0\r\n\r\n", "5\r\nhel", "fffffffffffffffff\r\n", "5\r\nhelloXX0\r\n\r\n"]
    {
        let location = repository.start_upload();
        let mut connection = server.connect();
        let head =
            format!("PATCH {location} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        connection.write(&[head.as_bytes(), tail.as_bytes()].concat()).unwrap();
        connection.finish();
        let answer = connection.rest();
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{tail:?}: {}", answer.escape_ascii());
        server.get(location.as_str()).expect(204);
    }
}

#[test]
fn both_length_and_chunked_encoding_smuggle_nothing() {
    let server = Server::start();
    let location = Repository::new(&server, NAME).start_upload();
    let mut connection = server.connect();
    let request = format!(
        "PATCH {location} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
         Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v2/_catalog HTTP/1.1\r\nHost: a\r\n\r\n"
    );
    connection.write(request.as_bytes()).unwrap();
    connection.finish();
    let answers = String::from_utf8(connection.rest()).unwrap();
    // RFC 9112, section 6.3: refuse it, or take the chunked length and close after the answer.
    assert!(!answers.contains("repositories"), "{answers}");
}

#[test]
fn a_request_has_exactly_one_host() {
    let server = Server::start();
    for (hosts, status) in [
        ("Host: a\r\n", 200),
        ("Host: a:5000\r\n", 200),
        ("Host: [::1]:5000\r\n", 200),
        ("", 400),
        ("Host: a\r\nHost: a\r\n", 400),
        ("Host: a\r\nHost: b\r\n", 400),
        ("Host: a b\r\n", 400),
        ("Host: user@a\r\n", 400),
        ("Host: a:port\r\n", 400),
        ("Host: [::1]a\r\n", 400),
    ] {
        for target in ["/v2/", "/"] {
            let mut connection = server.connect();
            let request = format!("GET {target} HTTP/1.1\r\n{hosts}\r\n");
            connection.write(request.as_bytes()).unwrap();
            let answer = connection.receive("GET").unwrap();
            assert_eq!(answer.status, status, "{hosts:?}: {answer}");
            if status == 400 {
                answer.error_code();
                assert!(connection.rest().is_empty(), "the connection is closed");
            }
        }
    }
    let mut connection = server.connect();
    connection.write(b"GET /v2/ HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(connection.receive("GET").unwrap().status, 200, "HTTP/1.0 knows no Host");
}

#[test]
fn a_body_in_another_coding_than_chunked_is_refused() {
    let server = Server::start();
    let location = Repository::new(&server, NAME).start_upload();
    for coding in ["gzip, chunked", "chunked, chunked", "identity, chunked"] {
        let mut connection = server.connect();
        let request = format!(
            "PATCH {location} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {coding}\r\n\r\n\
             5\r\nhello\r\n0\r\n\r\n"
        );
        connection.write(request.as_bytes()).unwrap();
        let answer = connection.receive("PATCH").unwrap();
        assert_eq!((answer.status, answer.the("Connection")), (501, "close"), "{coding}");
        answer.error_code();
        assert!(connection.rest().is_empty());
    }
    assert_eq!(server.get(location).expect(204).the("Range"), "0-0", "nothing was taken in");
}

#[test]
fn who_waits_for_a_100_and_is_refused_is_told_that_the_connection_ends() {
    let server = Server::start();
    for path in ["/v2/BAD/manifests/v1", "/v2/a/manifests/v1?tag=-bad", "/v2/a/tags/list"] {
        let mut connection = server.connect();
        let request = format!(
            "PUT {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        );
        connection.write(request.as_bytes()).unwrap();
        let answer = connection.receive_any("PUT").unwrap();
        assert!(answer.status >= 400, "{answer}");
        assert_eq!(answer.the("Connection"), "close");
        assert!(connection.rest().is_empty());
    }
}

#[test]
fn wrong_methods_of_pages_are_refused_as_everywhere() {
    let server = Server::start();
    for (method, path) in [("DELETE", "/"), ("POST", "/healthz"), ("PUT", "/metrics")] {
        let refused = server.request(method, path).refused(405, "UNSUPPORTED");
        assert_eq!(refused.the("Docker-Distribution-Api-Version"), "registry/2.0");
        assert!(refused.the("Allow").contains("GET"));
    }
}

#[test]
fn pulls_of_clients_that_have_gone_end_at_once() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let digest = repository.push(&blob("pulled by the gone", 24 * 1024 * 1024));
    let before = open_files(&server);
    for i in 0..20 {
        let mut connection = server.connect();
        connection.write(&repository.blob(&digest).to_bytes()).unwrap();
        if i % 2 == 0 {
            connection.finish();
        }
        connection.wait_for_bytes();
    }
    // Half of the time that a client may take nothing: these are not waited for.
    wait_for_files_to_close(&server, before + 4);
}

#[test]
fn clients_that_vanish_leave_nothing_behind() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("vanishing", 200_000);
    let digest = sha256(&bytes);
    let before = open_files(&server);
    for i in 0..50 {
        let put = repository.put(
            "v1",
            &crate::content::Manifest {
                bytes: bytes.clone(),
                media_type: crate::content::IMAGE.to_owned(),
            },
        );
        let post = server.post(crate::repository::with_digest(&repository.uploads_path(), &digest));
        for request in [put, post.body(bytes.as_slice())] {
            let request = request.to_bytes();
            let mut connection = server.connect();
            connection.write(&request[..request.len() * (i + 1) / 60]).unwrap();
        }
    }
    wait_for_files_to_close(&server, before + 4);
    repository.blob_head(&digest).expect(404);
    repository.manifest_head("v1").expect(404);
}

/// Waits until the server has at most `count` files open.
fn wait_for_files_to_close(server: &Server, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    while open_files(server) > count {
        assert!(Instant::now() < deadline, "{} files are open", open_files(server));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn open_files(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count()
}

#[test]
fn bad_requests_store_nothing() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    repository.push_named("v1");
    let before = files(server.root());
    for request in [
        server.post("/v2/BAD/blobs/uploads/").body("x"),
        server
            .post(crate::repository::with_digest(&repository.uploads_path(), "sha256:bad"))
            .body("x"),
        server.put(repository.manifest_path("v2")).body("{}"),
        server.put(repository.manifest_path("-bad")).body("{}"),
        server.get("/v2/no/such/manifests/latest"),
        server.head(repository.blob_path(&sha256(b"no"))),
        server.delete("/v2/no/such/manifests/latest"),
    ] {
        assert!(request.send().status >= 400);
    }
    assert_eq!(files(server.root()), before);
}
