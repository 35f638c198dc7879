//! A small image, and the push of it through the domain's own face.

use bytes::Bytes;
use wharf_oci::{Algorithm, Digest, Reference, RepositoryName, Tag};
use wharf_registry::{Error, Incoming, Registry};

/// An image of two layers and a configuration, all made from its name.
pub(crate) struct Image {
    pub(crate) blobs: Vec<Bytes>,
    pub(crate) manifest: Bytes,
}

impl Image {
    pub(crate) fn named(name: &str) -> Self {
        let large = name.as_bytes().iter().copied().cycle().take(700_000).collect::<Vec<u8>>();
        let blobs: Vec<Bytes> = [
            format!("{{\"made\":\"{name}\"}}").into_bytes(),
            large,
            format!("a small layer of {name}").into_bytes(),
        ]
        .into_iter()
        .map(Bytes::from)
        .collect();
        let describe = |kind: &str, blob: &Bytes| {
            let digest = Digest::of(Algorithm::Sha256, blob);
            let media_type = format!("application/vnd.oci.image.{kind}");
            serde_json::json!({"mediaType": media_type, "digest": digest, "size": blob.len()})
        };
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": describe("config.v1+json", &blobs[0]),
            "layers": [describe("layer.v1.tar", &blobs[1]), describe("layer.v1.tar", &blobs[2])],
        });
        Self { blobs, manifest: manifest.to_string().into() }
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(Algorithm::Sha256, &self.manifest)
    }

    /// Pushes everything and moves `tag`; `acknowledged` hears of each step that succeeded.
    pub(crate) async fn push(
        &self,
        registry: &Registry,
        name: &RepositoryName,
        tag: &Tag,
        mut acknowledged: impl FnMut(&Digest),
    ) -> Result<(), Error> {
        for blob in &self.blobs {
            acknowledged(&push_blob(registry, name, blob).await?);
        }
        let reference = Reference::Tag(tag.clone());
        let put = registry.put_manifest(name, &reference, &[], None, self.manifest.clone()).await?;
        acknowledged(&put.digest);
        Ok(())
    }

    /// Reads everything back by `tag` and compares it.
    pub(crate) async fn assert_readable(
        &self,
        registry: &Registry,
        name: &RepositoryName,
        tag: &Tag,
    ) {
        let served = registry.manifest(name, &Reference::Tag(tag.clone())).await.unwrap();
        assert_eq!((served.digest, served.bytes), (self.digest(), self.manifest.clone()));
        for blob in &self.blobs {
            let digest = Digest::of(Algorithm::Sha256, blob);
            assert_eq!(read(registry, name, &digest).await, Some(blob.clone()));
        }
    }
}

pub(crate) async fn push_blob(
    registry: &Registry,
    name: &RepositoryName,
    blob: &Bytes,
) -> Result<Digest, Error> {
    let digest = Digest::of(Algorithm::Sha256, blob);
    let id = registry.start_upload(name, None).await?;
    let mut receiving = registry.receive(name, &id, Incoming::default()).await?;
    receiving.append(blob.clone()).await?;
    receiving.commit(&digest).await?;
    Ok(digest)
}

/// The bytes of a blob, or `None` where it reads as absent.
pub(crate) async fn read(
    registry: &Registry,
    name: &RepositoryName,
    digest: &Digest,
) -> Option<Bytes> {
    let content = match registry.blob(name, digest).await {
        Ok(content) => content,
        Err(Error::BlobUnknown { .. }) => return None,
        Err(error) => panic!("reading {digest}: {error}"),
    };
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < content.size() {
        bytes
            .extend_from_slice(content.window(bytes.len() as u64..content.size()).unwrap().bytes());
    }
    Some(bytes.into())
}
