//! Where everything lies on the volume: the only place that turns a name or a digest into a path.
//!
//! The tree under `docker/registry/v2` is registry:2's own, to the letter (distribution,
//! `registry/storage/paths.go`), so that a volume can go back and forth between the two:
//!
//! ```text
//! blobs/sha256/HEX[0:2]/HEX/data                              every blob and every manifest body
//! repositories/NAME/_layers/ALG/HEX/link                      the blob is readable in NAME
//! repositories/NAME/_manifests/revisions/ALG/HEX/link         the manifest is readable in NAME
//! repositories/NAME/_manifests/tags/TAG/current/link          what the tag points at
//! repositories/NAME/_manifests/tags/TAG/index/ALG/HEX/link    all it has ever pointed at
//! repositories/NAME/_uploads/UUID/{data,startedat}            an upload session
//! ```
//!
//! What wharf needs beyond that lies under `wharf/` beside `docker/` and can be deleted at any time.

use std::path::{Path, PathBuf};

use wharf_oci::{Algorithm, Digest, RepositoryName, Tag, UploadId};

/// The paths of one volume.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    volume: PathBuf,
    registry: PathBuf,
}

impl Layout {
    pub(crate) fn new(volume: &Path) -> Self {
        Self { volume: volume.to_path_buf(), registry: volume.join("docker/registry/v2") }
    }

    pub(crate) fn volume(&self) -> &Path {
        &self.volume
    }

    /// The root of registry:2's tree.
    pub(crate) fn registry(&self) -> &Path {
        &self.registry
    }

    /// wharf's own folder: the lock and files on their way to their place.
    pub(crate) fn own(&self) -> PathBuf {
        self.volume.join("wharf")
    }

    /// Files that are renamed to their place once they are whole.
    pub(crate) fn staging(&self) -> PathBuf {
        self.own().join("staging")
    }

    /// Where the file of a blob goes that turned out not to be what its digest names.
    pub(crate) fn damaged(&self, stored: &Digest) -> PathBuf {
        self.own().join("damaged").join(stored.hex())
    }

    /// The file of a blob or a manifest body; all bytes are kept under their sha256.
    pub(crate) fn blob(&self, stored: &Digest) -> PathBuf {
        debug_assert_eq!(
            stored.algorithm(),
            Algorithm::Sha256,
            "bytes are kept under their sha256"
        );
        let hex = stored.hex();
        let mut path = self.blobs();
        path.push("sha256");
        path.push(&hex[..2]);
        path.push(&hex);
        path.push("data");
        path
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.registry.join("blobs")
    }

    pub(crate) fn repositories(&self) -> PathBuf {
        self.registry.join("repositories")
    }

    pub(crate) fn repository(&self, name: &RepositoryName) -> PathBuf {
        self.repositories().join(name.as_str())
    }

    pub(crate) fn layers(&self, name: &RepositoryName) -> PathBuf {
        self.repository(name).join("_layers")
    }

    pub(crate) fn layer_link(&self, name: &RepositoryName, digest: &Digest) -> PathBuf {
        digest_link(self.layers(name), digest)
    }

    pub(crate) fn revisions(&self, name: &RepositoryName, algorithm: Algorithm) -> PathBuf {
        let mut path = self.repository(name);
        path.push("_manifests/revisions");
        path.push(algorithm.to_string());
        path
    }

    pub(crate) fn revision_link(&self, name: &RepositoryName, digest: &Digest) -> PathBuf {
        digest_link(self.repository(name).join("_manifests/revisions"), digest)
    }

    pub(crate) fn tags(&self, name: &RepositoryName) -> PathBuf {
        self.repository(name).join("_manifests/tags")
    }

    pub(crate) fn tag(&self, name: &RepositoryName, tag: &Tag) -> PathBuf {
        self.tags(name).join(tag.as_str())
    }

    pub(crate) fn tag_link(&self, name: &RepositoryName, tag: &Tag) -> PathBuf {
        self.tag(name, tag).join("current/link")
    }

    pub(crate) fn tag_index_link(
        &self,
        name: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> PathBuf {
        digest_link(self.tag(name, tag).join("index"), digest)
    }

    pub(crate) fn uploads(&self, name: &RepositoryName) -> PathBuf {
        self.repository(name).join("_uploads")
    }

    pub(crate) fn upload(&self, name: &RepositoryName, id: &UploadId) -> PathBuf {
        self.uploads(name).join(id.to_string())
    }
}

/// `BASE/ALG/HEX/link`.
fn digest_link(base: PathBuf, digest: &Digest) -> PathBuf {
    let mut path = base;
    path.push(digest.algorithm().to_string());
    path.push(digest.hex());
    path.push("link");
    path
}
