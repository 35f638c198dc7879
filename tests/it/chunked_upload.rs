//! Upload sessions (end-5, end-6, end-13, end-14): order, status, the address that never changes,
//! resuming, cancelling.

use crate::content::{blob, sha256};
use crate::harness::Server;
use crate::repository::{Repository, with_digest};

const NAME: &str = "library/chunks";

#[test]
fn the_status_tells_what_is_held() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let location = repository.start_upload();
    let fresh = server.get(location.as_str()).expect(204);
    assert_eq!(fresh.the("Range"), "0-0");
    assert_eq!(fresh.location(), location);
    assert!(location.contains(fresh.the("Docker-Upload-UUID")));

    let patched = repository.patch(&location, 0, b"0123456789").expect(202);
    assert_eq!(patched.the("Range"), "0-9");
    assert!(patched.location().contains(patched.the("Docker-Upload-UUID")));
    for target in [patched.location(), with_digest(&patched.location(), &sha256(b"0123456789"))] {
        let status = server.get(target).expect(204);
        assert_eq!(status.the("Range"), "0-9");
        assert_eq!(status.location(), patched.location());
    }
}

#[test]
fn the_first_address_works_to_the_end() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let first = repository.start_upload();
    repository.patch(&first, 0, b"aaaa").expect(202);
    repository.patch(&first, 0, b"aaaa").refused(416, "RANGE_INVALID");
    assert_eq!(server.get(first.as_str()).expect(204).the("Range"), "0-3");
    repository.patch(&first, 4, b"bbbb").expect(202);
    repository.close(&first, &sha256(b"aaaabbbb")).expect(201);
}

#[test]
fn chunks_out_of_order_change_nothing() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let location = repository.start_upload();
    repository.patch(&location, 5, b"first").refused(416, "RANGE_INVALID");
    repository.patch(&location, 0, b"01234").expect(202);
    for offset in [0, 3, 4, 6, 1000, usize::MAX / 2] {
        let refused = repository.patch(&location, offset, b"56789").refused(416, "RANGE_INVALID");
        assert_eq!(refused.the("Range"), "0-4", "where to go on");
        assert_eq!(refused.location(), location);
    }
    let digest = sha256(b"0123456789");
    let close = repository.close(&location, &digest).header("Content-Range", "0-4");
    let refused = close.body("56789").refused(416, "RANGE_INVALID");
    assert_eq!(refused.the("Range"), "0-4");
    repository.patch(&location, 5, b"56789").expect(202);
    repository.close(&location, &digest).expect(201);
    assert_eq!(repository.blob(&digest).expect(200).body, b"0123456789");
}

#[test]
fn the_last_chunk_may_come_with_the_closing() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    for content_range in [Some("5-9"), Some("bytes 5-9/10"), None] {
        let location = repository.start_upload();
        repository.patch(&location, 0, b"01234").expect(202);
        let close = repository.close(&location, &sha256(b"0123456789"));
        let close = content_range.into_iter().fold(close, |r, v| r.header("Content-Range", v));
        close.body("56789").expect(201);
    }
}

#[test]
fn a_chunk_range_may_be_written_as_http_does() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let location = repository.start_upload();
    for (range, part) in [("bytes 0-3/*", "0123"), ("bytes 4-7/8", "4567")] {
        server.patch(location.as_str()).header("Content-Range", range).body(part).expect(202);
    }
    repository.close(&location, &sha256(b"01234567")).expect(201);
}

#[test]
fn a_range_that_does_not_fit_its_chunk_is_refused() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let location = repository.start_upload();
    repository.patch(&location, 0, b"0123").expect(202);
    for range in ["4-9", "4-5", "7-4", "4-", "-4", "4", "a-b", "bytes */*", "4-7-9", "-"] {
        let patch = server.patch(location.as_str()).header("Content-Range", range);
        let response = patch.body("4567").send();
        assert!(matches!(response.status, 400 | 416), "{range}: {response}");
        assert_eq!(server.get(location.as_str()).expect(204).the("Range"), "0-3", "{range}");
    }
    repository.close(&location, &sha256(b"0123")).expect(201);
}

#[test]
fn chunks_without_a_range_are_appended() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let location = repository.start_upload();
    assert_eq!(server.patch(location.as_str()).body("ab").expect(202).the("Range"), "0-1");
    assert_eq!(server.patch(location.as_str()).chunked("cd").expect(202).the("Range"), "0-3");
    assert_eq!(server.patch(location.as_str()).expect(202).the("Range"), "0-3");
    repository.close(&location, &sha256(b"abcd")).expect(201);
}

#[test]
fn a_cancelled_session_is_gone() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let location = repository.start_upload();
    repository.patch(&location, 0, b"some").expect(202);
    let cancelled = server.delete(location.as_str()).expect(204);
    assert_eq!(cancelled.body, b"");
    server.get(location.as_str()).refused(404, "BLOB_UPLOAD_UNKNOWN");
    server.delete(location.as_str()).refused(404, "BLOB_UPLOAD_UNKNOWN");
    repository.patch(&location, 4, b"more").refused(404, "BLOB_UPLOAD_UNKNOWN");
    repository.close(&location, &sha256(b"some")).refused(404, "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(crate::durability::files(server.root()).iter().filter(|(_, s)| *s == 4).count(), 0);
}

#[test]
fn a_session_belongs_to_its_repository() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let location = repository.start_upload();
    let elsewhere = location.replace(NAME, "library/elsewhere");
    server.get(elsewhere.as_str()).refused(404, "BLOB_UPLOAD_UNKNOWN");
    repository.patch(&elsewhere, 0, b"x").refused(404, "BLOB_UPLOAD_UNKNOWN");
    server.delete(elsewhere).expect(404);
    server.get(location).expect(204);
}

#[test]
fn an_unknown_session_is_not_found() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let unknown = format!("{}00000000-0000-4000-8000-000000000000", repository.uploads_path());
    server.get(unknown.as_str()).refused(404, "BLOB_UPLOAD_UNKNOWN");
    repository.patch(&unknown, 0, b"x").refused(404, "BLOB_UPLOAD_UNKNOWN");
    repository.close(&unknown, &sha256(b"x")).body("x").refused(404, "BLOB_UPLOAD_UNKNOWN");
    server.delete(unknown).refused(404, "BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn a_wrong_digest_ends_the_session() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let location = repository.start_upload();
    repository.patch(&location, 0, b"some").expect(202);
    repository.close(&location, &sha256(b"other")).refused(400, "DIGEST_INVALID");
    server.get(location.as_str()).refused(404, "BLOB_UPLOAD_UNKNOWN");
    repository.close(&location, &sha256(b"some")).refused(404, "BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn what_arrived_before_the_client_vanished_is_kept() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("vanished", 3_000_000);
    let location = repository.start_upload();
    let request = repository.patch(&location, 0, &bytes).to_bytes();
    let mut connection = server.connect();
    connection.write(&request[..request.len() - 1_000_000]).unwrap();
    drop(connection);

    let held = wait_for_bytes(&server, &location);
    assert!(held <= 2_000_000, "more than was sent: {held}");
    resume(&repository, &location, &bytes);
}

#[test]
fn one_request_at_a_time_sends_into_a_session() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("two senders", 2_000_000);
    let location = repository.start_upload();
    let request = repository.patch(&location, 0, &bytes).to_bytes();
    let (begun, rest) = request.split_at(request.len() - 1_000_000);
    let mut first = server.connect();
    first.write(begun).unwrap();
    wait_for_bytes(&server, &location);

    let second = repository.patch(&location, 0, &bytes[..10]).expect(409);
    assert_eq!(second.error_code(), "BLOB_UPLOAD_INVALID");
    assert_eq!(second.location(), location, "where to ask again");
    server.delete(location.as_str()).refused(409, "BLOB_UPLOAD_INVALID");
    first.write(rest).unwrap();
    assert_eq!(first.receive("PATCH").unwrap().expect("first", 202).the("Range"), "0-1999999");
    repository.close(&location, &sha256(&bytes)).expect(201);
    assert!(repository.blob(&sha256(&bytes)).expect(200).body == bytes, "other bytes");
}

#[test]
fn a_retry_takes_over_from_a_client_that_has_gone() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("taken over", 2_000_000);
    for round in 0..5 {
        let location = repository.start_upload();
        let request = repository.patch(&location, 0, &bytes).to_bytes();
        let mut first = server.connect();
        first.write(&request[..request.len() - 100_000 * (round + 1)]).unwrap();
        drop(first);
        // At once, as a client with a retry does: the server may not know yet that the first is gone.
        let close = repository.close(&location, &sha256(&bytes)).body(bytes.as_slice());
        let close = close.header("Content-Range", format!("0-{}", bytes.len() - 1)).send();
        assert!(matches!(close.status, 201 | 416), "{close}");
        if close.status == 416 {
            let held = offset(close.the("Range"));
            repository.patch(&location, held, &bytes[held..]).expect(202);
            repository.close(&location, &sha256(&bytes)).expect(201);
        }
        assert!(repository.blob(&sha256(&bytes)).expect(200).body == bytes, "other bytes");
    }
}

/// Goes on with an upload wherever the server says that it stands, as clients do, and closes it.
#[track_caller]
pub(crate) fn resume(repository: &Repository<'_>, location: &str, bytes: &[u8]) {
    let mut held = offset(repository.server.get(location).expect(204).the("Range"));
    let deadline = std::time::Instant::now() + crate::harness::PATIENCE;
    loop {
        let response = repository.patch(location, held, &bytes[held..]).send();
        if response.status == 202 {
            break;
        }
        assert!(matches!(response.status, 409 | 416), "{response}");
        assert!(std::time::Instant::now() < deadline, "{response}");
        held = offset(response.the("Range"));
    }
    let digest = sha256(bytes);
    repository.close(location, &digest).expect(201);
    assert!(repository.blob(&digest).expect(200).body == bytes, "other bytes");
}

/// Asks for the status until bytes are held; gives their number, which may grow still.
pub(crate) fn wait_for_bytes(server: &Server, location: &str) -> usize {
    let deadline = std::time::Instant::now() + crate::harness::PATIENCE;
    loop {
        let held = offset(server.get(location).expect(204).the("Range"));
        if held > 0 {
            return held;
        }
        assert!(std::time::Instant::now() < deadline, "no byte arrives");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// The number of bytes in `0-<last>`; `0-0` counts as none, as no test holds exactly one.
pub(crate) fn offset(range: &str) -> usize {
    match range.strip_prefix("0-").unwrap().parse().unwrap() {
        0 => 0,
        last => last + 1,
    }
}
