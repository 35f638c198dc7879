//! Archives and layouts, written byte by byte in the forms that engines use or used.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tar::{EntryType, Header};
use wharf_oci::media_type;

use crate::made::{Made, Packing, Stored, sha256};

/// A tar archive that is being written.
#[derive(Debug, Default, Clone)]
pub(crate) struct Archive(Vec<u8>);

impl Archive {
    pub(crate) fn file(&mut self, name: &str, content: &[u8]) -> &mut Self {
        let header = header(EntryType::Regular, name, "", content.len() as u64);
        self.entry(&header, content)
    }

    pub(crate) fn link(&mut self, kind: EntryType, name: &str, target: &str) -> &mut Self {
        self.entry(&header(kind, name, target, 0), b"")
    }

    pub(crate) fn folder(&mut self, name: &str) -> &mut Self {
        self.entry(&header(EntryType::Directory, name, "", 0), b"")
    }

    /// Any header, and any content after it, whether it fits or not.
    pub(crate) fn entry(&mut self, header: &Header, content: &[u8]) -> &mut Self {
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// The bytes, with the mark of the end.
    pub(crate) fn end(&self) -> Vec<u8> {
        [self.0.as_slice(), &[0; 1024]].concat()
    }

    /// The bytes, without it.
    pub(crate) fn cut(&self) -> Vec<u8> {
        self.0.clone()
    }
}

/// A header whose sum is right, whatever else is not.
pub(crate) fn header(kind: EntryType, name: &str, target: &str, size: u64) -> Header {
    let mut header = Header::new_gnu();
    // The setters refuse what should be tried here.
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_gnu_mut().unwrap().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_cksum();
    header
}

/// `index.json` of a layout with these images, each under the name given.
pub(crate) fn index(images: &[(&Stored, &str)]) -> Vec<u8> {
    let entries: Vec<_> = images
        .iter()
        .map(|(image, name)| {
            let mut entry = image.descriptor();
            entry["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
            entry
        })
        .collect();
    list(&entries)
}

/// An index of these entries.
pub(crate) fn list(entries: &[Value]) -> Vec<u8> {
    let index = json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": entries,
    });
    index.to_string().into()
}

/// An OCI layout as a folder; `index.json` is given, since it may be of any kind.
pub(crate) fn layout(folder: &Path, images: &[&Stored], index: &[u8]) {
    fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
    for (path, bytes) in layout_files(images, index) {
        fs::write(folder.join(path), bytes).unwrap();
    }
}

/// An OCI layout as an archive, `index.json` last, as Podman writes it.
pub(crate) fn layout_archive(images: &[&Stored], index: &[u8]) -> Vec<u8> {
    let mut archive = Archive::default();
    archive.folder("blobs/").folder("blobs/sha256/");
    for (path, bytes) in layout_files(images, index) {
        archive.file(&path, &bytes);
    }
    archive.end()
}

fn layout_files(images: &[&Stored], index: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for image in images {
        for (digest, bytes) in &image.blobs {
            files.push((format!("blobs/sha256/{}", digest.hex()), bytes.clone()));
        }
        let manifest = format!("blobs/sha256/{}", sha256(&image.manifest).hex());
        files.push((manifest, image.manifest.clone()));
    }
    files.sort();
    files.dedup();
    files.push(("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()));
    files.push(("index.json".to_owned(), index.to_vec()));
    files
}

/// A docker-archive as `docker save` wrote it before version 25: layers in folders whose names say
/// nothing of them.
pub(crate) fn docker_classic(images: &[(&Made, &str)]) -> Vec<u8> {
    let mut archive = Archive::default();
    let mut list = Vec::new();
    for (image, name) in images {
        let mut layers = Vec::new();
        for layer in &image.layers {
            let folder = sha256(&[b"a legacy id", layer.as_slice()].concat()).hex();
            archive.folder(&format!("{folder}/")).file(&format!("{folder}/VERSION"), b"1.0");
            archive.file(&format!("{folder}/json"), b"{}");
            archive.file(&format!("{folder}/layer.tar"), layer);
            layers.push(format!("{folder}/layer.tar"));
        }
        let config = format!("{}.json", image.id().hex());
        archive.file(&config, &image.config);
        list.push(json!({ "Config": config, "RepoTags": [name], "Layers": layers }));
    }
    archive.file("manifest.json", json!(list).to_string().as_bytes());
    archive.file("repositories", b"{}");
    archive.end()
}

/// A docker-archive as `podman save` writes it: layers under their digests, and links to them where
/// older programs look. `Layers` names them by `names`, which gets a layer's place and digest.
pub(crate) fn docker_by_digest(image: &Made, packing: Packing, suffix: &str) -> Vec<u8> {
    let mut archive = Archive::default();
    let mut layers = Vec::new();
    for (place, layer) in image.layers.iter().enumerate() {
        let packed = packing.pack(layer);
        // Programs that keep layers compressed name them by that form.
        let digest = if suffix == ".tar" { sha256(layer) } else { sha256(&packed) };
        let name = format!("{}{suffix}", digest.hex());
        archive.file(&name, &packed);
        let legacy = sha256(&[b"a legacy id", layer.as_slice()].concat()).hex();
        archive.file(&format!("{legacy}/VERSION"), b"1.0");
        archive.link(EntryType::Symlink, &format!("{legacy}/layer.tar"), &format!("../{name}"));
        // Either name must do.
        layers.push(if place % 2 == 0 { name } else { format!("{legacy}/layer.tar") });
    }
    let config = format!("{}.json", image.id().hex());
    archive.file(&config, &image.config);
    let list = json!([{ "Config": config, "RepoTags": ["localhost/app:v1"], "Layers": layers }]);
    archive.file("manifest.json", list.to_string().as_bytes());
    archive.end()
}
