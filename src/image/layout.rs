//! An image on disk: an OCI image layout, as a folder or as one tar (image spec, "OCI Image
//! Layout Specification"). A file appears whole or not at all, and a folder that holds something
//! else is left alone.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::Serialize;
use tar::{Builder, EntryType};
use tempfile::NamedTempFile;
use thiserror::Error;
use wharf_oci::{Descriptor, ImageReference, media_type};

use super::layer::append;
use super::{Image, json};

/// The form of an image on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One tar file
    Archive,
    /// A folder
    Dir,
}

/// Why an image could not be written.
#[derive(Debug, Error)]
pub enum LayoutError {
    #[error("cannot write the image to {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the folder {} is not empty, and is left as it is: name a new one", path.display())]
    NotEmpty { path: PathBuf },
}

/// Writes the image as one tar. Another file of that name is replaced once the new one is whole.
pub fn write_archive(image: &Image, name: &ImageReference, path: &Path) -> Result<(), LayoutError> {
    let write = || {
        // A pipe or a device stays what it is.
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return archive_into(image, name, File::options().write(true).open(path)?);
        }
        let mut file = beside(path)?;
        archive_into(image, name, file.as_file_mut())?;
        file.persist(path).map_err(|error| error.error).map(drop)
    };
    write().map_err(|source| LayoutError::Write { path: path.to_owned(), source })
}

/// Writes the image as one tar into a stream.
pub fn archive_into(image: &Image, name: &ImageReference, out: impl Write) -> io::Result<()> {
    let mut archive = Builder::new(out);
    for folder in ["blobs/", "blobs/sha256/"] {
        append(&mut archive, folder, EntryType::Directory, 0o755, &[])?;
    }
    let mut files = files(image, name);
    // What `docker load` looks for; everybody else reads index.json.
    files.push(("manifest.json".into(), docker_manifest(image, name)));
    files.sort();
    for (path, contents) in files {
        append(&mut archive, &path, EntryType::Regular, 0o644, &contents)?;
    }
    archive.into_inner()?.flush()
}

/// Writes the image as a folder, which must be new or empty.
pub fn write_layout(
    image: &Image,
    name: &ImageReference,
    folder: &Path,
) -> Result<(), LayoutError> {
    let write = || {
        fs::create_dir_all(folder.join("blobs/sha256"))?;
        files(image, name)
            .into_iter()
            .try_for_each(|(path, contents)| fs::write(folder.join(path), contents))
    };
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(LayoutError::NotEmpty { path: folder.to_owned() });
    }
    write().map_err(|source| LayoutError::Write { path: folder.to_owned(), source })
}

fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".wharf-image-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As for any new file: the person's umask decides, not the privacy of temporary files.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder.unwrap_or(Path::new(".")))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IndexJson<'a> {
    schema_version: u32,
    media_type: &'a str,
    manifests: [Descriptor; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerManifestJson {
    config: String,
    repo_tags: [String; 1],
    layers: [String; 1],
}

/// The files of the layout, by path.
fn files(image: &Image, name: &ImageReference) -> Vec<(String, Bytes)> {
    let mut entry = image.descriptor.clone();
    // Podman and skopeo take the first as the image's name, containerd the second.
    for key in ["org.opencontainers.image.ref.name", "io.containerd.image.name"] {
        entry.annotations.insert(key.into(), name.to_string());
    }
    let index =
        IndexJson { schema_version: 2, media_type: media_type::OCI_INDEX, manifests: [entry] };
    let mut files = vec![
        ("index.json".into(), json(&index)),
        ("oci-layout".into(), Bytes::from_static(br#"{"imageLayoutVersion":"1.0.0"}"#)),
        (blob_path(&image.descriptor), image.manifest.bytes().clone()),
    ];
    for blob in image.blobs() {
        files.push((blob_path(&blob.descriptor), blob.bytes.clone()));
    }
    files
}

fn docker_manifest(image: &Image, name: &ImageReference) -> Bytes {
    json(&[DockerManifestJson {
        config: blob_path(&image.config.descriptor),
        repo_tags: [name.to_string()],
        layers: [blob_path(&image.layer.descriptor)],
    }])
}

fn blob_path(descriptor: &Descriptor) -> String {
    format!("blobs/{}/{}", descriptor.digest.algorithm(), descriptor.digest.hex())
}
