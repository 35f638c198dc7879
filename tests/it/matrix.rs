//! Every kind of content, in both digest algorithms, by tag and by digest, through every way to
//! push: pushed, listed, asked for, pulled, referred to and deleted, one after the other in the
//! same repository, as the standard's own conformance program does. All checks run; those that fail
//! are listed at the end.

use crate::content::{Algorithm, Manifest, blob};
use crate::data_set::{self, DataSet};
use crate::harness::{Server, Setup};
use crate::repository::{Push, Repository, referrers, strings, with_digest};
use crate::wire::Response;
use std::panic::AssertUnwindSafe;

/// Counts checks and keeps what failed.
#[derive(Debug, Default)]
struct Checks {
    count: usize,
    failures: Vec<String>,
}

impl Checks {
    fn check(&mut self, what: impl Into<String>, check: impl FnOnce()) {
        self.count += 1;
        if let Err(panic) = std::panic::catch_unwind(AssertUnwindSafe(check)) {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
            self.failures.push(format!("{}: {}", what.into(), text.unwrap_or_default()));
        }
    }

    #[track_caller]
    fn finish(self, name: &str) {
        println!("{name}: {} checks, {} failed", self.count, self.failures.len());
        assert!(self.failures.is_empty(), "{name}:\n{}", self.failures.join("\n"));
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    Tag,
    Digest,
}

#[test]
fn sha256_content_by_tag() {
    content(Algorithm::Sha256, By::Tag);
}

#[test]
fn sha256_content_by_digest() {
    content(Algorithm::Sha256, By::Digest);
}

#[test]
fn sha512_content_by_tag() {
    content(Algorithm::Sha512, By::Tag);
}

#[test]
fn sha512_content_by_digest() {
    content(Algorithm::Sha512, By::Digest);
}

#[test]
fn sha256_blobs_in_every_way() {
    blobs(Algorithm::Sha256);
}

#[test]
fn sha512_blobs_in_every_way() {
    blobs(Algorithm::Sha512);
}

#[test]
fn sparse_manifests_where_they_are_allowed() {
    let server = Setup::new().arguments(["--allow-sparse"]).start();
    for algorithm in Algorithm::ALL {
        let mut checks = Checks::default();
        let round = Round::new(&server, "matrix/sparse", algorithm, By::Tag);
        round.run(&mut checks, &data_set::sparse(algorithm));
        checks.finish(&format!("sparse, {}", algorithm.name()));
    }
}

fn content(algorithm: Algorithm, by: By) {
    let server = Server::start();
    let mut checks = Checks::default();
    let round = Round::new(&server, "matrix/content", algorithm, by);
    for set in data_set::all(algorithm) {
        round.run(&mut checks, &set);
    }
    checks.finish(&format!("content, {}, by {by:?}", algorithm.name()));
}

/// One pass over data sets in one repository.
#[derive(Debug)]
struct Round<'a> {
    repository: Repository<'a>,
    algorithm: Algorithm,
    by: By,
}

impl<'a> Round<'a> {
    fn new(server: &'a Server, name: &'a str, algorithm: Algorithm, by: By) -> Self {
        Self { repository: Repository::new(server, name), algorithm, by }
    }

    fn run(&self, checks: &mut Checks, set: &DataSet) {
        self.push(checks, set);
        if self.by == By::Tag {
            self.list(checks, set);
        }
        self.pull(checks, set);
        self.refer(checks, set);
        self.delete(checks, set);
    }

    fn digest(&self, bytes: &[u8]) -> String {
        self.algorithm.digest(bytes)
    }

    /// The tags of a data set that belong to its manifest number `index`.
    fn tags<'s>(&self, set: &'s DataSet, index: usize) -> impl Iterator<Item = &'s str> {
        let tags = if self.by == By::Tag { set.tags.as_slice() } else { &[] };
        tags.iter().filter(move |(_, at)| *at == index).map(|(tag, _)| tag.as_str())
    }

    fn push(&self, checks: &mut Checks, set: &DataSet) {
        for (index, bytes) in set.blobs.iter().enumerate() {
            let way = Push::ALL[index % Push::ALL.len()];
            checks.check(format!("{}: push blob {index}, {way:?}", set.name), || {
                let digest = self.digest(bytes);
                let pushed = self.repository.push_as(way, bytes, &digest).expect("push", 201);
                self.pushed(&pushed, &digest, bytes);
            });
        }
        for (index, manifest) in set.manifests.iter().enumerate() {
            let digest = self.digest(&manifest.bytes);
            checks.check(format!("{}: put manifest {index} by digest", set.name), || {
                self.put(&digest, manifest);
            });
            for tag in self.tags(set, index) {
                checks.check(format!("{}: put tag {tag}", set.name), || match self.algorithm {
                    Algorithm::Sha256 => self.put(tag, manifest),
                    // A tag in the path means sha256; only the parameter keeps the algorithm.
                    Algorithm::Sha512 => {
                        let response = self.put_response(&format!("{digest}?tag={tag}"), manifest);
                        assert_eq!(response.the("OCI-Tag"), tag);
                    }
                });
            }
        }
    }

    fn put(&self, reference: &str, manifest: &Manifest) {
        self.put_response(reference, manifest);
    }

    /// Puts a manifest without announcing its length, as the official program does (end-7).
    fn put_response(&self, reference: &str, manifest: &Manifest) -> Response {
        let put = self.repository.server.put(self.repository.manifest_path(reference));
        let put = put.header("Content-Type", manifest.media_type.as_str());
        let response = put.chunked(manifest.bytes.as_slice()).expect(201);
        let digest = self.digest(&manifest.bytes);
        self.pushed(&response, &digest, &manifest.bytes);
        let subject = manifest.json()["subject"]["digest"].as_str().map(str::to_owned);
        assert_eq!(response.header("OCI-Subject"), subject.as_deref(), "{response}");
        response
    }

    /// The answer names the digest as it was given, and a place where the bytes are.
    fn pushed(&self, response: &Response, digest: &str, bytes: &[u8]) {
        assert_eq!(response.the("Docker-Content-Digest"), digest);
        let get = self.repository.server.get(response.location());
        let get =
            get.header("Accept", crate::content::INDEX).header("Accept", crate::content::IMAGE);
        let get = get.header("Accept", crate::content::DOCKER_IMAGE);
        let response = get.header("Accept", crate::content::DOCKER_LIST).expect(200);
        assert_eq!(response.the("Content-Length"), bytes.len().to_string());
        assert!(response.body == bytes, "other bytes at {response}");
    }

    fn list(&self, checks: &mut Checks, set: &DataSet) {
        checks.check(format!("{}: list tags", set.name), || {
            let mut wanted: Vec<_> = set.tags.iter().map(|(tag, _)| tag.clone()).collect();
            wanted.sort();
            assert_eq!(self.repository.tags(), wanted);
            let half = wanted.len().div_ceil(2);
            let after = format!("{}?last={}", self.repository.tags_path(), wanted[half - 1]);
            let rest = self.repository.server.get(after).expect(200);
            assert_eq!(strings(&rest.json()["tags"]), wanted[half..]);
        });
    }

    fn pull(&self, checks: &mut Checks, set: &DataSet) {
        let repository = &self.repository;
        for (index, manifest) in set.manifests.iter().enumerate() {
            let digest = self.digest(&manifest.bytes);
            for reference in self.tags(set, index).chain([digest.as_str()]) {
                checks.check(format!("{}: head manifest {reference}", set.name), || {
                    let head = repository.manifest_head(reference).expect(200);
                    self.headers(&head, &digest, manifest.bytes.len());
                    assert_eq!(head.the("Content-Type"), manifest.media_type);
                });
                checks.check(format!("{}: get manifest {reference}", set.name), || {
                    let get = repository.manifest(reference).header("Accept-Encoding", "gzip");
                    let get = get.expect(200);
                    self.headers(&get, &digest, manifest.bytes.len());
                    assert_eq!(get.the("Content-Type"), manifest.media_type);
                    assert!(get.body == manifest.bytes, "other bytes");
                });
            }
        }
        for bytes in &set.blobs {
            self.pull_blob(checks, set.name, bytes);
        }
    }

    fn pull_blob(&self, checks: &mut Checks, name: &str, bytes: &[u8]) {
        let digest = self.digest(bytes);
        checks.check(format!("{name}: head blob {digest}"), || {
            let head = self.repository.blob_head(&digest).expect(200);
            self.headers(&head, &digest, bytes.len());
        });
        checks.check(format!("{name}: get blob {digest}"), || {
            let get = self.repository.blob(&digest).header("Accept-Encoding", "gzip").expect(200);
            self.headers(&get, &digest, bytes.len());
            assert!(get.body == bytes, "other bytes");
        });
    }

    fn headers(&self, response: &Response, digest: &str, length: usize) {
        assert_eq!(response.the("Content-Length"), length.to_string());
        assert_eq!(response.the("Docker-Content-Digest"), digest);
        assert_eq!(response.header("Content-Encoding"), None);
    }

    fn refer(&self, checks: &mut Checks, set: &DataSet) {
        let goals = set.referrers(self.algorithm);
        for (subject, goal) in &goals {
            checks.check(format!("{}: referrers of {subject}", set.name), || {
                let found = self.repository.referrers(subject);
                let count = goals.iter().filter(|(of, _)| of == subject).count();
                assert_eq!(found.len(), count, "{found:?}");
                assert!(found.contains(goal), "{goal} is not in {found:?}");
            });
            let Some(artifact_type) = goal["artifactType"].as_str() else { continue };
            checks.check(format!("{}: referrers of {subject}, {artifact_type}", set.name), || {
                let path = self.repository.referrers_path(subject);
                let escaped = artifact_type.replace('/', "%2F").replace('+', "%2B");
                let get = self.repository.server.get(format!("{path}?artifactType={escaped}"));
                let response = get.expect(200);
                assert_eq!(response.the("OCI-Filters-Applied"), "artifactType");
                let found = referrers(&response);
                assert!(found.contains(goal), "{goal} is not in {found:?}");
                assert!(
                    found.iter().all(|entry| entry["artifactType"] == artifact_type),
                    "{found:?}"
                );
            });
        }
    }

    fn delete(&self, checks: &mut Checks, set: &DataSet) {
        let (server, repository) = (self.repository.server, &self.repository);
        for tag in (0..set.manifests.len()).flat_map(|index| self.tags(set, index)) {
            checks.check(format!("{}: delete tag {tag}", set.name), || {
                server.delete(repository.manifest_path(tag)).expect(202);
                repository.manifest_head(tag).expect(404);
            });
        }
        for manifest in set.manifests.iter().rev() {
            let digest = self.digest(&manifest.bytes);
            checks.check(format!("{}: delete manifest {digest}", set.name), || {
                repository.manifest_head(&digest).expect(200);
                server.delete(repository.manifest_path(&digest)).expect(202);
                repository.manifest_head(&digest).expect(404);
            });
        }
        let mut blobs = set.blobs.clone();
        blobs.sort();
        blobs.dedup();
        for bytes in &blobs {
            self.delete_blob(checks, set.name, bytes);
        }
    }

    fn delete_blob(&self, checks: &mut Checks, name: &str, bytes: &[u8]) {
        let digest = self.digest(bytes);
        checks.check(format!("{name}: delete blob {digest}"), || {
            self.repository.server.delete(self.repository.blob_path(&digest)).expect(202);
            self.repository.blob_head(&digest).expect(404);
            self.repository.blob(&digest).expect(404);
        });
    }

    /// Pushed, asked for, pulled and deleted.
    fn whole_life(&self, checks: &mut Checks, name: &str, way: Push, bytes: &[u8]) {
        let digest = self.digest(bytes);
        checks.check(format!("{name}: {way:?}"), || {
            let pushed = self.repository.push_as(way, bytes, &digest).expect("push", 201);
            self.pushed(&pushed, &digest, bytes);
        });
        self.pull_blob(checks, name, bytes);
        self.delete_blob(checks, name, bytes);
    }
}

fn blobs(algorithm: Algorithm) {
    let server = Server::start();
    let mut checks = Checks::default();
    let round = Round::new(&server, "matrix/blobs", algorithm, By::Digest);
    checks.check("a blob that was never pushed", || {
        let digest = algorithm.digest(b"never pushed");
        round.repository.blob(&digest).expect(404);
        round.repository.blob_head(&digest).expect(404);
    });
    let contents =
        [b"".to_vec(), b"{}".to_vec(), blob("512", 512), blob("three chunks", 3 * 1024 - 5)];
    for way in Push::ALL {
        for bytes in &contents {
            round.whole_life(&mut checks, &format!("{} bytes", bytes.len()), way, bytes);
        }
        checks.check(format!("wrong digest, {way:?}"), || {
            let bytes = [blob("wrong digest", 3 * 1024 - 5), b"oh no".to_vec()].concat();
            let digest = algorithm.digest(&bytes[..bytes.len() - 5]);
            let refused = round.repository.push_as(way, &bytes, &digest).expect("push", 400);
            assert_eq!(refused.error_code(), "DIGEST_INVALID");
            round.repository.blob_head(&digest).expect(404);
            round.repository.blob_head(&algorithm.digest(&bytes)).expect(404);
        });
    }
    mounts(&mut checks, &round);
    sessions(&mut checks, &round);
    ranges(&mut checks, &round);
    checks.finish(&format!("blobs, {}", algorithm.name()));
}

fn mounts(checks: &mut Checks, round: &Round<'_>) {
    let (server, target) = (round.repository.server, &round.repository);
    let source = Repository::new(server, "matrix/source");
    for from in ["&from=matrix/source", ""] {
        let bytes = blob(&format!("mounted{from}"), 512);
        let digest = round.digest(&bytes);
        checks.check(format!("mount{from}"), || {
            source.push_as(Push::PostPut, &bytes, &digest).expect("push", 201);
            target.blob_head(&digest).expect(404);
            let mount = format!("{}?mount={digest}{from}", target.uploads_path());
            round.pushed(&server.post(mount).expect(201), &digest, &bytes);
        });
        round.pull_blob(checks, "mounted", &bytes);
        round.delete_blob(checks, "mounted", &bytes);
        checks.check("the source is still there", || {
            source.blob(&digest).expect(200);
            server.delete(source.blob_path(&digest)).expect(202);
        });
    }
    checks.check("mount of what is not there opens a session", || {
        let bytes = blob("mount missing", 512);
        let digest = round.digest(&bytes);
        let mount = format!("{}?mount={digest}&from=matrix/source", target.uploads_path());
        let location = server.post(mount).expect(202).location();
        let put = server.put(with_digest(&location, &digest)).body(bytes.as_slice()).expect(201);
        round.pushed(&put, &digest, &bytes);
    });
}

fn sessions(checks: &mut Checks, round: &Round<'_>) {
    let repository = &round.repository;
    checks.check("cancel", || {
        let location = repository.start_upload();
        repository.server.delete(location.as_str()).expect(204);
        repository.server.get(location).expect(404);
    });
    for closing in [false, true] {
        checks.check(format!("chunks out of order, the last in the PUT: {closing}"), || {
            out_of_order(round, closing);
        });
    }
}

/// Before each right chunk a wrong one; the status tells where to go on, and nothing wrong is kept.
fn out_of_order(round: &Round<'_>, closing: bool) {
    let (server, repository) = (round.repository.server, &round.repository);
    let bytes = blob("out of order", 3 * 1024 - 5);
    let digest = round.digest(&bytes);
    let chunks: Vec<&[u8]> = bytes.chunks(1024).collect();
    let mut location = repository.start_upload();
    for (index, chunk) in chunks.iter().enumerate() {
        let wrong = if index + 1 < chunks.len() { index + 1 } else { 0 };
        let is_close = closing && wrong + 1 == chunks.len();
        let method = if is_close { "PUT" } else { "PATCH" };
        let target = if is_close { with_digest(&location, &digest) } else { location.clone() };
        let range = format!("{}-{}", wrong * 1024, wrong * 1024 + chunks[wrong].len() - 1);
        let request = server.request(method, target.as_str()).header("Content-Range", range);
        request.body(chunks[wrong]).refused(416, "RANGE_INVALID");

        let status = server.get(target).expect(204);
        let kept = if index == 0 { "0-0".to_owned() } else { format!("0-{}", index * 1024 - 1) };
        assert_eq!(status.the("Range"), kept);
        location = status.location();
        if closing && index + 1 == chunks.len() {
            let range = format!("{}-{}", index * 1024, bytes.len() - 1);
            let put = server.put(with_digest(&location, &digest)).header("Content-Range", range);
            return round.pushed(&put.body(*chunk).expect(201), &digest, &bytes);
        }
        location = repository.patch(&location, index * 1024, chunk).expect(202).location();
    }
    round.pushed(&repository.close(&location, &digest).expect(201), &digest, &bytes);
}

fn ranges(checks: &mut Checks, round: &Round<'_>) {
    let bytes = blob("ranges", 2048);
    let digest = round.digest(&bytes);
    checks.check("push a blob to take ranges of", || {
        round.repository.push_as(Push::PostPut, &bytes, &digest).expect("push", 201);
    });
    for (range, part) in [
        ("bytes=500-1499", 500..1500),
        ("bytes=500-", 500..2048),
        ("bytes=-500", 1548..2048),
        ("bytes=2000-5000", 2000..2048),
    ] {
        checks.check(range, || {
            let get = round.repository.blob(&digest).header("Range", range).expect(206);
            let content_range = format!("bytes {}-{}/2048", part.start, part.end - 1);
            assert_eq!(get.the("Content-Range"), content_range);
            assert_eq!(get.the("Content-Length"), part.len().to_string());
            assert!(get.body == bytes[part.clone()], "other bytes");
        });
    }
    for range in ["bytes=500-0", "bytes=5000-10000"] {
        checks.check(range, || {
            round.repository.blob(&digest).header("Range", range).expect(416);
        });
    }
}
