//! The media types that Wharf knows by name, and the few questions it asks about them. Layers and
//! configs may have any other type: nothing here limits what an image may carry.

/// An OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An OCI image's configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// A layer as a plain tar archive.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// A layer as a tar archive compressed with gzip.
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// A layer as a tar archive compressed with zstd.
pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// A layer as a plain tar archive, in Docker's words.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
/// A layer as a tar archive compressed with gzip, in Docker's words.
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// The empty descriptor's content, `{}`.
pub const EMPTY_JSON: &str = "application/vnd.oci.empty.v1+json";
/// A Docker image manifest, version 2, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// A Docker manifest list, version 2, schema 2.
pub const DOCKER_MANIFEST_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

const OCI_NON_DISTRIBUTABLE_PREFIX: &str = "application/vnd.oci.image.layer.nondistributable.v1.";
const DOCKER_FOREIGN_LAYER: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
const DOCKER_FOREIGN_LAYER_PLAIN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar";

/// Whether manifests of this type list other manifests.
#[must_use]
pub fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | DOCKER_MANIFEST_LIST)
}

/// Whether blobs of this type live elsewhere by design, and may be missing from the registry.
#[must_use]
pub fn is_non_distributable(media_type: &str) -> bool {
    media_type.starts_with(OCI_NON_DISTRIBUTABLE_PREFIX)
        || matches!(media_type, DOCKER_FOREIGN_LAYER | DOCKER_FOREIGN_LAYER_PLAIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::image::{MediaType, ToDockerV2S2};

    #[test]
    fn the_names_are_those_of_oci_spec() {
        let table = [
            (OCI_MANIFEST, MediaType::ImageManifest),
            (OCI_INDEX, MediaType::ImageIndex),
            (OCI_CONFIG, MediaType::ImageConfig),
            (OCI_LAYER, MediaType::ImageLayer),
            (OCI_LAYER_GZIP, MediaType::ImageLayerGzip),
            (OCI_LAYER_ZSTD, MediaType::ImageLayerZstd),
            (EMPTY_JSON, MediaType::EmptyJSON),
        ];
        for (ours, theirs) in table {
            assert_eq!(ours, theirs.as_ref());
        }
        assert_eq!(MediaType::ImageManifest.to_docker_v2s2().unwrap(), DOCKER_MANIFEST);
        assert_eq!(MediaType::ImageIndex.to_docker_v2s2().unwrap(), DOCKER_MANIFEST_LIST);
    }

    #[test]
    fn foreign_layers_are_told_apart() {
        let foreign = [
            MediaType::ImageLayerNonDistributable.to_string(),
            MediaType::ImageLayerNonDistributableGzip.to_string(),
            MediaType::ImageLayerNonDistributableZstd.to_string(),
            DOCKER_FOREIGN_LAYER.to_owned(),
        ];
        assert!(foreign.iter().all(|media_type| is_non_distributable(media_type)));
        assert!(!is_non_distributable(OCI_LAYER_GZIP));
    }
}
