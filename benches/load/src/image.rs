//! An image to measure with: a few layers of one size, a configuration of two bytes, a manifest, a tag.

use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use wharf_oci::{Algorithm, Digest, Endpoint, Reference, RepositoryName, Tag, media_type};

use crate::content::{Blobs, file_error};
use crate::push::{push_blob, push_bytes};
use crate::{Connection, LoadError, Target};

/// The configuration of the image: the small blob of the measurements.
const CONFIGURATION: &[u8] = b"{}";

/// An image that was pushed.
#[derive(Debug, Clone, Serialize)]
pub struct Image {
    /// Its repository.
    pub name: RepositoryName,
    /// Its tag.
    pub tag: Tag,
    /// The digest of its manifest.
    pub manifest: Digest,
    /// The digest of its configuration, a blob of two bytes.
    pub configuration: Digest,
    /// The digests of its layers.
    pub layers: Vec<Digest>,
}

impl Image {
    /// An image whose layers are the blobs 0 to `layers`; nothing is pushed.
    #[must_use]
    pub fn of(name: RepositoryName, tag: Tag, blobs: &Blobs, layers: u64) -> Self {
        let layers: Vec<_> = (0..layers).map(|number| blobs.blob(number).digest).collect();
        let configuration = Digest::of(Algorithm::Sha256, CONFIGURATION);
        let size = CONFIGURATION.len() as u64;
        let manifest = render_manifest(configuration, size, &layers, blobs.size());
        let manifest = Digest::of(Algorithm::Sha256, &manifest);
        Self { name, tag, manifest, configuration, layers }
    }

    /// Pushes an image whose layers are the blobs 0 to `layers`.
    ///
    /// # Errors
    /// When the registry refuses a part of it.
    pub fn push(
        target: &Target,
        name: RepositoryName,
        tag: Tag,
        blobs: &Blobs,
        layers: u64,
    ) -> Result<Self, LoadError> {
        let image = Self::of(name, tag, blobs, layers);
        let mut connection = Connection::open(target)?;
        let file = blobs.open()?;
        for number in 0..layers {
            push_blob(&mut connection, &image.name, blobs, &blobs.blob(number), &file)?;
        }
        push_bytes(&mut connection, &image.name, CONFIGURATION)?;
        let size = CONFIGURATION.len() as u64;
        let manifest = render_manifest(image.configuration, size, &image.layers, blobs.size());
        put_manifest(&mut connection, &image.name, &image.tag, &manifest)?;
        Ok(image)
    }

    /// Pushes an image whose layers are these files.
    ///
    /// # Errors
    /// When a file cannot be read, or the registry refuses a part of the image.
    pub fn push_files(
        target: &Target,
        name: RepositoryName,
        tag: Tag,
        files: &[PathBuf],
    ) -> Result<Self, LoadError> {
        let mut connection = Connection::open(target)?;
        let (mut layers, mut descriptors) = (Vec::new(), Vec::new());
        for path in files {
            let bytes = fs::read(path).map_err(|source| file_error("read", path, source))?;
            let digest = push_bytes(&mut connection, &name, &bytes)?;
            descriptors.push((digest, bytes.len() as u64));
            layers.push(digest);
        }
        let configuration = push_bytes(&mut connection, &name, CONFIGURATION)?;
        let manifest = render(configuration, CONFIGURATION.len() as u64, &descriptors);
        put_manifest(&mut connection, &name, &tag, &manifest)?;
        let manifest = Digest::of(Algorithm::Sha256, &manifest);
        Ok(Self { name, tag, manifest, configuration, layers })
    }
}

/// The bytes of a manifest whose layers are all of one size.
pub(crate) fn render_manifest(
    configuration: Digest,
    configuration_size: u64,
    layers: &[Digest],
    layer_size: u64,
) -> Vec<u8> {
    let layers: Vec<_> = layers.iter().map(|digest| (*digest, layer_size)).collect();
    render(configuration, configuration_size, &layers)
}

fn render(configuration: Digest, configuration_size: u64, layers: &[(Digest, u64)]) -> Vec<u8> {
    let descriptor = |media_type: &str, digest: &Digest, size: u64| serde_json::json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size });
    let layers: Vec<_> = layers
        .iter()
        .map(|(digest, size)| descriptor(media_type::OCI_LAYER, digest, *size))
        .collect();
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": descriptor(media_type::OCI_CONFIG, &configuration, configuration_size),
        "layers": layers,
    });
    manifest.to_string().into_bytes()
}

fn put_manifest(
    connection: &mut Connection,
    name: &RepositoryName,
    tag: &Tag,
    manifest: &[u8],
) -> Result<(), LoadError> {
    let reference = Reference::Tag(tag.clone());
    let path = Endpoint::PutManifest { name: name.clone(), reference, tags: Vec::new() }.to_uri();
    let headers = format!(
        "Content-Type: {}\r\nContent-Length: {}\r\n",
        media_type::OCI_MANIFEST,
        manifest.len()
    );
    connection.send("PUT", &path, &headers)?;
    connection.send_bytes(manifest)?;
    let head = connection.expect(201)?;
    connection.receive_body(&head, |_| true)
}
