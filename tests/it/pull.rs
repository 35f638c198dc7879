//! Pulling blobs and manifests (end-2, end-3): whole, in ranges, under conditions, and by HEAD.

use crate::content::{Algorithm, IMAGE, blob, image, sha256};
use crate::harness::Server;
use crate::repository::Repository;
use crate::wire::Response;
use std::ops::Range;

const LENGTH: usize = 2048;

/// A server with one blob of `LENGTH` bytes.
fn with_blob(server: &Server) -> (Repository<'_>, Vec<u8>, String) {
    let repository = Repository::new(server, "library/pull");
    let bytes = blob("pull", LENGTH);
    let digest = repository.push(&bytes);
    (repository, bytes, digest)
}

#[test]
fn a_blob_comes_with_all_that_caches_and_clients_need() {
    let server = Server::start();
    let (repository, bytes, digest) = with_blob(&server);
    let get = repository.blob(&digest).expect(200);
    assert_eq!(get.body, bytes);
    let head = repository.blob_head(&digest).expect(200);
    for response in [&get, &head] {
        assert_eq!(response.the("Content-Length"), "2048");
        assert_eq!(response.the("Content-Type"), "application/octet-stream");
        assert_eq!(response.the("Docker-Content-Digest"), digest);
        assert_eq!(response.the("ETag"), format!("\"{digest}\""));
        assert_eq!(response.the("Accept-Ranges"), "bytes");
        assert!(response.the("Cache-Control").contains("max-age=31536000"), "{response}");
    }
}

#[test]
fn a_manifest_comes_as_it_was_pushed() {
    let server = Server::start();
    let repository = Repository::new(&server, "library/pull");
    let (blobs, manifest) = image(Algorithm::Sha256, "as pushed");
    let digest = repository.push_image("v1", &blobs, &manifest);
    for reference in ["v1", &digest] {
        let get = repository.manifest(reference).expect(200);
        assert_eq!(get.body, manifest.bytes);
        let head = repository.manifest_head(reference).expect(200);
        for response in [&get, &head] {
            assert_eq!(response.the("Content-Length"), manifest.bytes.len().to_string());
            assert_eq!(response.the("Content-Type"), IMAGE);
            assert_eq!(response.the("Docker-Content-Digest"), digest);
            assert_eq!(response.the("ETag"), format!("\"{digest}\""));
        }
    }
}

#[test]
fn nothing_is_compressed_on_the_way() {
    let server = Server::start();
    let repository = Repository::new(&server, "library/pull");
    let bytes = vec![b'a'; 100_000];
    let digest = repository.push(&bytes);
    for accepted in ["gzip", "zstd, gzip, deflate", "br;q=1.0, *;q=0.5"] {
        let get = repository.blob(&digest).header("Accept-Encoding", accepted).expect(200);
        assert_eq!(get.header("Content-Encoding"), None);
        assert_eq!(get.the("Content-Length"), "100000");
    }
}

#[test]
fn ranges_that_can_be_served() {
    let server = Server::start();
    let (repository, bytes, digest) = with_blob(&server);
    for (range, part) in [
        ("bytes=0-0", 0..1),
        ("bytes=0-", 0..LENGTH),
        ("bytes=500-1499", 500..1500),
        ("bytes=500-", 500..LENGTH),
        ("bytes=-500", LENGTH - 500..LENGTH),
        ("bytes=-1", LENGTH - 1..LENGTH),
        ("bytes=-9999", 0..LENGTH),
        ("bytes=2000-5000", 2000..LENGTH),
        ("bytes=2047-2047", 2047..LENGTH),
        ("bytes=2047-18446744073709551615", 2047..LENGTH),
        ("bytes= 1-2", 1..3),
    ] {
        let get = repository.blob(&digest).header("Range", range).expect(206);
        let content_range = format!("bytes {}-{}/{LENGTH}", part.start, part.end - 1);
        assert_eq!(get.the("Content-Range"), content_range, "{range}");
        assert_eq!(get.the("Content-Length"), part.len().to_string(), "{range}");
        assert_eq!(get.the("Docker-Content-Digest"), digest, "{range}");
        assert!(get.body == bytes[part], "{range}: other bytes");
    }
}

#[test]
fn ranges_that_cannot_be_served() {
    let server = Server::start();
    let (repository, _, digest) = with_blob(&server);
    for range in ["bytes=500-0", "bytes=2048-", "bytes=5000-10000", "bytes=-0", "bytes=4000-,3000-"]
    {
        let get = repository.blob(&digest).header("Range", range).expect(416);
        assert_eq!(get.the("Content-Range"), "bytes */2048", "{range}");
        assert_ne!(get.the("Content-Length"), "2048", "{range}");
    }
    let empty = repository.push(b"");
    repository.blob(&empty).header("Range", "bytes=0-0").expect(416);
}

#[test]
fn ranges_that_are_not_understood_are_ignored() {
    let server = Server::start();
    let (repository, bytes, digest) = with_blob(&server);
    for range in ["lines=1-2", "bytes", "bytes=", "bytes=a-b", "bytes=1", "bytes=--1", ""] {
        let get = repository.blob(&digest).header("Range", range).expect(200);
        assert_eq!(get.body, bytes, "{range}");
    }
}

#[test]
fn a_range_on_the_first_get_after_a_start() {
    let server = Server::start();
    let (_, bytes, digest) = with_blob(&server);
    let server = server.restart();
    let repository = Repository::new(&server, "library/pull");
    let get = repository.blob(&digest).header("Range", "bytes=1-3").expect(206);
    assert_eq!(get.body, bytes[1..4]);
}

#[test]
fn a_range_belongs_to_get_alone() {
    let server = Server::start();
    let (repository, _, digest) = with_blob(&server);
    // RFC 9110, section 14.2: a Range on another method is ignored.
    let head = repository.blob_head(&digest).header("Range", "bytes=0-9").expect(200);
    assert_eq!(head.the("Content-Length"), "2048");
}

/// The parts of a `multipart/byteranges` body (RFC 9110, section 14.6), checked to the last byte.
fn parts(response: &Response) -> Vec<(String, Vec<u8>)> {
    let content_type = response.the("Content-Type");
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let delimiter = format!("--{}", boundary.trim_matches('"')).into_bytes();
    let mut rest = response.body.as_slice();
    let mut parts = Vec::new();
    loop {
        rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
        rest = rest.strip_prefix(delimiter.as_slice()).expect("a delimiter");
        if let Some(end) = rest.strip_prefix(b"--") {
            assert!(end.is_empty() || end == b"\r\n", "{} bytes after the end", end.len());
            return parts;
        }
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(rest[..end].to_vec()).unwrap();
        let range = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("Content-Range").then(|| value.to_owned())
        });
        let range = range.unwrap_or_else(|| panic!("no Content-Range in {head:?}"));
        let (first, last) =
            range["bytes ".len()..range.find('/').unwrap()].split_once('-').unwrap();
        let length = last.parse::<usize>().unwrap() - first.parse::<usize>().unwrap() + 1;
        parts.push((range, rest[end + 4..][..length].to_vec()));
        rest = &rest[end + 4 + length..];
    }
}

#[track_caller]
fn check_parts(response: &Response, bytes: &[u8], wanted: &[Range<usize>]) {
    let found = parts(response);
    assert_eq!(response.the("Content-Length"), response.body.len().to_string());
    assert_eq!(found.len(), wanted.len());
    for ((content_range, part), range) in found.iter().zip(wanted) {
        let expected = format!("bytes {}-{}/{}", range.start, range.end - 1, bytes.len());
        assert_eq!(*content_range, expected);
        assert!(*part == bytes[range.clone()], "{content_range}: other bytes");
    }
}

#[test]
fn several_ranges_come_as_parts_in_the_order_asked() {
    let server = Server::start();
    let (repository, bytes, digest) = with_blob(&server);
    let get = repository.blob(&digest).header("Range", "bytes=1000-1099, 0-9,-5").expect(206);
    assert_eq!(get.header("Content-Range"), None);
    check_parts(&get, &bytes, &[1000..1100, 0..10, 2043..2048]);
}

#[test]
fn hundreds_of_ranges_come_as_parts() {
    let server = Server::start();
    let (repository, bytes, digest) = with_blob(&server);
    let wanted: Vec<_> = (0..600).map(|i| i * 3..i * 3 + 2).collect();
    let range = wanted.iter().map(|r| format!("{}-{}", r.start, r.end - 1)).collect::<Vec<_>>();
    let get = repository.blob(&digest).header("Range", format!("bytes={}", range.join(",")));
    check_parts(&get.expect(206), &bytes, &wanted);
}

#[test]
fn too_many_ranges_are_a_400_that_makes_clients_ask_for_fewer() {
    let server = Server::start();
    let (repository, _, digest) = with_blob(&server);
    let ranges = vec!["0-0"; 5000].join(",");
    repository.blob(&digest).header("Range", format!("bytes={ranges}")).expect(400);
}

#[test]
fn overlapping_ranges_make_no_answer_larger_than_the_blob() {
    let server = Server::start();
    let (repository, _, digest) = with_blob(&server);
    for ranges in ["0-,0-".to_owned(), vec!["0-"; 1000].join(",")] {
        let get = repository.blob(&digest).header("Range", format!("bytes={ranges}"));
        get.refused(400, "RANGE_INVALID");
    }
}

#[test]
fn who_asks_and_closes_its_half_gets_the_answer() {
    let server = Server::start();
    let repository = Repository::new(&server, "library/half");
    let bytes = crate::content::blob("half closed", 24 * 1024 * 1024);
    let digest = repository.push(&bytes);
    let mut connection = server.connect();
    connection.write(&repository.blob(&digest).to_bytes()).unwrap();
    connection.finish();
    assert!(connection.receive("GET").unwrap().body == bytes, "other bytes");
    assert!(connection.rest().is_empty(), "the server closes its half, too");

    let location = repository.start_upload();
    let closing = repository.close(&location, &crate::content::sha256(b"half")).body("half");
    let mut connection = server.connect();
    connection.write(&closing.to_bytes()).unwrap();
    connection.finish();
    assert_eq!(connection.receive("PUT").unwrap().status, 201);
    assert!(connection.rest().is_empty());
}

#[test]
fn a_range_that_cannot_be_served_is_left_out_of_several() {
    let server = Server::start();
    let (repository, bytes, digest) = with_blob(&server);
    let get = repository.blob(&digest).header("Range", "bytes=0-9,9000-9999").expect(206);
    match get.header("Content-Range") {
        Some(range) => assert_eq!((range, get.body.as_slice()), ("bytes 0-9/2048", &bytes[..10])),
        None => check_parts(&get, &bytes, std::slice::from_ref(&(0..10))),
    }
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let server = Server::start();
    let (repository, _, digest) = with_blob(&server);
    let manifest = repository.push_named("conditional");
    for condition in ["\"DIGEST\"", "W/\"DIGEST\"", "\"other\", \"DIGEST\"", "*"] {
        let of = |digest: &str| condition.replace("DIGEST", digest);
        let get = repository.blob(&digest).header("If-None-Match", of(&digest)).expect(304);
        assert_eq!(get.the("ETag"), format!("\"{digest}\""));
        repository.blob_head(&digest).header("If-None-Match", of(&digest)).expect(304);
        for reference in ["conditional", &manifest] {
            let get = repository.manifest(reference).header("If-None-Match", of(&manifest));
            assert_eq!(get.expect(304).the("ETag"), format!("\"{manifest}\""));
        }
    }
    repository.blob(&digest).header("If-None-Match", "\"other\"").expect(200);
    repository.manifest("conditional").header("If-None-Match", "\"other\"").expect(200);
    repository.manifest("absent").header("If-None-Match", "*").expect(404);
}

#[test]
fn a_range_counts_only_while_the_content_is_the_same() {
    let server = Server::start();
    let (repository, _, digest) = with_blob(&server);
    let get = |etag: &str| {
        let get = repository.blob(&digest).header("Range", "bytes=0-9");
        get.header("If-Range", etag).send().status
    };
    assert_eq!(get(&format!("\"{digest}\"")), 206);
    assert_eq!(get("\"other\""), 200);
}

#[test]
fn large_blobs_come_whole_and_from_any_place() {
    let server = Server::start();
    let repository = Repository::new(&server, "library/large");
    let bytes = blob("large", 24 * 1024 * 1024 + 13);
    let digest = repository.push(&bytes);
    assert!(repository.blob(&digest).expect(200).body == bytes, "other bytes");
    for part in [0..1, 1_000_003..9_000_017, bytes.len() - 4096..bytes.len()] {
        let range = format!("bytes={}-{}", part.start, part.end - 1);
        let get = repository.blob(&digest).header("Range", range).expect(206);
        assert!(get.body == bytes[part], "other bytes");
    }
}

#[test]
fn one_connection_serves_many_requests() {
    let server = Server::start();
    let (repository, bytes, digest) = with_blob(&server);
    let mut connection = server.connect();
    for _ in 0..20 {
        assert_eq!(connection.send(&repository.blob(&digest)).body, bytes);
        assert_eq!(connection.send(&repository.blob_head(&digest)).status, 200);
        assert_eq!(connection.send(&repository.blob(&sha256(b"absent"))).status, 404);
    }
}

#[test]
fn requests_may_be_sent_ahead_of_their_answers() {
    let server = Server::start();
    let (repository, bytes, digest) = with_blob(&server);
    let mut connection = server.connect();
    let request = repository.blob(&digest).to_bytes();
    connection.write(&request.repeat(10)).unwrap();
    for _ in 0..10 {
        assert_eq!(connection.receive("GET").unwrap().body, bytes);
    }
}

#[test]
fn a_blob_is_readable_in_its_repositories_alone() {
    let server = Server::start();
    let (_, _, digest) = with_blob(&server);
    let other = Repository::new(&server, "library/other");
    other.blob(&digest).refused(404, "BLOB_UNKNOWN");
    other.blob_head(&digest).expect(404);
}

#[test]
fn what_is_absent_is_not_found() {
    let server = Server::start();
    let (repository, _, _) = with_blob(&server);
    let absent = sha256(b"absent");
    repository.blob(&absent).refused(404, "BLOB_UNKNOWN");
    repository.blob_head(&absent).expect(404);
    repository.manifest("absent").refused(404, "MANIFEST_UNKNOWN");
    repository.manifest(&absent).refused(404, "MANIFEST_UNKNOWN");
    repository.manifest_head("absent").expect(404);
    Repository::new(&server, "no/such").blob(&absent).expect(404);
    Repository::new(&server, "no/such").manifest("latest").expect(404);
}
