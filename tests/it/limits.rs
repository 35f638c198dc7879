//! Limits on what a client can take: headers, time, connections, sessions and bytes. Each has a
//! name and a setting.

use crate::content::{blob, sha256};
use crate::harness::{PATIENCE, Server, Setup};
use crate::repository::Repository;
use std::time::{Duration, Instant};

const NAME: &str = "library/limits";

/// Whether the server refuses what was written, by an answer or by hanging up.
fn is_refused(answer: &[u8]) -> bool {
    answer.is_empty() || answer.starts_with(b"HTTP/1.1 4")
}

#[test]
fn a_flood_of_headers() {
    let server = Server::start();
    let many: String = (0..5000).map(|i| format!("X-{i}: {i}\r\n")).collect();
    let large = format!("X-Large: {}\r\n", "a".repeat(1 << 20));
    for headers in [many, large] {
        let mut connection = server.connect();
        let _ =
            connection.write(format!("GET /v2/ HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes());
        connection.finish();
        assert!(is_refused(&connection.rest()));
    }
    // What Go and containerd send, and a token of some kilobytes, are no flood.
    let get = (0..40).fold(server.get("/v2/"), |get, i| get.header(&format!("X-{i}"), "value"));
    get.header("Authorization", format!("Bearer {}", "a".repeat(12_000))).expect(200);
}

#[test]
fn a_path_without_end() {
    let server = Server::start();
    for length in [10_000, 1 << 20] {
        let mut connection = server.connect();
        let path = "a/".repeat(length / 2);
        let request = format!("GET /v2/{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let _ = connection.write(request.as_bytes());
        connection.finish();
        assert!(is_refused(&connection.rest()));
    }
    server.get("/v2/").expect(200);
}

#[test]
fn headers_that_never_end_are_cut_off() {
    let server = Setup::new().arguments(["--header-time-max", "1s"]).start();
    let start = Instant::now();
    let mut connection = server.connect();
    connection.write(b"GET /v2/ HTTP/1.1\r\nHost: a\r\nX-Slow: ").unwrap();
    assert!(is_refused(&connection.rest()));
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn a_trickle_of_headers_is_cut_off_too() {
    let server = Setup::new().arguments(["--header-time-max", "1s"]).start();
    let start = Instant::now();
    let mut connection = server.connect();
    connection.write(b"GET /v2/ HTTP/1.1\r\nHost: a\r\n").unwrap();
    while connection.write(b"X-A: b\r\n").is_ok() {
        assert!(start.elapsed() < PATIENCE, "still listening");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_body_that_stops_is_given_up_and_what_came_is_kept() {
    let server = Setup::new().arguments(["--body-idle-max", "1s"]).start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("stalled", 1_000_000);
    let location = repository.start_upload();
    let request = repository.patch(&location, 0, &bytes).to_bytes();
    let mut connection = server.connect();
    connection.write(&request[..request.len() - 400_000]).unwrap();
    let answer = connection.rest();
    assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", answer.escape_ascii());

    crate::chunked_upload::resume(&repository, &location, &bytes);
}

#[test]
fn a_reader_that_stops_is_given_up() {
    let server = Setup::new().arguments(["--body-idle-max", "1s"]).start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("not taken", 24 * 1024 * 1024);
    let digest = repository.push(&bytes);
    let mut connection = server.connect();
    connection.write(&repository.blob(&digest).to_bytes()).unwrap();
    connection.wait_for_bytes();
    // A connection is gone for the server when its socket is.
    let is_served = || {
        let port = format!(":{:04X} ", connection.local_port());
        let sockets = std::fs::read_to_string(format!("/proc/{}/net/tcp", server.pid())).unwrap();
        let mut lines = sockets.lines().filter(|line| line.contains(&port));
        // Fields: number, own address, the other address, state, queues, …, inode (0: no owner).
        lines.any(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            fields[2].ends_with(port.trim()) && fields[9] != "0"
        })
    };
    let deadline = Instant::now() + PATIENCE;
    while is_served() {
        assert!(Instant::now() < deadline, "still served");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(connection.receive("GET").is_err(), "not the whole body");
}

#[test]
fn an_idle_connection_is_closed() {
    let server = Setup::new().arguments(["--idle-time-max", "1s"]).start();
    let start = Instant::now();
    let mut connection = server.connect();
    assert_eq!(connection.send(&server.get("/v2/")).status, 200);
    assert_eq!(connection.rest(), b"");
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn connections_beyond_the_limit_wait_for_their_turn() {
    let server = Setup::new().arguments(["--connections-max", "4"]).start();
    let mut held: Vec<_> = (0..4)
        .map(|_| {
            let mut connection = server.connect();
            assert_eq!(connection.send(&server.get("/v2/")).status, 200);
            connection
        })
        .collect();
    let waiting = std::thread::spawn({
        let request = server.get("/v2/");
        move || request.send().status
    });
    std::thread::sleep(Duration::from_millis(200));
    drop(held.pop());
    let status = waiting.join().unwrap();
    assert!(matches!(status, 200 | 503), "{status}");
    // Those that were in are still served.
    for connection in &mut held {
        assert_eq!(connection.send(&server.get("/v2/")).status, 200);
    }
}

#[test]
fn hundreds_of_connections_are_served() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("shared", 100_000);
    let digest = repository.push(&bytes);
    let request = repository.blob(&digest);
    let mut connections: Vec<_> = (0..300).map(|_| server.connect()).collect();
    for connection in &mut connections {
        connection.write(&request.to_bytes()).unwrap();
    }
    for connection in &mut connections {
        assert!(connection.receive("GET").unwrap().body == bytes, "other bytes");
    }
}

#[test]
fn the_number_of_sessions_is_bounded() {
    let server = Setup::new().arguments(["--upload-count-max", "5"]).start();
    let repository = Repository::new(&server, NAME);
    let sessions: Vec<_> = (0..5).map(|_| repository.start_upload()).collect();
    server.post(repository.uploads_path()).refused(429, "TOOMANYREQUESTS");
    server.delete(sessions[0].as_str()).expect(204);
    repository.start_upload();
    for location in &sessions[1..] {
        server.get(location.as_str()).expect(204);
    }
}

#[test]
fn blobs_larger_than_allowed_are_refused() {
    let server = Setup::new().arguments(["--blob-size-max", "100KiB"]).start();
    let repository = Repository::new(&server, NAME);
    repository.push(&blob("fits", 100 * 1024));
    let large = blob("does not fit", 100 * 1024 + 1);
    let location = repository.start_upload();
    repository.close(&location, &sha256(&large)).body(large.as_slice()).expect(413).error_code();
    let location = repository.start_upload();
    server.patch(location).chunked(large.as_slice()).expect(413).error_code();
    repository.blob_head(&sha256(&large)).expect(404);
}

#[test]
fn sessions_that_nobody_uses_go() {
    let setup = Setup::new()
        .variable("REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_ENABLED", "true")
        .variable("REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE", "1s")
        .variable("REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_INTERVAL", "1s");
    let server = setup.start();
    let repository = Repository::new(&server, NAME);
    let location = repository.start_upload();
    repository.patch(&location, 0, b"forgotten").expect(202);
    let before = crate::durability::files(server.root()).len();
    let deadline = Instant::now() + PATIENCE;
    // Not by asking for the session: that would be using it.
    while crate::durability::files(server.root()).len() >= before {
        assert!(
            Instant::now() < deadline,
            "still there: {:?}",
            crate::durability::files(server.root())
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    server.get(location).refused(404, "BLOB_UPLOAD_UNKNOWN");
}
