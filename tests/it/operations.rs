//! Running it: health, metrics, the end by SIGTERM, and what the log says about pushes and pulls.

use crate::content::{blob, sha256};
use crate::harness::{PATIENCE, Server, Setup};
use crate::repository::Repository;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

const NAME: &str = "library/operations";

#[test]
fn health_is_answered_on_the_same_port() {
    let server = Server::start();
    for target in ["/healthz", "/readyz"] {
        server.get(target).expect(200);
        server.head(target).expect(200);
    }
}

/// The samples in Prometheus' text format, each with its labels as written.
fn samples(text: &str) -> Vec<(String, f64)> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?}"));
        (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("{line:?}")))
    };
    lines.map(sample).collect()
}

#[test]
fn metrics_count_what_is_pushed_and_pulled() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let metrics = || {
        let response = server.get("/metrics").expect(200);
        assert!(response.the("Content-Type").contains("text"), "{response}");
        samples(std::str::from_utf8(&response.body).unwrap())
    };
    metrics();
    let bytes = blob("counted", 123_457);
    let digest = repository.push(&bytes);
    let after_push = metrics();
    assert!(after_push.iter().any(|(_, value)| *value >= 123_457.0), "bytes in: {after_push:?}");
    for _ in 0..3 {
        repository.blob(&digest).expect(200);
    }
    let after_pull = metrics();
    assert!(
        after_pull.iter().any(|(_, value)| *value >= 3.0 * 123_457.0),
        "bytes out: {after_pull:?}"
    );
    assert!(after_pull.iter().all(|(name, _)| !name.contains("library")), "names are no labels");
}

#[test]
fn health_and_metrics_may_have_an_address_of_their_own() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Setup::new().arguments(["--admin-listen", &free.to_string()]).start();
    let admin =
        |target: &str| crate::wire::Request::new(free, "GET", target.to_owned()).send().status;
    for target in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(admin(target), 200, "{target}");
        server.get(target).expect(404);
    }
    assert_eq!(admin("/v2/"), 404);
}

#[test]
fn it_listens_on_several_addresses_and_on_ipv6() {
    if TcpListener::bind("[::1]:0").is_err() {
        return crate::harness::left_out("listening on IPv6", "there is no [::1] here");
    }
    let server = Setup::new().arguments(["--listen", "[::1]:0"]).start();
    let line = server.log_line(|line| line.contains("listening on [::1]:"));
    let (_, rest) = line.split_once("listening on ").unwrap();
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let second: SocketAddr = rest[..end].trim_end_matches(',').parse().unwrap();
    let request = crate::wire::Request::new(second, "GET", "/v2/".to_owned());
    assert_eq!(request.send().status, 200);
    server.get("/v2/").expect(200);
}

#[test]
fn sigterm_lets_a_push_finish() {
    let mut server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("in flight", 600_000);
    let location = repository.start_upload();
    let request = repository.close(&location, &sha256(&bytes)).body(bytes.as_slice()).to_bytes();
    let mut connection = server.connect();
    connection.write(&request[..request.len() - 300_000]).unwrap();
    crate::chunked_upload::wait_for_bytes(&server, &location);
    server.terminate();
    wait_until_closed(server.address());
    connection.write(&request[request.len() - 300_000..]).unwrap();
    assert_eq!(connection.receive("PUT").unwrap().status, 201);
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn sigterm_lets_a_pull_finish() {
    let mut server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("being read", 24 * 1024 * 1024);
    let digest = repository.push(&bytes);
    let mut connection = server.connect();
    connection.write(&repository.blob(&digest).to_bytes()).unwrap();
    server.terminate();
    wait_until_closed(server.address());
    assert!(connection.receive("GET").unwrap().body == bytes, "other bytes");
    assert_eq!(server.exit_code(), 0);
}

/// Whether it waits in the system, has just been accepted or is being read.
#[test]
fn sigterm_lets_requests_that_have_come_be_answered() {
    for _ in 0..3 {
        let mut server = Server::start();
        let mut connections: Vec<_> = (0..60).map(|_| server.connect()).collect();
        for connection in &mut connections {
            connection.write(&server.get("/v2/").to_bytes()).unwrap();
        }
        server.terminate();
        for connection in &mut connections {
            assert_eq!(connection.receive("GET").unwrap().status, 200);
        }
        assert_eq!(server.exit_code(), 0);
    }
}

#[test]
fn sigterm_does_not_wait_for_idle_connections() {
    let mut server = Server::start();
    let mut idle: Vec<_> = (0..5).map(|_| server.connect()).collect();
    for connection in &mut idle[..3] {
        assert_eq!(connection.send(&server.get("/v2/")).status, 200);
    }
    let start = Instant::now();
    server.terminate();
    assert_eq!(server.exit_code(), 0);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[test]
fn sigterm_does_not_wait_for_ever() {
    let mut server = Server::start();
    let repository = Repository::new(&server, NAME);
    let location = repository.start_upload();
    let mut hanging = server.connect();
    let request = repository.patch(&location, 0, &blob("hanging", 2_000_000)).to_bytes();
    hanging.write(&request[..1_500_000]).unwrap();
    crate::chunked_upload::wait_for_bytes(&server, &location);
    let start = Instant::now();
    server.terminate();
    assert_eq!(server.exit_code(), 0);
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

/// Waits until nobody listens any more.
fn wait_until_closed(address: SocketAddr) {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_ok() {
        assert!(Instant::now() < deadline, "still listening");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_push_is_one_line() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    repository.push_named("v1");
    let is_push = |line: &str| line.contains("push") && line.contains(NAME);
    let line = server.log_line(is_push);
    assert!(line.contains("v1"), "the tag: {line}");
    repository.push_named("v2");
    server.log_line(|line| is_push(line) && line.contains("v2"));
    assert_eq!(server.log().lines().filter(|line| is_push(line)).count(), 2, "{}", server.log());
}

#[test]
fn a_pull_is_one_line_once_it_is_over() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let digest = repository.push_named("v1");
    let (blobs, _) = crate::content::image(crate::content::Algorithm::Sha256, "v1");
    repository.manifest_head("v1").expect(200);
    repository.manifest(&digest).expect(200);
    for bytes in &blobs {
        repository.blob(&sha256(bytes)).expect(200);
    }
    let is_pull = |line: &str| line.contains("pull") && line.contains(NAME);
    server.log_line(is_pull);
    assert_eq!(server.log().lines().filter(|line| is_pull(line)).count(), 1, "{}", server.log());
}

#[test]
fn the_log_is_json_on_request() {
    let server = Setup::new().arguments(["--log-format", "json"]).start();
    Repository::new(&server, NAME).push_named("v1");
    server.log_line(|line| line.contains("push") && line.contains(NAME));
    for line in server.log().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    }
}

#[test]
fn what_clients_send_cannot_forge_a_log_line() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let mut get = server.get("/v2/x%0a%1b[31mforged%20line/tags/list");
    get = get.header("User-Agent", "agent\u{1b}[31m red");
    get.send();
    repository
        .put(
            "v1",
            &crate::content::Manifest {
                bytes: b"{\"mediaType\":\"x\\nforged line\"}".to_vec(),
                media_type: "x".to_owned(),
            },
        )
        .send();
    repository.push_named("v1");
    server.log_line(|line| line.contains("push"));
    let log = server.log();
    assert!(!log.contains('\u{1b}'), "{}", log.escape_debug());
    assert!(!log.lines().any(|line| line.starts_with("forged line")), "{log}");
}
