//! An independent client in Rust: the crate `oci-client` (once `oci-distribution`), which knows
//! nothing of ours, pushes and pulls by every way that it has, and reads what `wharf push` wrote.

use std::process::Command;

use oci_client::client::{Client, ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::manifest::{IMAGE_LAYER_MEDIA_TYPE, OciImageManifest};
use oci_client::secrets::RegistryAuth;

use crate::content::{self, ARTIFACT, Algorithm, artifact_json, blob, sha256};
use crate::harness::{Server, program};
use crate::repository::Repository;

const NAME: &str = "library/oci-client";

fn client(use_monolithic_push: bool) -> Client {
    // It builds its TLS also where it is not going to use it, and wants a provider for it.
    _ = rustls::crypto::ring::default_provider().install_default();
    let protocol = ClientProtocol::Http;
    Client::new(ClientConfig { protocol, use_monolithic_push, ..ClientConfig::default() })
}

fn reference(server: &Server, name: &str, tag: &str) -> oci_client::Reference {
    format!("{}/{name}:{tag}", server.address()).parse().unwrap()
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Two layers, one larger than what the client sends at once, and a config.
fn image() -> (Vec<ImageLayer>, Config) {
    let layers = [blob("large", 9_000_000), blob("small", 3)];
    let layers = layers.into_iter().map(|bytes| ImageLayer::oci_v1(bytes, None)).collect();
    let config =
        br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
    (layers, Config::oci_v1(config.to_vec(), None))
}

#[test]
fn pushes_and_pulls_in_one_request_and_in_chunks() {
    let server = Server::start();
    for (tag, in_one_request) in [("whole", true), ("chunked", false)] {
        let image_reference = reference(&server, NAME, tag);
        let client = client(in_one_request);
        let (layers, config) = image();
        let anonymous = RegistryAuth::Anonymous;
        let pulled = wait(async {
            client.push(&image_reference, &layers, config, &anonymous, None).await.unwrap();
            client.pull(&image_reference, &anonymous, vec![IMAGE_LAYER_MEDIA_TYPE]).await.unwrap()
        });
        let mut found: Vec<_> = pulled.layers.iter().map(ImageLayer::sha256_digest).collect();
        let mut sent: Vec<_> = layers.iter().map(ImageLayer::sha256_digest).collect();
        found.sort();
        sent.sort();
        assert_eq!(found, sent, "{tag}");
        let served = Repository::new(&server, NAME).manifest(tag).expect(200);
        assert_eq!(pulled.digest.unwrap(), sha256(&served.body), "{tag}");
    }
}

#[test]
fn mounts_lists_and_finds_referrers() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let (blobs, manifest) = content::image(Algorithm::Sha256, "oci-client");
    repository.push_image("v1", &blobs, &manifest);
    repository.push(b"{}");
    let mut artifact = artifact_json(Algorithm::Sha256, ARTIFACT, b"{}");
    artifact["subject"] = manifest.descriptor(Algorithm::Sha256);
    let artifact = content::Manifest::new(&artifact);
    repository.put("artifact", &artifact).expect(201);

    let here = reference(&server, NAME, "v1");
    let there = reference(&server, "library/there", "v1");
    let (client, anonymous) = (client(true), RegistryAuth::Anonymous);
    wait(async {
        assert!(!client.blob_exists(&there, &sha256(&blobs[0])).await.unwrap());
        client.mount_blob(&there, &here, &sha256(&blobs[0])).await.unwrap();
        assert!(client.blob_exists(&there, &sha256(&blobs[0])).await.unwrap());

        let tags = client.list_tags(&here, &anonymous, Some(1), None).await.unwrap();
        assert_eq!(tags.tags, ["artifact"]);
        let tags = client.list_tags(&here, &anonymous, None, Some("artifact")).await.unwrap();
        assert_eq!(tags.tags, ["v1"]);
        let catalog = client.catalog(&here, &anonymous, None, None).await.unwrap();
        assert_eq!(catalog.repositories, [NAME], "the other one has no manifest");

        let of = here.clone_with_digest(manifest.digest());
        let found = client.pull_referrers(&of, Some(ARTIFACT)).await.unwrap();
        let found: Vec<_> = found.manifests.iter().map(|entry| entry.digest.as_str()).collect();
        assert_eq!(found, [artifact.digest()]);
    });
}

#[test]
fn pulls_what_wharf_pushed() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("wharf.tar");
    let wharf = |arguments: &[&str]| {
        let output = Command::new(program()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let archive = archive.to_str().unwrap();
    wharf(&["image", "--output", archive]);
    let to = server.address().to_string();
    wharf(&["push", "--quiet", "--registry", &to, "--archive", archive, "--as", "tools/wharf:1"]);

    let image_reference = reference(&server, "tools/wharf", "1");
    let (manifest, layers): (OciImageManifest, _) = wait(async {
        let (client, anonymous) = (client(true), RegistryAuth::Anonymous);
        let (manifest, _) = client.pull_image_manifest(&image_reference, &anonymous).await.unwrap();
        let mut layers = Vec::new();
        for layer in &manifest.layers {
            let mut bytes = Vec::new();
            client.pull_blob(&image_reference, layer, &mut bytes).await.unwrap();
            layers.push(bytes);
        }
        (manifest, layers)
    });
    assert!(!layers.is_empty());
    for (descriptor, bytes) in manifest.layers.iter().zip(&layers) {
        assert_eq!(descriptor.digest, sha256(bytes));
    }
}
