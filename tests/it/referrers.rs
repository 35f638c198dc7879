//! Referrers (end-12a, end-12b): who points at a manifest, filtered, followed through deletes and
//! restarts.

use crate::content::{
    ARTIFACT, Algorithm, IMAGE, INDEX, Manifest, OTHER_ARTIFACT, artifact_json, descriptor, image,
    index_json, sha256,
};
use crate::harness::Server;
use crate::repository::{Repository, referrers};
use serde_json::{Value, json};

const NAME: &str = "library/referrers";
const SHA256: Algorithm = Algorithm::Sha256;

/// An artifact that refers to `subject`; its only layer is the empty object.
fn artifact(subject: &Value, artifact_type: &str, text: &str) -> Manifest {
    let mut value = artifact_json(SHA256, artifact_type, b"{}");
    value["subject"] = subject.clone();
    value["annotations"] = json!({ "org.example.text": text });
    Manifest::new(&value)
}

fn digests(entries: &[Value]) -> Vec<String> {
    let mut digests: Vec<_> =
        entries.iter().map(|entry| entry["digest"].as_str().unwrap().to_owned()).collect();
    digests.sort();
    digests
}

/// A server with an image, and the image's descriptor.
fn with_subject(server: &Server) -> (Repository<'_>, Value) {
    let repository = Repository::new(server, NAME);
    let (blobs, manifest) = image(SHA256, "subject");
    repository.push_image("subject", &blobs, &manifest);
    repository.push(b"{}");
    (repository, manifest.descriptor(SHA256))
}

#[test]
fn who_has_none_gets_an_empty_index() {
    let server = Server::start();
    let (repository, subject) = with_subject(&server);
    let unknown = Repository::new(&server, "no/such");
    assert_eq!(repository.referrers(subject["digest"].as_str().unwrap()), [json!(null); 0]);
    assert_eq!(repository.referrers(&sha256(b"unknown")), [json!(null); 0]);
    assert_eq!(unknown.referrers(&sha256(b"unknown")), [json!(null); 0]);
    assert_eq!(unknown.referrers(&Algorithm::Sha512.digest(b"unknown")), [json!(null); 0]);
}

#[test]
fn a_digest_that_is_none_is_refused() {
    let server = Server::start();
    for digest in ["latest", "sha256:short", "sha256:", "md5:00"] {
        server.get(format!("/v2/{NAME}/referrers/{digest}")).refused(400, "DIGEST_INVALID");
    }
}

#[test]
fn an_entry_describes_the_referrer() {
    let server = Server::start();
    let (repository, subject) = with_subject(&server);
    let of = subject["digest"].as_str().unwrap();
    let manifest = artifact(&subject, ARTIFACT, "ä \"quoted\" \n text");
    repository.put("tagged", &manifest).expect(201);
    assert_eq!(
        repository.referrers(of),
        [json!({
            "mediaType": IMAGE,
            "digest": manifest.digest(),
            "size": manifest.bytes.len(),
            "artifactType": ARTIFACT,
            "annotations": { "org.example.text": "ä \"quoted\" \n text" },
        })]
    );
}

#[test]
fn the_type_of_an_image_is_that_of_its_config() {
    let server = Server::start();
    let (repository, subject) = with_subject(&server);
    let (blobs, manifest) = image(SHA256, "plain");
    let mut value = manifest.json();
    value["subject"] = subject.clone();
    repository.push_image("plain", &blobs, &Manifest::new(&value));
    let mut index = index_json(SHA256, &[]);
    index["subject"] = subject.clone();
    let index = Manifest::new(&index);
    repository.put("index", &index).expect(201);

    let entries = repository.referrers(subject["digest"].as_str().unwrap());
    let entry = |media_type: &str| {
        entries.iter().find(|entry| entry["mediaType"] == media_type).unwrap().clone()
    };
    assert_eq!(entry(IMAGE)["artifactType"], "application/vnd.oci.image.config.v1+json");
    assert_eq!(entry(INDEX), index.descriptor(SHA256), "an index without a type has none");
}

#[test]
fn the_filter_is_applied_and_said_to_be() {
    let server = Server::start();
    let (repository, subject) = with_subject(&server);
    let of = subject["digest"].as_str().unwrap();
    let ours = [artifact(&subject, ARTIFACT, "1"), artifact(&subject, ARTIFACT, "2")];
    let other = artifact(&subject, OTHER_ARTIFACT, "3");
    for manifest in ours.iter().chain([&other]) {
        repository.put(&manifest.digest(), manifest).expect(201);
    }
    let path = repository.referrers_path(of);
    assert_eq!(server.get(path.as_str()).expect(200).header("OCI-Filters-Applied"), None);
    let filtered = |artifact_type: &str| {
        let response = server.get(format!("{path}?artifactType={artifact_type}")).expect(200);
        assert_eq!(response.the("OCI-Filters-Applied"), "artifactType");
        digests(&referrers(&response))
    };
    let mut expected = ours.map(|manifest| manifest.digest());
    expected.sort();
    assert_eq!(filtered(ARTIFACT), expected);
    assert_eq!(filtered(&ARTIFACT.replace('/', "%2F").replace('.', "%2e")), expected);
    assert_eq!(filtered(OTHER_ARTIFACT), [other.digest()]);
    assert_eq!(filtered("application/vnd.example.nobody"), [""; 0]);
}

#[test]
fn the_list_follows_deletes_and_new_pushes() {
    let server = Server::start();
    let (repository, subject) = with_subject(&server);
    let of = subject["digest"].as_str().unwrap();
    let [first, second] = ["1", "2"].map(|text| artifact(&subject, ARTIFACT, text));
    repository.put("first", &first).expect(201);
    repository.put(&second.digest(), &second).expect(201);
    repository.put(&second.digest(), &second).expect(201);
    assert_eq!(repository.referrers(of).len(), 2, "each once");

    server.delete(repository.manifest_path("first")).expect(202);
    assert_eq!(repository.referrers(of).len(), 2, "a tag is not the manifest");
    server.delete(repository.manifest_path(&first.digest())).expect(202);
    assert_eq!(digests(&repository.referrers(of)), [second.digest()]);
    repository.put("again", &first).expect(201);
    assert_eq!(repository.referrers(of).len(), 2);
}

#[test]
fn referrers_outlive_their_subject() {
    let server = Server::start();
    let (repository, subject) = with_subject(&server);
    let of = subject["digest"].as_str().unwrap();
    let manifest = artifact(&subject, ARTIFACT, "left behind");
    repository.put("left-behind", &manifest).expect(201);
    server.delete(repository.manifest_path(of)).expect(202);
    assert_eq!(digests(&repository.referrers(of)), [manifest.digest()]);
}

#[test]
fn referrers_may_come_before_their_subject() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    repository.push(b"{}");
    let (blobs, later) = image(SHA256, "later");
    let manifest = artifact(&later.descriptor(SHA256), ARTIFACT, "early");
    repository.put("early", &manifest).expect(201);
    let of = repository.push_image("later", &blobs, &later);
    assert_eq!(digests(&repository.referrers(&of)), [manifest.digest()]);
}

#[test]
fn referrers_belong_to_their_repository() {
    let server = Server::start();
    let (repository, subject) = with_subject(&server);
    let of = subject["digest"].as_str().unwrap();
    repository.put("here", &artifact(&subject, ARTIFACT, "here")).expect(201);
    assert_eq!(Repository::new(&server, "library/elsewhere").referrers(of), [json!(null); 0]);
}

#[test]
fn the_list_survives_a_restart() {
    let server = Server::start();
    let (repository, subject) = with_subject(&server);
    let of = subject["digest"].as_str().unwrap().to_owned();
    let kept = artifact(&subject, ARTIFACT, "kept");
    let deleted = artifact(&subject, ARTIFACT, "deleted");
    repository.put("kept", &kept).expect(201);
    repository.put("deleted", &deleted).expect(201);
    server.delete(repository.manifest_path(&deleted.digest())).expect(202);
    let server = server.restart();
    assert_eq!(digests(&Repository::new(&server, NAME).referrers(&of)), [kept.digest()]);
}

#[test]
fn the_list_is_rebuilt_when_what_wharf_keeps_beside_the_layout_is_gone() {
    let server = Server::start();
    let (repository, subject) = with_subject(&server);
    let of = subject["digest"].as_str().unwrap().to_owned();
    let manifest = artifact(&subject, ARTIFACT, "rebuilt");
    repository.put("rebuilt", &manifest).expect(201);
    let server = server.restart_after(|root| {
        let own = root.join("wharf");
        assert!(own.is_dir(), "what wharf keeps beside the layout lies in {}", own.display());
        std::fs::remove_dir_all(own).unwrap();
    });
    assert_eq!(digests(&Repository::new(&server, NAME).referrers(&of)), [manifest.digest()]);
}

#[test]
fn a_fallback_tag_is_a_tag_like_any_other() {
    let server = Server::start();
    let (repository, subject) = with_subject(&server);
    let of = subject["digest"].as_str().unwrap();
    let fallback = of.replace(':', "-");
    repository.manifest(&fallback).refused(404, "MANIFEST_UNKNOWN");
    let referrer = artifact(&subject, ARTIFACT, "listed by a client");
    repository.put(&referrer.digest(), &referrer).expect(201);
    let list = Manifest::new(&index_json(SHA256, &[&referrer]));
    repository.put(&fallback, &list).expect(201);
    assert_eq!(repository.manifest(&fallback).expect(200).body, list.bytes);
    assert_eq!(digests(&repository.referrers(of)), [referrer.digest()], "once");
}

#[test]
fn many_referrers_are_listed() {
    let server = Server::start();
    let (repository, subject) = with_subject(&server);
    let of = subject["digest"].as_str().unwrap();
    let mut expected: Vec<_> = (0..200)
        .map(|i| {
            let manifest = artifact(&subject, ARTIFACT, &format!("number {i}"));
            repository.put(&manifest.digest(), &manifest).expect(201);
            manifest.digest()
        })
        .collect();
    expected.sort();
    assert_eq!(digests(&repository.referrers(of)), expected);
}

#[test]
fn a_descriptor_with_everything_is_fine_as_a_subject() {
    let server = Server::start();
    let (repository, _) = with_subject(&server);
    let mut subject = descriptor(SHA256, IMAGE, b"described at length");
    subject["annotations"] = json!({ "a": "b" });
    subject["urls"] = json!(["https://example.com"]);
    subject["extra"] = json!({ "unknown": true });
    let manifest = artifact(&subject, ARTIFACT, "of a long subject");
    repository.put("v1", &manifest).expect(201);
    let of = subject["digest"].as_str().unwrap();
    assert_eq!(digests(&repository.referrers(of)), [manifest.digest()]);
}

#[test]
fn a_referrer_of_two_names_is_listed_once() {
    let server = Server::start();
    let (repository, subject) = with_subject(&server);
    let of = subject["digest"].as_str().unwrap();
    assert_eq!(repository.referrers(of), [json!(null); 0], "read before, so that it is kept up");
    let manifest = artifact(&subject, ARTIFACT, "two names");
    let by_sha512 = Algorithm::Sha512.digest(&manifest.bytes);
    repository.put(&by_sha512, &manifest).expect(201);
    repository.put("tagged", &manifest).expect(201);
    assert_eq!(digests(&repository.referrers(of)), std::slice::from_ref(&by_sha512));
    let kept_up = repository.referrers(of);
    let server = server.restart();
    let repository = Repository::new(&server, NAME);
    assert_eq!(repository.referrers(of), kept_up, "read from the volume it is the same");
    server.delete(repository.manifest_path(&by_sha512)).expect(202);
    assert_eq!(repository.referrers(of), [json!(null); 0]);
}
