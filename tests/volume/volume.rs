//! A volume in a temporary folder, and the files in it by their names in registry:2's layout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use wharf_oci::Digest;

use crate::server::{self, Serving};

/// A root folder that either program can serve.
pub(crate) struct Volume {
    folder: TempDir,
}

impl Volume {
    /// An empty volume.
    pub(crate) fn new() -> Self {
        let volume = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(volume.root()).unwrap();
        volume
    }

    /// An empty volume for both programs; none where `docker-registry` is missing and may be.
    pub(crate) fn for_both() -> Option<Self> {
        if Command::new("docker-registry").arg("--help").output().is_err() {
            let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!is_ci, "the volume tests need docker-registry (./test.sh installs it)");
            eprintln!("left out: docker-registry is not installed (./test.sh installs it)");
            return None;
        }
        let volume = Self::new();
        let root = volume.root();
        let config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\n\
             http:\n  addr: 127.0.0.1:0\n",
            root.display()
        );
        fs::write(volume.config(), config).unwrap();
        Some(volume)
    }

    /// The folder that a container would mount at `/var/lib/registry`.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("volume")
    }

    /// docker-registry's settings for this volume.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("config.yml")
    }

    /// Serves the volume by Wharf.
    pub(crate) fn by_wharf(&self) -> Serving {
        server::start_wharf(&self.root()).wait_until_ready()
    }

    /// Serves the volume by Debian's registry:2.
    pub(crate) fn by_docker_registry(&self) -> Serving {
        server::start_docker_registry(&self.config()).wait_until_ready()
    }

    /// A path below `docker/registry/v2`.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root().join("docker/registry/v2").join(path)
    }

    /// Writes a file below `docker/registry/v2`, with the folders it takes.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// The file with a blob's bytes.
pub(crate) fn blob_data(digest: &Digest) -> String {
    let (algorithm, hex) = (digest.algorithm(), digest.hex());
    format!("blobs/{algorithm}/{}/{hex}/data", &hex[..2])
}

/// The link that makes a manifest readable in a repository.
pub(crate) fn revision_link(repository: &str, digest: &Digest) -> String {
    format!(
        "repositories/{repository}/_manifests/revisions/{}/{}/link",
        digest.algorithm(),
        digest.hex()
    )
}

/// The link that makes a blob readable in a repository.
pub(crate) fn layer_link(repository: &str, digest: &Digest) -> String {
    format!("repositories/{repository}/_layers/{}/{}/link", digest.algorithm(), digest.hex())
}

/// The link to what a tag points at.
pub(crate) fn tag_link(repository: &str, tag: &str) -> String {
    format!("repositories/{repository}/_manifests/tags/{tag}/current/link")
}
