//! What real clients rely on beyond the specification; each test is named after the client and the
//! behaviour.

use crate::content::{
    Algorithm, DOCKER_IMAGE, DOCKER_LIST, IMAGE, INDEX, Manifest, blob, image, index_json, sha256,
};
use crate::harness::Server;
use crate::repository::{Push, Repository, strings, with_digest};
use serde_json::json;

const NAME: &str = "library/clients";
const SHA256: Algorithm = Algorithm::Sha256;

fn with_image(server: &Server) -> (Repository<'_>, Vec<Vec<u8>>, Manifest) {
    let repository = Repository::new(server, NAME);
    let (blobs, manifest) = image(SHA256, "client");
    repository.push_image("v1", &blobs, &manifest);
    (repository, blobs, manifest)
}

#[test]
fn docker_streams_a_patch_without_range_and_type() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("docker", 100_000);
    let digest = sha256(&bytes);
    repository.blob_head(&digest).expect(404);
    let location = repository.start_upload();
    let patched = server.patch(location).chunked(bytes.as_slice()).expect(202);
    // It parses this as two numbers, and fails without.
    assert_eq!(patched.the("Range"), "0-99999");
    assert_eq!(patched.the("Content-Length"), "0");
    repository.close(&patched.location(), &digest).expect(201);
    repository.blob_head(&digest).expect(200);
}

#[test]
fn docker_starts_again_when_a_session_is_unknown() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let unknown = format!("{}00000000-0000-4000-8000-000000000000", repository.uploads_path());
    server.patch(unknown).chunked("x").refused(404, "BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn docker_wants_the_digest_of_what_it_put() {
    let server = Server::start();
    let (repository, _, manifest) = with_image(&server);
    let put = repository.put("latest", &manifest).expect(201);
    assert_eq!(put.the("Docker-Content-Digest"), manifest.digest());
}

#[test]
fn docker_of_old_wants_the_version_header_everywhere() {
    let server = Server::start();
    let (repository, _, _) = with_image(&server);
    for response in [
        server.get("/v2/").send(),
        repository.manifest("v1").send(),
        repository.manifest("absent").send(),
        server.post(repository.uploads_path()).send(),
    ] {
        assert_eq!(response.the("Docker-Distribution-Api-Version"), "registry/2.0");
    }
}

#[test]
fn docker_pulls_and_pushes_its_own_types() {
    let server = Server::start();
    let (repository, _, manifest) = with_image(&server);
    let mut value = manifest.json();
    value["mediaType"] = json!(DOCKER_IMAGE);
    let image = Manifest::new(&value);
    repository.put("docker", &image).expect(201);
    let mut list = index_json(SHA256, &[&image]);
    list["mediaType"] = json!(DOCKER_LIST);
    let list = Manifest::new(&list);
    repository.put("list", &list).expect(201);
    let parameters = Manifest::pushed_as(&value, &format!("{DOCKER_IMAGE}; charset=utf-8"));
    repository.put("parameters", &parameters).expect(201);
    for (tag, manifest) in [("docker", &image), ("list", &list), ("parameters", &image)] {
        let get = repository.manifest(tag).expect(200);
        assert_eq!(get.the("Content-Type"), manifest.media_type);
        assert_eq!(get.body, manifest.bytes);
    }
}

#[test]
fn podman_takes_no_other_status_than_the_right_one() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    server.get("/v2/").expect(200);
    let location = server.post(repository.uploads_path()).expect(202).location();
    let location = server.patch(location).chunked("podman").expect(202).location();
    repository.close(&location, &sha256(b"podman")).expect(201);
    let digest = repository.push_named("v1");
    server.delete(repository.manifest_path(&digest)).expect(202);
}

#[test]
fn podman_cancels_the_session_of_a_mount_that_fell_through() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let mount = format!("{}?mount={}&from=no/such", repository.uploads_path(), sha256(b"absent"));
    let location = server.post(mount).expect(202).location();
    server.delete(location).expect(204);
}

#[test]
fn podman_goes_on_with_a_pull_that_broke() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("broken pull", 300_000);
    let digest = repository.push(&bytes);
    let get = repository.blob(&digest).header("Range", "bytes=123456-").expect(206);
    assert_eq!(get.the("Content-Range"), "bytes 123456-299999/300000");
    assert!(get.body == bytes[123_456..], "other bytes");
}

#[test]
fn podman_reads_zstd_chunked_layers_in_many_ranges() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let digest = repository.push(&blob("zstd:chunked", 1_000_000));
    let ranges: Vec<_> = (0..300).map(|i| format!("{}-{}", i * 3000, i * 3000 + 999)).collect();
    let get = repository.blob(&digest).header("Range", format!("bytes={}", ranges.join(",")));
    let get = get.expect(206);
    assert!(get.the("Content-Type").starts_with("multipart/byteranges; boundary="));
    assert!(get.body.len() > 300_000 && get.body.len() < 400_000, "{}", get.body.len());
}

#[test]
fn podman_asks_for_fewer_ranges_after_a_400() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let digest = repository.push(&blob("too many", 100_000));
    let ranges: Vec<_> = (0..3000).map(|i| format!("{}-{}", i * 20, i * 20 + 9)).collect();
    repository.blob(&digest).header("Range", format!("bytes={}", ranges.join(","))).expect(400);
}

#[test]
fn containerd_resolves_by_head_and_needs_digest_type_and_length() {
    let server = Server::start();
    let (repository, _, manifest) = with_image(&server);
    let accept = format!("{DOCKER_IMAGE}, {DOCKER_LIST}, {IMAGE}, {INDEX}, */*");
    let head = server.head(repository.manifest_path("v1")).header("Accept", accept).expect(200);
    assert_eq!(head.the("Docker-Content-Digest"), manifest.digest());
    assert_eq!(head.the("Content-Length"), manifest.bytes.len().to_string());
    assert_eq!(head.the("Content-Type"), IMAGE);
}

#[test]
fn containerd_adds_ns_to_every_request() {
    let server = Server::start();
    let (repository, blobs, manifest) = with_image(&server);
    let layer = sha256(&blobs[1]);
    for target in [
        "/v2/".to_owned(),
        repository.manifest_path("v1"),
        repository.manifest_path(&manifest.digest()),
        repository.blob_path(&layer),
        repository.referrers_path(&layer),
    ] {
        for ns in ["docker.io", "localhost%3A5000", "registry.example:5000", ""] {
            server.get(format!("{target}?ns={ns}")).expect(200);
            server.head(format!("{target}?ns={ns}")).expect(200);
        }
    }
    let location = server.post(format!("{}?ns=docker.io", repository.uploads_path())).expect(202);
    let close = with_digest(&format!("{}?ns=docker.io", location.location()), &sha256(b"ns"));
    server.put(close).body("ns").expect(201);
    repository.put("v2?ns=docker.io", &manifest).expect(201);
    assert_eq!(repository.tags(), ["v1", "v2"]);
}

#[test]
fn containerd_reads_in_parallel_and_hangs_up_early() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("parallel", 20_000_000);
    let digest = repository.push(&bytes);
    std::thread::scope(|scope| {
        for i in 0..16 {
            let (digest, bytes) = (&digest, &bytes);
            scope.spawn(move || {
                let start = i * 1_250_000;
                let range = format!("bytes={start}-");
                let get = repository.blob(digest).header("Range", range).to_bytes();
                let mut connection = repository.server.connect();
                connection.write(&get).unwrap();
                let first = connection.read_some(64 * 1024);
                let head = first.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
                assert!(bytes[start..].starts_with(&first[head..]), "other bytes");
            });
        }
    });
    assert!(repository.blob(&digest).expect(200).body == bytes, "other bytes");
    let log = server.log().to_lowercase();
    assert!(!log.contains("error") && !log.contains("panic"), "hanging up is no event: {log}");
}

#[test]
fn containerd_offers_compression_and_must_not_get_it() {
    let server = Server::start();
    let (repository, blobs, _) = with_image(&server);
    let get = repository.blob(&sha256(&blobs[1])).header("Accept-Encoding", "zstd, gzip, deflate");
    let get = get.header("Range", "bytes=10-19").expect(206);
    assert_eq!((get.header("Content-Encoding"), get.body.as_slice()), (None, &blobs[1][10..20]));
}

#[test]
fn containerd_pushes_by_one_put() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("one put", 100_000);
    repository.push_as(Push::PostPut, &bytes, &sha256(&bytes)).expect("push", 201);
}

#[test]
fn containerd_gives_up_a_push_when_a_mount_is_forbidden() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    for from in ["no/such", "library/other", NAME] {
        let absent = sha256(b"absent");
        let mount = format!("{}?mount={absent}&from={from}", repository.uploads_path());
        server.post(mount).expect(202);
    }
}

#[test]
fn crane_wants_digest_and_length_on_head() {
    let server = Server::start();
    let (repository, blobs, manifest) = with_image(&server);
    let head = repository.manifest_head("v1").expect(200);
    assert_eq!(head.the("Docker-Content-Digest"), manifest.digest());
    assert_eq!(head.the("Content-Length"), manifest.bytes.len().to_string());
    repository.blob_head(&sha256(&blobs[0])).expect(200);
    repository.blob_head(&sha256(b"absent")).expect(404);
}

#[test]
fn crane_posts_json_and_an_origin() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let digest = sha256(b"crane");
    let query = format!("mount={digest}&from=library%2Fother&origin=index.docker.io");
    let post = server.post(format!("{}?{query}", repository.uploads_path()));
    let location = post.header("Content-Type", "application/json").expect(202).location();
    let location = server.patch(location).body("crane").expect(202).location();
    server.put(with_digest(&location, &digest)).expect(201);
}

#[test]
fn crane_refuses_locations_on_another_host() {
    let server = Server::start();
    let (repository, _, manifest) = with_image(&server);
    // Behind a port mapping or a proxy the Host says nothing about where clients come from.
    let host = "registry.example:1234";
    let post = server.post(repository.uploads_path()).header("Host", host);
    let post =
        post.header("X-Forwarded-Proto", "https").header("X-Forwarded-Host", "other.example");
    for response in
        [post.expect(202), repository.put("v1", &manifest).header("Host", host).expect(201)]
    {
        assert!(response.the("Location").starts_with("/v2/"), "{response}");
    }
}

#[test]
fn crane_asks_for_a_thousand_at_once() {
    let server = Server::start();
    let (repository, _, _) = with_image(&server);
    let tags = server.get(format!("{}?n=1000", repository.tags_path())).expect(200);
    assert_eq!(strings(&tags.json()["tags"]), ["v1"]);
    assert_eq!(tags.header("Link"), None);
    let catalog = server.get("/v2/_catalog?n=1000").expect(200);
    assert_eq!(strings(&catalog.json()["repositories"]), [NAME]);
}

#[test]
fn regctl_goes_on_where_a_refusal_says() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let location = repository.start_upload();
    repository.patch(&location, 0, b"0123456789").expect(202);
    let refused = repository.patch(&location, 20, b"x").expect(416);
    assert_eq!((refused.location(), refused.the("Range")), (location.clone(), "0-9"));
    repository.patch(&refused.location(), 10, b"rest").expect(202);
    repository.close(&location, &sha256(b"0123456789rest")).expect(201);
}

#[test]
fn regctl_deletes_and_asks_for_status() {
    let server = Server::start();
    let (repository, blobs, manifest) = with_image(&server);
    server.get(repository.start_upload()).expect(204);
    server.delete(repository.start_upload()).expect(204);
    server.delete(repository.manifest_path("v1")).expect(202);
    server.delete(repository.manifest_path(&manifest.digest())).expect(202);
    server.delete(repository.blob_path(&sha256(&blobs[0]))).expect(202);
}

#[test]
fn oras_believes_in_referrers_by_the_exact_type() {
    let server = Server::start();
    let absent = sha256(b"absent");
    for name in [NAME, "no/such"] {
        let get = server.get(Repository::new(&server, name).referrers_path(&absent)).expect(200);
        assert_eq!(get.the("Content-Type"), INDEX);
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] });
        assert_eq!(get.json(), index);
    }
}

#[test]
fn helm_pushes_charts_with_types_of_its_own() {
    let server = Server::start();
    let repository = Repository::new(&server, "charts/app");
    let (config, chart) = (b"{\"name\":\"app\"}".to_vec(), blob("chart", 3000));
    let mut value = crate::content::image_json(SHA256, &config, std::slice::from_ref(&chart));
    value.as_object_mut().unwrap().remove("mediaType");
    value["config"]["mediaType"] = json!("application/vnd.cncf.helm.config.v1+json");
    value["layers"][0]["mediaType"] = json!("application/vnd.cncf.helm.chart.content.v1.tar+gzip");
    let manifest = Manifest::pushed_as(&value, IMAGE);
    repository.push_image("0.1.0_build.1", &[config, chart], &manifest);
    let get = repository.manifest("0.1.0_build.1").expect(200);
    assert_eq!((get.the("Content-Type"), &get.body), (IMAGE, &manifest.bytes));
}

#[test]
fn cosign_finds_signatures_by_tag() {
    let server = Server::start();
    let (repository, _, manifest) = with_image(&server);
    let tag = manifest.digest().replace(':', "-");
    for suffix in ["", ".sig", ".att", ".sbom"] {
        let tag = format!("{tag}{suffix}");
        repository.manifest(&tag).refused(404, "MANIFEST_UNKNOWN");
        repository.put(&tag, &Manifest::new(&index_json(SHA256, &[&manifest]))).expect(201);
        repository.manifest(&tag).expect(200);
    }
    assert_eq!(repository.tags().len(), 5);
}
