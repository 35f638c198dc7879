//! Images small enough to push by the dozen, and what a registry must say of each once it has it.

use serde_json::json;
use wharf_oci::{Algorithm, Digest};

use crate::api::Api;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_MANIFEST_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Every type of manifest that both programs know.
pub(crate) const MEDIA_TYPES: [&str; 4] =
    [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_MANIFEST_LIST];

/// A blob and the digest it goes by.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) digest: Digest,
    pub(crate) bytes: Vec<u8>,
}

impl Blob {
    /// `size` bytes that differ by `seed`, under their digest of `algorithm`.
    pub(crate) fn new(algorithm: Algorithm, seed: &str, size: usize) -> Self {
        let bytes: Vec<u8> = seed
            .bytes()
            .cycle()
            .enumerate()
            .map(|(at, byte)| byte ^ at as u8 ^ (at >> 8) as u8)
            .take(size)
            .collect();
        Self { digest: Digest::of(algorithm, &bytes), bytes }
    }

    fn descriptor(&self, media_type: &str) -> serde_json::Value {
        json!({ "mediaType": media_type, "digest": self.digest, "size": self.bytes.len() })
    }
}

/// A manifest and the digest it goes by.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) media_type: &'static str,
    pub(crate) digest: Digest,
    pub(crate) bytes: Vec<u8>,
}

impl Manifest {
    fn new(media_type: &'static str, mut body: serde_json::Value) -> Self {
        body["schemaVersion"] = 2.into();
        body["mediaType"] = media_type.into();
        // Spaces and all: what counts is that they come back.
        let bytes = serde_json::to_vec_pretty(&body).unwrap();
        Self { media_type, digest: Digest::of(Algorithm::Sha256, &bytes), bytes }
    }

    /// An index of `children`.
    pub(crate) fn index(children: &[&Self]) -> Self {
        let children: Vec<_> = children.iter().map(|child| child.descriptor()).collect();
        Self::new(OCI_INDEX, json!({ "manifests": children }))
    }

    fn descriptor(&self) -> serde_json::Value {
        let platform = json!({ "architecture": "amd64", "os": "linux" });
        json!({ "mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len(), "platform": platform })
    }

    /// The same manifest under its digest of another algorithm.
    pub(crate) fn known_by(self, algorithm: Algorithm) -> Self {
        Self { digest: Digest::of(algorithm, &self.bytes), ..self }
    }
}

/// An image: a manifest and the blobs it names.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) manifest: Manifest,
    pub(crate) blobs: Vec<Blob>,
}

impl Image {
    /// An image in OCI's types, with two layers; `seed` makes its content its own.
    pub(crate) fn oci(seed: &str) -> Self {
        Self::of(
            seed,
            OCI_MANIFEST,
            "application/vnd.oci.image.config.v1+json",
            "application/vnd.oci.image.layer.v1.tar",
            Algorithm::Sha256,
        )
    }

    /// An image in Docker's types.
    pub(crate) fn docker(seed: &str) -> Self {
        Self::of(
            seed,
            DOCKER_MANIFEST,
            "application/vnd.docker.container.image.v1+json",
            "application/vnd.docker.image.rootfs.diff.tar",
            Algorithm::Sha256,
        )
    }

    /// An image in OCI's types whose blobs go by `algorithm`.
    pub(crate) fn with_blobs_by(algorithm: Algorithm, seed: &str) -> Self {
        Self::of(
            seed,
            OCI_MANIFEST,
            "application/vnd.oci.image.config.v1+json",
            "application/vnd.oci.image.layer.v1.tar",
            algorithm,
        )
    }

    fn of(
        seed: &str,
        manifest: &'static str,
        config: &str,
        layer: &str,
        algorithm: Algorithm,
    ) -> Self {
        let text = json!({ "architecture": "amd64", "os": "linux", "author": seed }).to_string();
        let configured =
            Blob { digest: Digest::of(algorithm, text.as_bytes()), bytes: text.into() };
        // Every image has the first layer in common; the second is its own.
        let layers = [Blob::new(algorithm, "a base", 300_000), Blob::new(algorithm, seed, 70_001)];
        let body = json!({
            "config": configured.descriptor(config),
            "layers": layers.iter().map(|blob| blob.descriptor(layer)).collect::<Vec<_>>(),
        });
        let [base, own] = layers;
        Self { manifest: Manifest::new(manifest, body), blobs: vec![configured, base, own] }
    }

    /// Pushes the image: blobs first, then the manifest by `tag`.
    pub(crate) fn push(&self, api: &Api, repository: &str, tag: &str) {
        self.push_blobs(api, repository);
        api.push_manifest(repository, tag, &self.manifest);
    }

    /// Pushes the blobs alone.
    pub(crate) fn push_blobs(&self, api: &Api, repository: &str) {
        for blob in &self.blobs {
            api.push_blob(repository, &blob.digest, &blob.bytes);
        }
    }
}

/// What the volume is to hold, and therefore what each program has to serve.
#[derive(Clone, Default)]
pub(crate) struct Shelf {
    tags: Vec<(String, String, Manifest)>,
    blobs: Vec<(String, Blob)>,
}

impl Shelf {
    /// Pushes `image` and remembers it.
    pub(crate) fn push(&mut self, api: &Api, repository: &str, tag: &str, image: &Image) {
        image.push(api, repository, tag);
        self.put(repository, tag, &image.manifest);
        self.blobs.extend(image.blobs.iter().map(|blob| (repository.to_owned(), blob.clone())));
    }

    /// Pushes a manifest whose blobs are there, and remembers it.
    pub(crate) fn push_manifest(
        &mut self,
        api: &Api,
        repository: &str,
        tag: &str,
        manifest: &Manifest,
    ) {
        api.push_manifest(repository, tag, manifest);
        self.put(repository, tag, manifest);
    }

    /// Remembers that `tag` points at `manifest` from now on, and at nothing else.
    pub(crate) fn put(&mut self, repository: &str, tag: &str, manifest: &Manifest) {
        self.tags.retain(|(at, name, _)| (at.as_str(), name.as_str()) != (repository, tag));
        self.tags.push((repository.to_owned(), tag.to_owned(), manifest.clone()));
    }

    /// Compares everything `api` serves with everything that was pushed, byte for byte.
    pub(crate) fn check(&self, api: &Api, server: &str) {
        for (repository, tag, manifest) in &self.tags {
            for reference in [tag.clone(), manifest.digest.to_string()] {
                let answer = api.get(&format!("{repository}/manifests/{reference}"));
                let what = format!("{repository}:{reference} from {server}: {answer}");
                assert_eq!(answer.status, 200, "{what}");
                assert_eq!(answer.body, manifest.bytes, "{what}");
                assert_eq!(answer.media_type, manifest.media_type, "{what}");
                // A tag that registry:2 serves is known to it by sha256.
                let digest = Digest::of(Algorithm::Sha256, &manifest.bytes).to_string();
                assert!([digest, manifest.digest.to_string()].contains(&answer.digest), "{what}");
            }
        }
        for (repository, blob) in &self.blobs {
            let answer = api.get(&format!("{repository}/blobs/{}", blob.digest));
            assert_eq!(answer.status, 200, "{} of {repository} from {server}", blob.digest);
            assert!(
                answer.body == blob.bytes,
                "{} of {repository} from {server} differs",
                blob.digest
            );
        }

        let mut repositories: Vec<_> = self.tags.iter().map(|(name, _, _)| name.clone()).collect();
        repositories.sort();
        repositories.dedup();
        assert_eq!(api.list("_catalog", "repositories"), repositories, "the catalog of {server}");
        for repository in &repositories {
            let mut tags: Vec<_> = self
                .tags
                .iter()
                .filter(|(name, _, _)| name == repository)
                .map(|(_, tag, _)| tag.clone())
                .collect();
            tags.sort();
            let listed = api.list(&format!("{repository}/tags/list"), "tags");
            assert_eq!(listed, tags, "the tags of {repository} from {server}");
        }
    }
}
