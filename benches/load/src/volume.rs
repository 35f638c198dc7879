//! A volume with many blobs in it, written straight to disk in the layout of registry:2, for the
//! question whether a server's start depends on what it stores.

use std::fs;
use std::path::Path;

use wharf_oci::{Algorithm, Digest};

use crate::LoadError;
use crate::content::file_error;
use crate::image::render_manifest;

/// Blobs of each repository, its manifest and its configuration among them.
const REPOSITORY_BLOBS: u64 = 100;

/// Writes a volume of `blobs` blobs below `root`, in repositories of 100 blobs with one tag each.
///
/// # Errors
/// When a file cannot be written.
pub fn write(root: &Path, blobs: u64) -> Result<(), LoadError> {
    let root = root.join("docker/registry/v2");
    for repository in 0..blobs.div_ceil(REPOSITORY_BLOBS) {
        write_repository(&root, repository)?;
    }
    Ok(())
}

fn write_repository(root: &Path, number: u64) -> Result<(), LoadError> {
    let repository = root.join(format!("repositories/many/r{number}"));
    let stored = |text: String| {
        let digest = write_blob(root, text.as_bytes())?;
        write_link(&repository.join("_layers"), digest)?;
        Ok(digest)
    };
    let layers = (2..REPOSITORY_BLOBS)
        .map(|layer| stored(format!("{number:010}{layer:010}")))
        .collect::<Result<Vec<_>, LoadError>>()?;
    let configuration = format!("{{\"author\":\"{number:010}\"}}");
    let configuration_size = configuration.len() as u64;
    let configuration = stored(configuration)?;
    let manifest = render_manifest(configuration, configuration_size, &layers, 20);
    let manifest = write_blob(root, &manifest)?;
    write_link(&repository.join("_manifests/revisions"), manifest)?;
    write_link(&repository.join("_manifests/tags/latest/index"), manifest)?;
    let current = repository.join("_manifests/tags/latest/current/link");
    write_file(&current, manifest.to_string().as_bytes())
}

fn write_blob(root: &Path, bytes: &[u8]) -> Result<Digest, LoadError> {
    let digest = Digest::of(Algorithm::Sha256, bytes);
    let hex = digest.hex();
    write_file(&root.join(format!("blobs/sha256/{}/{hex}/data", &hex[..2])), bytes)?;
    Ok(digest)
}

fn write_link(folder: &Path, digest: Digest) -> Result<(), LoadError> {
    let path = folder.join(format!("sha256/{}/link", digest.hex()));
    write_file(&path, digest.to_string().as_bytes())
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), LoadError> {
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, bytes)
    };
    write().map_err(|source| file_error("write", path, source))
}
