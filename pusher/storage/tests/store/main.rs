//! The reader against stores that Podman, Buildah and Skopeo have made, and against stores that nobody
//! should have made. Needs these programs, and root, since layers are mounted.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod damaged;
mod engine;
mod forged;
mod found;
mod hostile;
mod layers;
mod lock;
mod removed;
mod tree;

use std::io::Read;

use wharf_oci::{Algorithm, Digest, Hasher};
use wharf_storage_reader::{Store, StoredImage};

/// Digest and length of what `reader` gives, read in steps of `step` bytes.
fn hashed(mut reader: impl Read, step: usize) -> std::io::Result<(Digest, u64)> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut buffer = vec![0; step];
    let mut length = 0;
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return Ok((hasher.finalize(), length));
        }
        hasher.update(&buffer[..count]);
        length += count as u64;
    }
}

/// Reads all layers of `image` at once, and holds each against its digest and its size.
fn check_layers(store: &Store, image: &StoredImage) {
    assert!(!image.layers.is_empty());
    std::thread::scope(|scope| {
        for layer in &image.layers {
            scope.spawn(|| {
                let (digest, length) = hashed(store.open_layer(layer).unwrap(), 1 << 20).unwrap();
                assert_eq!(Some(digest), layer.diff_id);
                assert_eq!(Some(length), layer.size);
            });
        }
    });
}

/// The image that `name` means, with everything that hangs on it.
fn image(store: &Store, name: &str) -> StoredImage {
    let record = store.find(name).unwrap();
    store.image(&record).unwrap()
}
