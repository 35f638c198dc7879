//! A store written by hand, with one image of one layer, of which every file can be spoilt.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;
use wharf_oci::{Algorithm, Digest, media_type};
use wharf_storage_reader::{Location, Store};

/// The layer's id.
pub(crate) const LAYER: &str = "1111111111111111111111111111111111111111111111111111111111111111";

pub(crate) struct Forged {
    folder: TempDir,
}

impl Forged {
    /// A store with a layer of these files. Its archive is only their contents, one after the other.
    pub(crate) fn new(files: &[(&str, &[u8])]) -> Self {
        let forged = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["overlay-images", "overlay-layers"] {
            fs::create_dir_all(forged.root().join(folder)).unwrap();
        }
        fs::create_dir_all(forged.diff()).unwrap();
        for (name, content) in files {
            let path = forged.diff().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        forged.record(files);
        let archive: Vec<u8> = files.iter().flat_map(|(_, content)| content.to_vec()).collect();
        forged.layers(&json!([layer(LAYER, None, &archive)]));
        forged.image_of(&archive, 1);
        forged
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// A folder outside of the store.
    pub(crate) fn outside(&self) -> PathBuf {
        let path = self.folder.path().join("outside");
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// The folder of the layer's files.
    pub(crate) fn diff(&self) -> PathBuf {
        self.root().join("overlay").join(LAYER).join("diff")
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(Location::mounted(&self.root())).unwrap()
    }

    /// Writes the record of an archive that has the contents of these files.
    pub(crate) fn record(&self, files: &[(&str, &[u8])]) {
        let line = |(name, content): &(&str, &[u8])| json!({"type": 1, "name": name, "size": content.len(), "payload": "AAAAAAAAAAA="});
        self.record_of(&files.iter().map(line).collect::<Vec<_>>());
    }

    pub(crate) fn record_of(&self, lines: &[Value]) {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        for line in lines {
            writeln!(gzip, "{line}").unwrap();
        }
        fs::write(self.record_path(), gzip.finish().unwrap()).unwrap();
    }

    pub(crate) fn record_path(&self) -> PathBuf {
        self.root().join(format!("overlay-layers/{LAYER}.tar-split.gz"))
    }

    pub(crate) fn layers(&self, list: &Value) {
        fs::write(self.root().join("overlay-layers/layers.json"), list.to_string()).unwrap();
    }

    /// Writes the image: `count` times a layer with this archive.
    pub(crate) fn image_of(&self, archive: &[u8], count: usize) {
        let diff_id = Digest::of(Algorithm::Sha256, archive);
        let diff_ids = vec![diff_id; count];
        let config = json!({"rootfs": {"type": "layers", "diff_ids": diff_ids}}).to_string();
        let layer = json!({
            "mediaType": media_type::OCI_LAYER, "digest": diff_id, "size": archive.len(),
        });
        let id = Digest::of(Algorithm::Sha256, config.as_bytes());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_MANIFEST,
            "config": {"mediaType": media_type::OCI_CONFIG, "digest": id, "size": config.len()},
            "layers": vec![layer; count],
        });
        let manifest = manifest.to_string();
        let digest = Digest::of(Algorithm::Sha256, manifest.as_bytes());
        let folder = self.image_folder(&id);
        fs::create_dir_all(&folder).unwrap();
        write_key(&folder, &format!("manifest-{digest}"), manifest.as_bytes());
        write_key(&folder, &id.to_string(), config.as_bytes());
        fs::write(folder.join("manifest"), manifest).unwrap();
        let list = json!([{
            "id": id.hex(), "digest": digest, "names": ["localhost/forged:v1"], "layer": LAYER,
        }]);
        fs::write(self.root().join("overlay-images/images.json"), list.to_string()).unwrap();
    }

    pub(crate) fn image_folder(&self, id: &Digest) -> PathBuf {
        self.root().join("overlay-images").join(id.hex())
    }
}

/// A layer's entry in the list.
pub(crate) fn layer(id: &str, parent: Option<&str>, archive: &[u8]) -> Value {
    let digest = Digest::of(Algorithm::Sha256, archive);
    json!({"id": id, "parent": parent, "diff-digest": digest, "diff-size": archive.len()})
}

fn write_key(folder: &Path, key: &str, content: &[u8]) {
    fs::write(folder.join(format!("={}", STANDARD.encode(key))), content).unwrap();
}
