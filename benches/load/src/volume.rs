//! A volume with many blobs or many tags in it, written straight to disk, for the questions whether a
//! server's start depends on what it stores, and what its lists cost. The layout is that of registry:2,
//! or an OCI image layout per repository for the servers that keep their images so.

use std::fs;
use std::path::Path;

use wharf_oci::{Algorithm, Digest, media_type};

use crate::LoadError;
use crate::content::file_error;
use crate::image::render_manifest;

/// Blobs of each repository, its manifest and its configuration among them.
const REPOSITORY_BLOBS: u64 = 100;

/// How the files lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// That of registry:2.
    Distribution,
    /// An OCI image layout per repository.
    OciLayout,
}

/// Writes a volume of `blobs` blobs below `root`, in repositories of 100 blobs with one tag each.
///
/// # Errors
/// When a file cannot be written.
pub fn write(root: &Path, blobs: u64, layout: Layout) -> Result<(), LoadError> {
    for number in 0..blobs.div_ceil(REPOSITORY_BLOBS) {
        match layout {
            Layout::Distribution => write_repository(&root.join("docker/registry/v2"), number)?,
            Layout::OciLayout => {
                let folder = root.join(format!("many/r{number}"));
                let layers = (2..REPOSITORY_BLOBS)
                    .map(|layer| write_oci_blob(&folder, &layer_text(number, layer)))
                    .collect::<Result<Vec<_>, LoadError>>()?;
                let configuration = configuration_text(number);
                let digest = write_oci_blob(&folder, &configuration)?;
                let manifest = render_manifest(digest, configuration.len() as u64, &layers, 20);
                write_oci_index(&folder, &manifest, &["latest".to_owned()])?;
            }
        }
    }
    Ok(())
}

/// Writes `repositories` repositories below `root` with `tags` tags in all: half of them in the first one,
/// which is `tags/many`, the rest spread over the others. Returns the number in the first one.
///
/// # Errors
/// When a file cannot be written.
pub fn write_tags(
    root: &Path,
    repositories: u64,
    tags: u64,
    layout: Layout,
) -> Result<u64, LoadError> {
    let others = repositories.saturating_sub(1).max(1);
    let each = (tags / 2 / others).max(1);
    let first = tags.saturating_sub(each * others).max(1);
    for number in 0..repositories {
        let (name, count) = match number {
            0 => ("tags/many".to_owned(), first),
            _ => (format!("tags/r{number:06}"), each),
        };
        let names: Vec<String> = (0..count).map(|tag| format!("v{tag:07}")).collect();
        let configuration = configuration_text(number);
        let digest = Digest::of(Algorithm::Sha256, configuration.as_bytes());
        let manifest = render_manifest(digest, configuration.len() as u64, &[], 20);
        match layout {
            Layout::Distribution => {
                let root = root.join("docker/registry/v2");
                let repository = root.join("repositories").join(&name);
                write_blob(&root, configuration.as_bytes())?;
                write_link(&repository.join("_layers"), digest)?;
                let manifest = write_blob(&root, &manifest)?;
                write_link(&repository.join("_manifests/revisions"), manifest)?;
                // What a tag pointed at before is not listed, so its index is left out.
                for tag in names {
                    let link = repository.join(format!("_manifests/tags/{tag}/current/link"));
                    write_file(&link, manifest.to_string().as_bytes())?;
                }
            }
            Layout::OciLayout => {
                let folder = root.join(&name);
                write_oci_blob(&folder, &configuration)?;
                write_oci_index(&folder, &manifest, &names)?;
            }
        }
    }
    Ok(first)
}

fn layer_text(repository: u64, layer: u64) -> String {
    format!("{repository:010}{layer:010}")
}

fn configuration_text(repository: u64) -> String {
    format!("{{\"author\":\"{repository:010}\"}}")
}

fn write_oci_blob(folder: &Path, text: &str) -> Result<Digest, LoadError> {
    let digest = Digest::of(Algorithm::Sha256, text.as_bytes());
    write_file(&folder.join(format!("blobs/sha256/{}", digest.hex())), text.as_bytes())?;
    Ok(digest)
}

/// The manifest as a blob, and an index that gives it these tags.
fn write_oci_index(folder: &Path, manifest: &[u8], tags: &[String]) -> Result<(), LoadError> {
    let digest = write_oci_blob(folder, &String::from_utf8_lossy(manifest))?;
    let entry = |tag: &String| {
        serde_json::json!({
            "mediaType": media_type::OCI_MANIFEST,
            "digest": digest.to_string(),
            "size": manifest.len(),
            "annotations": { "org.opencontainers.image.ref.name": tag },
        })
    };
    let index = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_INDEX,
        "manifests": tags.iter().map(entry).collect::<Vec<_>>(),
    });
    write_file(&folder.join("index.json"), index.to_string().as_bytes())?;
    write_file(&folder.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)
}

fn write_repository(root: &Path, number: u64) -> Result<(), LoadError> {
    let repository = root.join(format!("repositories/many/r{number}"));
    let stored = |text: String| {
        let digest = write_blob(root, text.as_bytes())?;
        write_link(&repository.join("_layers"), digest)?;
        Ok(digest)
    };
    let layers = (2..REPOSITORY_BLOBS)
        .map(|layer| stored(layer_text(number, layer)))
        .collect::<Result<Vec<_>, LoadError>>()?;
    let configuration = configuration_text(number);
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
