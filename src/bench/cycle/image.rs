//! The image of the loop: layers of what looks like programs, in an OCI layout in a temporary folder, of
//! which the last one can be changed again and again.
//!
//! The same bytes come of the same run and the same number; of another run not one layer is the same, so
//! that no registry gains from what an earlier run left behind.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use serde_json::json;
use tar::{Builder, EntryType, Header};
use tempfile::{NamedTempFile, TempDir};
use wharf_oci::{Algorithm, Digest, Hasher, media_type};

use super::program::Program;

/// The least size of a layer, in bytes; also what sizes are multiples of.
pub const STEP_BYTES: u64 = 4096;
/// What a tar has beside the one file in it: a header, and two empty blocks at its end.
const FRAME_BYTES: u64 = 3 * 512;
/// The layers that do not change, as shares of what is left beside the one that does.
const SHARES: [u64; 3] = [6, 3, 1];

/// An image that changes.
#[derive(Debug)]
pub struct ChangingImage {
    folder: TempDir,
    run: u64,
    layer_bytes: u64,
    base: Vec<Blob>,
    last: Option<Blob>,
    now: Parts,
}

/// What an image consists of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The digest of its manifest.
    pub manifest: Digest,
    /// Its configuration and its layers.
    pub blobs: Vec<Digest>,
}

#[derive(Debug, Clone, Copy)]
struct Blob {
    digest: Digest,
    size: u64,
}

impl ChangingImage {
    /// An image of `size` bytes in all, of which the last layer has `layer_bytes`; both are rounded up to
    /// [`STEP_BYTES`]. Its folder is below `spool`, and goes when this goes.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn make(spool: &Path, size: u64, layer_bytes: u64, run: u64) -> io::Result<Self> {
        let folder = tempfile::tempdir_in(spool)?;
        fs::create_dir_all(folder.path().join("blobs/sha256"))?;
        fs::write(
            folder.path().join("oci-layout"),
            json!({"imageLayoutVersion": "1.0.0"}).to_string(),
        )?;
        let now = Parts { manifest: Digest::empty(Algorithm::Sha256), blobs: Vec::new() };
        let mut image = Self { folder, run, layer_bytes, base: Vec::new(), last: None, now };
        let rest = size.saturating_sub(layer_bytes);
        for (number, share) in (0..).zip(SHARES) {
            let layer = image.layer(&format!("base/{number}"), number, rest * share / 10)?;
            image.base.push(layer);
        }
        image.change(0)?;
        Ok(image)
    }

    /// Changes the last layer; every number gives another one.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn change(&mut self, number: u64) -> io::Result<()> {
        let last = self.layer("app/server", number + (1 << 32), self.layer_bytes)?;
        if let Some(before) = self.last.replace(last)
            && before.digest != last.digest
        {
            fs::remove_file(self.path_of(&before.digest))?;
        }
        self.describe(last)
    }

    /// The folder of the layout.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it consists of now.
    pub fn parts(&self) -> &Parts {
        &self.now
    }

    /// Writes configuration, manifest and index, and forgets those before.
    fn describe(&mut self, last: Blob) -> io::Result<()> {
        let layers: Vec<_> = self.base.iter().copied().chain([last]).collect();
        let diff_ids: Vec<_> = layers.iter().map(|layer| layer.digest.to_string()).collect();
        let config = self.document(&json!({
            "architecture": architecture(),
            "os": "linux",
            "config": { "Cmd": ["/app/server"] },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        }))?;
        let described = |media_type, blob: &Blob| json!({ "mediaType": media_type, "digest": blob.digest.to_string(), "size": blob.size });
        let manifest = self.document(&json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_MANIFEST,
            "config": described(media_type::OCI_CONFIG, &config),
            "layers": layers.iter().map(|layer| described(media_type::OCI_LAYER, layer)).collect::<Vec<_>>(),
        }))?;
        let index = json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_INDEX,
            "manifests": [described(media_type::OCI_MANIFEST, &manifest)],
        });
        fs::write(self.folder().join("index.json"), index.to_string())?;
        let blobs = layers.iter().map(|layer| layer.digest).chain([config.digest]).collect();
        self.now = Parts { manifest: manifest.digest, blobs };
        Ok(())
    }

    fn document(&self, document: &serde_json::Value) -> io::Result<Blob> {
        let text = document.to_string();
        let digest = Digest::of(Algorithm::Sha256, text.as_bytes());
        fs::write(self.path_of(&digest), &text)?;
        Ok(Blob { digest, size: text.len() as u64 })
    }

    /// Writes a layer with one program in it. It is brought to disk, so that its writing is over when the
    /// registry begins to write.
    fn layer(&self, path: &str, number: u64, bytes: u64) -> io::Result<Blob> {
        let bytes = bytes.max(1).next_multiple_of(STEP_BYTES);
        let contents = bytes - FRAME_BYTES;
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_path(path)?;
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(contents);
        header.set_cksum();
        let file = NamedTempFile::new_in(self.folder())?;
        let mut archive = Builder::new(Hashed::new(file.as_file()));
        archive.append(&header, Program::new(self.run, number).take(contents))?;
        let (digest, size) = archive.into_inner()?.finish()?;
        file.as_file().sync_data()?;
        file.persist(self.path_of(&digest)).map_err(|error| error.error)?;
        Ok(Blob { digest, size })
    }

    fn path_of(&self, digest: &Digest) -> std::path::PathBuf {
        self.folder().join("blobs/sha256").join(digest.hex())
    }
}

/// What this machine is called in images.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// A file that is hashed while it is written.
struct Hashed<'a> {
    file: BufWriter<&'a File>,
    hasher: Hasher,
    size: u64,
}

impl<'a> Hashed<'a> {
    fn new(file: &'a File) -> Self {
        let file = BufWriter::with_capacity(1 << 18, file);
        Self { file, hasher: Hasher::new(Algorithm::Sha256), size: 0 }
    }

    fn finish(mut self) -> io::Result<(Digest, u64)> {
        self.file.flush()?;
        Ok((self.hasher.finalize(), self.size))
    }
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use wharf_pusher::source::ImageSource;
    use wharf_pusher::source::layout::LayoutSource;

    use super::*;

    fn image(run: u64) -> ChangingImage {
        ChangingImage::make(&std::env::temp_dir(), 1 << 20, 256 << 10, run).unwrap()
    }

    #[test]
    fn it_is_an_image_of_the_size_that_was_asked_for() {
        let image = image(7);
        let source = LayoutSource::open(image.folder(), None).unwrap();
        let layers = source.image().manifest.layers();
        assert_eq!(layers.len(), 4);
        assert_eq!(layers[3].size, 256 << 10);
        let size: u64 = layers.iter().map(|layer| layer.size).sum();
        assert!(((1 << 20)..(1 << 20) + 4 * STEP_BYTES).contains(&size), "{size}");
        for layer in layers {
            let mut bytes = Vec::new();
            source.open(&layer.digest).unwrap().read_to_end(&mut bytes).unwrap();
            assert_eq!(Digest::of(Algorithm::Sha256, &bytes), layer.digest);
            assert_eq!(bytes.len() as u64, layer.size);
            let mut archive = tar::Archive::new(&bytes[..]);
            assert_eq!(archive.entries().unwrap().filter(Result::is_ok).count(), 1);
        }
    }

    #[test]
    fn a_change_is_one_of_the_last_layer_alone() {
        let mut image = image(7);
        let layers = |image: &ChangingImage| image.parts().blobs[..4].to_vec();
        let before = (layers(&image), image.parts().manifest);
        image.change(1).unwrap();
        let after = (layers(&image), image.parts().manifest);
        assert_eq!(before.0[..3], after.0[..3]);
        assert_ne!(before.0[3], after.0[3]);
        assert_ne!(before.1, after.1);
        LayoutSource::open(image.folder(), None).unwrap();
    }

    #[test]
    fn a_run_makes_the_same_image_again_and_another_run_shares_nothing() {
        let [one, again, other] = [7, 7, 8].map(|run| image(run).parts().clone());
        assert_eq!(one.manifest, again.manifest);
        assert!(one.blobs.iter().all(|blob| !other.blobs.contains(blob)));
    }
}
