//! Putting manifests (end-7a, end-7b): which are taken, under which type, and what makes one be
//! refused.

use crate::content::{
    ARTIFACT, Algorithm, DOCKER_IMAGE, IMAGE, INDEX, Manifest, artifact_json, blob, descriptor,
    image, image_json, index_json, sha256,
};
use crate::harness::{Server, Setup};
use crate::repository::Repository;
use serde_json::{Value, json};

const NAME: &str = "library/manifests";
const SHA256: Algorithm = Algorithm::Sha256;

/// A server whose repository has the blobs of one image, and the JSON of its manifest.
fn with_blobs(server: &Server) -> (Repository<'_>, Value) {
    let repository = Repository::new(server, NAME);
    let (blobs, manifest) = image(SHA256, "manifests");
    blobs.iter().for_each(|blob| drop(repository.push(blob)));
    repository.push(b"{}");
    (repository, manifest.json())
}

fn edited(value: &Value, edit: impl FnOnce(&mut Value)) -> Value {
    let mut value = value.clone();
    edit(&mut value);
    value
}

fn without_media_type(value: &Value) -> Value {
    edited(value, |value| drop(value.as_object_mut().unwrap().remove("mediaType")))
}

#[test]
fn a_put_answers_where_it_is() {
    let server = Server::start();
    let (repository, value) = with_blobs(&server);
    let manifest = Manifest::new(&value);
    let digest = manifest.digest();
    for reference in ["v1", digest.as_str(), "v1"] {
        let put = repository.put(reference, &manifest).expect(201);
        assert_eq!(put.the("Docker-Content-Digest"), digest);
        assert_eq!(put.location(), repository.manifest_path(&digest));
        assert_eq!(put.header("OCI-Subject"), None);
    }
}

#[test]
fn the_bytes_are_kept_as_they_came() {
    let server = Server::start();
    let (repository, value) = with_blobs(&server);
    let odd = format!("\n\t {}\r\n\n", serde_json::to_string_pretty(&value).unwrap());
    let manifest = Manifest { bytes: odd.into_bytes(), media_type: IMAGE.to_owned() };
    repository.put("odd", &manifest).expect(201);
    assert_eq!(repository.manifest("odd").expect(200).body, manifest.bytes);
    let server = server.restart();
    let get = Repository::new(&server, NAME).manifest(&manifest.digest()).expect(200);
    assert_eq!(get.body, manifest.bytes);
}

#[test]
fn the_content_type_is_compared_without_parameters() {
    let server = Server::start();
    let (repository, value) = with_blobs(&server);
    for (tag, content_type) in [
        ("plain", IMAGE.to_owned()),
        ("charset", format!("{IMAGE}; charset=utf-8")),
        ("tight", format!("{IMAGE};q=1")),
    ] {
        repository.put(tag, &Manifest::pushed_as(&value, &content_type)).expect(201);
        assert_eq!(repository.manifest(tag).expect(200).the("Content-Type"), IMAGE);
    }
}

#[test]
fn without_a_content_type_the_manifest_speaks_for_itself() {
    let server = Server::start();
    let (repository, value) = with_blobs(&server);
    let index = index_json(SHA256, &[]);
    for (tag, value, media_type) in [
        ("typed", value.clone(), IMAGE),
        ("shape-of-an-image", without_media_type(&value), IMAGE),
        ("shape-of-an-index", without_media_type(&index), INDEX),
    ] {
        let put = server.put(repository.manifest_path(tag));
        put.body(serde_json::to_vec(&value).unwrap()).expect(201);
        assert_eq!(repository.manifest(tag).expect(200).the("Content-Type"), media_type, "{tag}");
    }
}

#[test]
fn a_content_type_that_contradicts_the_manifest_is_refused() {
    let server = Server::start();
    let (repository, value) = with_blobs(&server);
    let docker = edited(&value, |value| value["mediaType"] = json!(DOCKER_IMAGE));
    for (value, content_type) in [
        (&value, INDEX),
        (&value, DOCKER_IMAGE),
        (&value, "application/json"),
        (&docker, IMAGE),
        (&without_media_type(&value), DOCKER_IMAGE),
        (&without_media_type(&value), INDEX),
        (&without_media_type(&value), "application/json"),
        (&without_media_type(&index_json(SHA256, &[])), IMAGE),
    ] {
        let manifest = Manifest::pushed_as(value, content_type);
        repository.put("wrong", &manifest).refused(400, "MANIFEST_INVALID");
        repository.manifest_head("wrong").expect(404);
        repository.manifest_head(&manifest.digest()).expect(404);
    }
}

#[test]
fn another_digest_in_the_path_is_refused() {
    let server = Server::start();
    let (repository, value) = with_blobs(&server);
    let manifest = Manifest::new(&value);
    for reference in [sha256(b"other"), Algorithm::Sha512.digest(b"other")] {
        repository.put(&reference, &manifest).refused(400, "DIGEST_INVALID");
        repository.manifest_head(&reference).expect(404);
    }
    repository.manifest_head(&manifest.digest()).expect(404);
    for reference in ["sha256:baddigeststring", "sha256:", "sha512:00", "md5:00"] {
        repository.put(reference, &manifest).refused(400, "DIGEST_INVALID");
        assert!(matches!(repository.manifest(reference).send().status, 400 | 404));
    }
}

#[test]
fn blobs_that_are_missing_are_named_one_by_one() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let (blobs, manifest) = image(SHA256, "incomplete");
    repository.push(&blobs[1]);
    let refused = repository.put("v1", &manifest).expect(400);
    assert_eq!(refused.error_codes(), ["MANIFEST_BLOB_UNKNOWN"; 2]);
    for missing in [&blobs[0], &blobs[2]] {
        let text = String::from_utf8(refused.body.clone()).unwrap();
        assert!(text.contains(&sha256(missing)), "{text}");
    }
    repository.manifest_head("v1").expect(404);
    repository.manifest_head(&manifest.digest()).expect(404);
    repository.push(&blobs[0]);
    repository.push(&blobs[2]);
    repository.put("v1", &manifest).expect(201);
}

#[test]
fn blobs_of_another_repository_do_not_count() {
    let server = Server::start();
    let (_, value) = with_blobs(&server);
    let other = Repository::new(&server, "library/other");
    other.put("v1", &Manifest::new(&value)).refused(400, "MANIFEST_BLOB_UNKNOWN");
}

#[test]
fn children_that_are_missing_are_refused() {
    let server = Server::start();
    let (repository, value) = with_blobs(&server);
    let child = Manifest::new(&value);
    let index = Manifest::new(&index_json(SHA256, &[&child]));
    repository.put("index", &index).refused(400, "MANIFEST_BLOB_UNKNOWN");
    repository.put(&child.digest(), &child).expect(201);
    repository.put("index", &index).expect(201);
}

#[test]
fn a_blob_of_another_size_than_the_manifest_says_is_not_that_blob() {
    let server = Server::start();
    let (repository, value) = with_blobs(&server);
    let wrong = edited(&value, |value| value["layers"][0]["size"] = json!(699));
    repository.put("v1", &Manifest::new(&wrong)).expect(400);
}

#[test]
fn sparse_manifests_are_taken_only_where_they_are_allowed() {
    let (blobs, manifest) = image(SHA256, "sparse");
    let server = Setup::new().arguments(["--allow-sparse"]).start();
    let repository = Repository::new(&server, NAME);
    repository.put("v1", &manifest).expect(201);
    assert_eq!(repository.manifest("v1").expect(200).body, manifest.bytes);
    repository.blob(&sha256(&blobs[0])).refused(404, "BLOB_UNKNOWN");
    let index = Manifest::new(&index_json(SHA256, &[&Manifest::pushed_as(&json!({}), IMAGE)]));
    repository.put("index", &index).expect(201);

    let server = Setup::new().variable("WHARF_SERVE_ALLOW_SPARSE", "true").start();
    Repository::new(&server, NAME).put("v1", &manifest).expect(201);
}

/// A manifest of exactly `length` bytes.
fn padded(value: &Value, length: usize) -> Manifest {
    let empty = edited(value, |value| value["annotations"] = json!({ "padding": "" }));
    let missing = length - serde_json::to_vec(&empty).unwrap().len();
    let padding = "A".repeat(missing);
    Manifest::new(&edited(value, |value| value["annotations"] = json!({ "padding": padding })))
}

#[test]
fn manifests_up_to_the_limit_are_taken() {
    const LIMIT: usize = 8 * 1024 * 1024;
    let server = Server::start();
    let (repository, value) = with_blobs(&server);
    let largest = padded(&value, LIMIT);
    repository.put("largest", &largest).expect(201);
    assert!(repository.manifest("largest").expect(200).body == largest.bytes, "other bytes");
    let too_large = padded(&value, LIMIT + 1);
    repository.put("too-large", &too_large).expect(413).error_code();
    let put = server.put(repository.manifest_path("too-large"));
    let put = put.header("Content-Type", IMAGE).chunked(too_large.bytes.as_slice());
    put.expect(413).error_code();
    repository.manifest_head("too-large").expect(404);
}

#[test]
fn the_limit_is_a_setting() {
    let server = Setup::new().arguments(["--manifest-size-max", "64KiB"]).start();
    let (repository, value) = with_blobs(&server);
    repository.put("fits", &padded(&value, 64 * 1024)).expect(201);
    repository.put("too-large", &padded(&value, 64 * 1024 + 1)).expect(413);
}

#[test]
fn a_subject_need_not_exist_and_is_confirmed() {
    let server = Server::start();
    let (repository, value) = with_blobs(&server);
    let subject = descriptor(SHA256, IMAGE, b"never pushed");
    let artifact = artifact_json(SHA256, ARTIFACT, b"{}");
    for (tag, value) in [("i", &value), ("a", &artifact), ("x", &index_json(SHA256, &[]))] {
        let value = edited(value, |value| value["subject"] = subject.clone());
        let put = repository.put(tag, &Manifest::new(&value)).expect(201);
        assert_eq!(put.the("OCI-Subject"), subject["digest"].as_str().unwrap());
    }
}

#[test]
fn tags_may_be_given_with_the_digest() {
    let server = Server::start();
    let (repository, value) = with_blobs(&server);
    let manifest = Manifest::new(&value);
    let digest = manifest.digest();
    let put = repository.put(&format!("{digest}?tag=one&tag=two&tag=v1.2_3-x"), &manifest);
    let put = put.expect(201);
    let tags = put.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("OCI-Tag"));
    let tags = tags.flat_map(|(_, value)| value.split(',')).map(str::trim);
    assert_eq!(tags.collect::<Vec<_>>(), ["one", "two", "v1.2_3-x"]);
    assert_eq!(put.location(), repository.manifest_path(&digest));
    for tag in ["one", "two", "v1.2_3-x", &digest] {
        assert_eq!(repository.manifest(tag).expect(200).the("Docker-Content-Digest"), digest);
    }
    assert_eq!(repository.tags(), ["one", "two", "v1.2_3-x"]);
}

#[test]
fn a_bad_tag_among_good_ones_stores_nothing() {
    let server = Server::start();
    let (repository, value) = with_blobs(&server);
    let manifest = Manifest::new(&value);
    let path = format!("{}?tag=good&tag=-bad", manifest.digest());
    repository.put(&path, &manifest).expect(400);
    repository.manifest_head("good").expect(404);
    repository.manifest_head(&manifest.digest()).expect(404);
}

#[test]
fn as_many_tags_as_the_limit_allows() {
    let server = Server::start();
    let (repository, value) = with_blobs(&server);
    let manifest = Manifest::new(&value);
    let tagged = |count: usize| {
        let tags: Vec<_> = (0..count).map(|index| format!("tag=t{index}")).collect();
        repository.put(&format!("{}?{}", manifest.digest(), tags.join("&")), &manifest)
    };
    tagged(65).refused(414, "TAG_INVALID");
    repository.manifest_head(&manifest.digest()).expect(404);
    tagged(64).expect(201);
    assert_eq!(repository.tags().len(), 64);
}

#[test]
fn of_thousands_of_missing_blobs_a_hundred_are_named() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let layers: Vec<_> = (0..3000).map(|index: u32| index.to_be_bytes().to_vec()).collect();
    let manifest = Manifest::new(&image_json(SHA256, b"{}", &layers));
    let refused = repository.put("many", &manifest).expect(400);
    assert_eq!(refused.error_codes(), ["MANIFEST_BLOB_UNKNOWN"; 101]);
    let last = refused.json()["errors"][100]["message"].to_string();
    assert!(last.contains("2901 more blobs"), "{last}");
}

#[test]
fn a_tag_moves_and_what_it_pointed_at_stays() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let digests = ["first", "second", "third"].map(|name| {
        let (blobs, manifest) = image(SHA256, name);
        let digest = repository.push_image("latest", &blobs, &manifest);
        let get = repository.manifest("latest").expect(200);
        assert_eq!(get.the("Docker-Content-Digest"), digest);
        assert_eq!(get.body, manifest.bytes);
        digest
    });
    for digest in &digests {
        repository.manifest_head(digest).expect(200);
    }
    assert_eq!(repository.tags(), ["latest"]);
}

#[test]
fn what_is_no_manifest_is_refused() {
    let server = Server::start();
    let (repository, value) = with_blobs(&server);
    let text = |value: &Value| serde_json::to_vec(value).unwrap();
    let good = text(&value);
    let deep = [vec![b'['; 200_000], vec![b']'; 200_000]].concat();
    let version = |version: Value| text(&edited(&value, |value| value["schemaVersion"] = version));
    let both = edited(&value, |value| value["manifests"] = json!([]));
    let list = edited(&value, |value| {
        let layer = value["layers"][0].clone();
        value["layers"][0] = json!([layer["mediaType"], layer["digest"], layer["size"]]);
    });
    let unread = |field: &[u8]| [b"{\"unread\":", field, b",", &good[1..]].concat();
    let docker_v1 = json!({
        "schemaVersion": 1, "name": NAME, "tag": "v1", "architecture": "amd64",
        "fsLayers": [], "history": [], "signatures": [],
    });
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("not JSON", b"manifest".to_vec()),
        ("half of it", good[..good.len() / 2].to_vec()),
        ("something after it", [good.as_slice(), b"x"].concat()),
        ("not UTF-8", b"{\"schemaVersion\":2,\"mediaType\":\"\xff\xfe\"}".to_vec()),
        ("null", b"null".to_vec()),
        ("a list", b"[]".to_vec()),
        ("a number", b"2".to_vec()),
        ("no shape", b"{\"schemaVersion\":2}".to_vec()),
        ("deep where nobody looks", unread(&deep)),
        ("not UTF-8 where nobody looks", unread(b"\"\xff\"")),
        ("a list for a layer", text(&list)),
        ("no type", text(&edited(&value, |v| v["config"]["mediaType"] = json!("")))),
        ("deep", deep),
        ("schema 1", text(&docker_v1)),
        ("version 1", version(json!(1))),
        ("version 3", version(json!(3))),
        ("version as text", version(json!("2"))),
        ("no version", version(Value::Null)),
        ("both shapes", text(&both)),
        ("layers not a list", text(&edited(&value, |v| v["layers"] = json!({})))),
        ("config not a descriptor", text(&edited(&value, |v| v["config"] = json!("sha256:00")))),
        ("bad digest", text(&edited(&value, |v| v["config"]["digest"] = json!("sha256:0")))),
        ("negative size", text(&edited(&value, |v| v["config"]["size"] = json!(-1)))),
        ("subject without digest", text(&edited(&value, |v| v["subject"] = json!({ "size": 1 })))),
    ] {
        let put = server.put(repository.manifest_path("bad")).header("Content-Type", IMAGE);
        let response = put.body(bytes).expect(400);
        assert_eq!(response.error_code(), "MANIFEST_INVALID", "{what}: {response}");
        repository.manifest_head("bad").expect(404);
    }
}

#[test]
fn odd_json_never_breaks_the_server() {
    let server = Server::start();
    let (repository, value) = with_blobs(&server);
    let good = serde_json::to_string(&value).unwrap();
    for bytes in [
        good.replacen('{', "{\"schemaVersion\":2,", 1),
        good.replacen('{', "{\"mediaType\":\"x\",", 1),
        good.replacen('{', "{\"\":null,\"a\\u0000b\":[],", 1),
        good.replace("\"size\":700", "\"size\":7e2"),
        good.replace("\"size\":700", "\"size\":99999999999999999999999999"),
        good.replace("\"digest\"", "\"Digest\""),
        format!("\u{feff}{good}"),
    ] {
        let put = server.put(repository.manifest_path("odd")).header("Content-Type", IMAGE);
        let response = put.body(bytes.as_str()).send();
        assert!(matches!(response.status, 201 | 400), "{bytes}: {response}");
    }
    server.get("/v2/").expect(200);
}

#[test]
fn foreign_layers_with_urls_are_never_asked_for() {
    let server = Server::start();
    let (repository, value) = with_blobs(&server);
    for media_type in [
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ] {
        let foreign = edited(&value, |value| {
            let mut layer = descriptor(SHA256, media_type, media_type.as_bytes());
            layer["urls"] = json!(["https://store.example.com/layer"]);
            value["layers"].as_array_mut().unwrap().insert(0, layer);
        });
        repository.put("foreign", &Manifest::new(&foreign)).expect(201);
    }
}

#[test]
fn thousands_of_layers_are_fine() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let layer = blob("repeated", 100);
    repository.push(&layer);
    repository.push(b"{}");
    let layers = vec![layer; 4000];
    let manifest = Manifest::new(&image_json(SHA256, b"{}", &layers));
    repository.put("many", &manifest).expect(201);
    assert_eq!(repository.manifest("many").expect(200).body.len(), manifest.bytes.len());
}
