//! Wharf's own OCI image, written from the program: one uncompressed layer, a configuration, a
//! manifest. Same program, same name, same bytes; no builder, no Containerfile, no clock.

mod containerfile;
mod engine;
mod layer;
mod layout;
mod program;
pub mod sources;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use wharf_oci::{Algorithm, Descriptor, Digest, Manifest, Platform, media_type};

pub use containerfile::{CONTAINERFILE, builder};
pub use engine::{EngineError, load};
pub use layout::{Format, LayoutError, archive_into, write_archive, write_layout};
pub use program::{Architecture, Program, ProgramError};
pub use sources::Sources;

/// The time that the image gives for itself: it is the same whenever it is made.
const CREATED: &str = "1970-01-01T00:00:00Z";
/// Where the registry keeps its store in the container: registry:2's place.
const ROOT: &str = "/var/lib/registry";

/// An image: its parts, and the digests that bind them.
#[derive(Debug, Clone)]
pub struct Image {
    pub architecture: Architecture,
    pub layer: Blob,
    pub config: Blob,
    pub manifest: Manifest,
    /// Points at the manifest, and says what it runs on.
    pub descriptor: Descriptor,
}

/// Bytes, and the descriptor that points at them.
#[derive(Debug, Clone)]
pub struct Blob {
    pub descriptor: Descriptor,
    pub bytes: Bytes,
}

impl Blob {
    fn new(media_type: &str, bytes: Bytes) -> Self {
        let digest = Digest::of(Algorithm::Sha256, &bytes);
        Self { descriptor: Descriptor::new(media_type, digest, bytes.len() as u64), bytes }
    }
}

impl Image {
    /// The image of a program.
    pub fn of(program: &Program) -> Self {
        Self::holding(&program.bytes, program.architecture)
    }

    /// An image with any bytes in the place of the program.
    #[expect(clippy::expect_used, reason = "the manifest was written two lines above")]
    pub fn holding(program: &[u8], architecture: Architecture) -> Self {
        let layer = Blob::new(media_type::OCI_LAYER, layer::layer(program));
        let config = config(architecture, layer.descriptor.digest);
        let config = Blob::new(media_type::OCI_CONFIG, json(&config));
        let manifest = json(&ManifestJson {
            schema_version: 2,
            media_type: media_type::OCI_MANIFEST,
            config: &config.descriptor,
            layers: [&layer.descriptor],
            annotations: annotations(),
        });
        let mut descriptor = Blob::new(media_type::OCI_MANIFEST, manifest.clone()).descriptor;
        descriptor.platform = Some(Platform {
            architecture: architecture.as_str().into(),
            os: "linux".into(),
            ..Platform::default()
        });
        let manifest = Manifest::from_stored(manifest).expect("a manifest written here is valid");
        Self { architecture, layer, config, manifest, descriptor }
    }

    /// The digest of the manifest, by which the image is known everywhere.
    pub fn digest(&self) -> Digest {
        self.descriptor.digest
    }

    /// The blobs in the order in which they are sent: the layer, then the configuration.
    pub fn blobs(&self) -> [&Blob; 2] {
        [&self.layer, &self.config]
    }

    /// The bytes of all parts.
    pub fn size(&self) -> u64 {
        self.layer.descriptor.size + self.config.descriptor.size + self.descriptor.size
    }
}

// Structs rather than maps, so that the order of the fields is part of the text below.

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ManifestJson<'a> {
    schema_version: u32,
    media_type: &'a str,
    config: &'a Descriptor,
    layers: [&'a Descriptor; 1],
    annotations: BTreeMap<&'a str, &'a str>,
}

/// The image's configuration (image spec, "Image JSON").
#[derive(Serialize)]
struct ConfigJson {
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    config: RunJson,
    rootfs: RootfsJson,
    history: [HistoryJson; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RunJson {
    exposed_ports: BTreeMap<&'static str, Empty>,
    env: [String; 2],
    entrypoint: [&'static str; 1],
    cmd: [&'static str; 1],
    volumes: BTreeMap<&'static str, Empty>,
    working_dir: &'static str,
    labels: BTreeMap<&'static str, &'static str>,
    stop_signal: &'static str,
}

#[derive(Serialize)]
struct RootfsJson {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: [Digest; 1],
}

#[derive(Serialize)]
struct HistoryJson {
    created: &'static str,
    created_by: &'static str,
}

#[derive(Serialize)]
struct Empty {}

fn config(architecture: Architecture, layer: Digest) -> ConfigJson {
    ConfigJson {
        created: CREATED,
        architecture: architecture.as_str(),
        os: "linux",
        config: RunJson {
            exposed_ports: BTreeMap::from([("5000/tcp", Empty {})]),
            env: ["WHARF_IMAGE_LISTEN=[::]:5000".into(), format!("WHARF_IMAGE_ROOT={ROOT}")],
            entrypoint: ["/wharf"],
            cmd: ["serve"],
            volumes: BTreeMap::from([(ROOT, Empty {})]),
            working_dir: "/",
            labels: annotations(),
            stop_signal: "SIGTERM",
        },
        rootfs: RootfsJson { kind: "layers", diff_ids: [layer] },
        history: [HistoryJson { created: CREATED, created_by: "wharf image" }],
    }
}

/// What the image says of itself (image spec, "Pre-Defined Annotation Keys").
fn annotations() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        ("org.opencontainers.image.title", "wharf"),
        ("org.opencontainers.image.description", env!("CARGO_PKG_DESCRIPTION")),
        ("org.opencontainers.image.version", env!("CARGO_PKG_VERSION")),
        ("org.opencontainers.image.licenses", env!("CARGO_PKG_LICENSE")),
    ])
}

#[expect(clippy::expect_used, reason = "these structs have string keys and plain values")]
fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("a plain value serialises").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(program: &'static [u8]) -> Image {
        Image::of(&Program {
            bytes: Bytes::from_static(program),
            architecture: Architecture::Arm64,
        })
    }

    #[test]
    fn the_same_program_gives_the_same_image() {
        assert_eq!(image(b"one").digest(), image(b"one").digest());
        assert_ne!(image(b"one").digest(), image(b"two").digest());
    }

    #[test]
    fn manifest_and_configuration_point_at_the_bytes() {
        let image = image(b"program");
        assert_eq!(image.manifest.config(), Some(&image.config.descriptor));
        assert_eq!(image.manifest.layers(), std::slice::from_ref(&image.layer.descriptor));
        assert_eq!(image.digest(), Digest::of(Algorithm::Sha256, image.manifest.bytes()));
        for blob in image.blobs() {
            assert_eq!(blob.descriptor.digest, Digest::of(Algorithm::Sha256, &blob.bytes));
        }
        let config: serde_json::Value = serde_json::from_slice(&image.config.bytes).unwrap();
        let layer = image.layer.descriptor.digest.to_string();
        assert_eq!(config["rootfs"]["diff_ids"], serde_json::json!([layer]));
        assert_eq!(config["architecture"], "arm64");
        assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/wharf"]));
        assert_eq!(config["config"]["Cmd"], serde_json::json!(["serve"]));
        assert_eq!(config["config"]["Env"][0], "WHARF_IMAGE_LISTEN=[::]:5000");
    }
}
