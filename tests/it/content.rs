//! Content with known digests: blobs by name, and manifests of every shape, written here and not by
//! any code of the server, so that both cannot be wrong in the same way.

use serde_json::{Value, json};
use sha2::Digest as _;

/// Media type of an OCI image manifest.
pub(crate) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an OCI index.
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media type of an OCI image config.
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Media type of an OCI layer that is not compressed.
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Media type of an OCI layer in gzip.
pub(crate) const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// Media type of a layer that is never pushed.
pub(crate) const LAYER_FOREIGN: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar";
/// Media type of the empty JSON object.
pub(crate) const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// Media type of a Docker image manifest, schema 2.
pub(crate) const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Media type of a Docker manifest list.
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Media type of a Docker image config.
pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Media type of a Docker layer.
pub(crate) const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// A type of artifact that no registry can know.
pub(crate) const ARTIFACT: &str = "application/vnd.example.wharf.test.v1";
/// Another one.
pub(crate) const OTHER_ARTIFACT: &str = "application/vnd.example.wharf.test.v2";

/// A digest algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// `sha256` or `sha512`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The digest of `bytes`.
    pub(crate) fn digest(self, bytes: &[u8]) -> String {
        match self {
            Self::Sha256 => sha256(bytes),
            Self::Sha512 => sha512(bytes),
        }
    }
}

/// The sha256 digest of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&sha2::Sha256::digest(bytes)))
}

/// The sha512 digest of `bytes`.
pub(crate) fn sha512(bytes: &[u8]) -> String {
    format!("sha512:{}", hex(&sha2::Sha512::digest(bytes)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `length` bytes that look like noise and are the same for the same name.
pub(crate) fn blob(name: &str, length: usize) -> Vec<u8> {
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend((word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A descriptor of `bytes`.
pub(crate) fn descriptor(algorithm: Algorithm, media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": algorithm.digest(bytes), "size": bytes.len() })
}

/// A manifest as it goes over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// The Content-Type to push it with.
    pub(crate) media_type: String,
}

impl Manifest {
    /// Writes `value`, whose `mediaType` is the Content-Type.
    pub(crate) fn new(value: &Value) -> Self {
        let media_type = value["mediaType"].as_str().unwrap().to_owned();
        Self { bytes: serde_json::to_vec(value).unwrap(), media_type }
    }

    /// Writes `value` and pushes it as `media_type`.
    pub(crate) fn pushed_as(value: &Value, media_type: &str) -> Self {
        Self { bytes: serde_json::to_vec(value).unwrap(), media_type: media_type.to_owned() }
    }

    /// Its sha256 digest.
    pub(crate) fn digest(&self) -> String {
        sha256(&self.bytes)
    }

    /// A descriptor of it.
    pub(crate) fn descriptor(&self, algorithm: Algorithm) -> Value {
        descriptor(algorithm, &self.media_type, &self.bytes)
    }

    /// Its JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }
}

/// The JSON of an image manifest with OCI types over a config and layers.
pub(crate) fn image_json(algorithm: Algorithm, config: &[u8], layers: &[Vec<u8>]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": descriptor(algorithm, CONFIG, config),
        "layers": layers.iter().map(|l| descriptor(algorithm, LAYER_GZIP, l)).collect::<Vec<_>>(),
    })
}

/// The JSON of an index over manifests.
pub(crate) fn index_json(algorithm: Algorithm, manifests: &[&Manifest]) -> Value {
    let architectures = ["amd64", "arm64", "riscv64", "s390x"];
    let entry = |(manifest, architecture): (&&Manifest, &str)| {
        let mut entry = manifest.descriptor(algorithm);
        entry["platform"] = json!({ "os": "linux", "architecture": architecture });
        entry
    };
    let entries: Vec<_> =
        manifests.iter().zip(architectures.into_iter().cycle()).map(entry).collect();
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries })
}

/// The JSON of an artifact (image manifest with an `artifactType` and the empty config).
pub(crate) fn artifact_json(algorithm: Algorithm, artifact_type: &str, layer: &[u8]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "artifactType": artifact_type,
        "config": descriptor(algorithm, EMPTY, b"{}"),
        "layers": [descriptor(algorithm, artifact_type, layer)],
    })
}

/// An image of two layers: its blobs, the config first, and its manifest.
pub(crate) fn image(algorithm: Algorithm, name: &str) -> (Vec<Vec<u8>>, Manifest) {
    let layers = vec![blob(&format!("{name} layer 0"), 700), blob(&format!("{name} layer 1"), 900)];
    let diff_ids: Vec<_> = layers.iter().map(|layer| algorithm.digest(layer)).collect();
    let config = json!({
        "os": "linux", "architecture": "amd64", "author": name,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = serde_json::to_vec(&config).unwrap();
    let manifest = Manifest::new(&image_json(algorithm, &config, &layers));
    ([vec![config], layers].concat(), manifest)
}
