//! An upload comes in pieces of every size: small ones are gathered, large ones stay where they lie, and
//! what becomes of them must not show.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use wharf_oci::{Algorithm, Digest, RepositoryName};
use wharf_registry::{Config, Incoming, Registry};

/// Around the size from which pieces are not copied, that of a buffer, and what no reader gives.
const PIECES: &[usize] =
    &[1, 131_071, 131_072, 262_144, 7, 262_145, 262_143, 200_000, 200_000, 2_000_000, 300, 131_073];

/// Far beyond what is reserved at once.
const LARGE_BYTES: usize = (20 << 20) + 1;

fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| (at / 251 + at % 253) as u8).collect()
}

fn name() -> RepositoryName {
    "library/pieces".parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_of_every_size_make_one_blob() {
    let volume = tempfile::tempdir().unwrap();
    let registry = Registry::open(&Config::new(volume.path())).unwrap();
    let whole = pattern(2 * PIECES.iter().sum::<usize>());
    let digest = Digest::of(Algorithm::Sha256, &whole);

    let id = registry.start_upload(&name(), None).await.unwrap();
    let mut receiving = registry.receive(&name(), &id, Incoming::default()).await.unwrap();
    let mut later = whole.clone();
    for &length in PIECES {
        receiving.append(later.split_to(length)).await.unwrap();
    }
    let first = PIECES.iter().sum::<usize>() as u64;
    assert_eq!((receiving.offset(), receiving.pause().await.unwrap()), (first, first));

    let mut receiving = registry.receive(&name(), &id, Incoming::default()).await.unwrap();
    for &length in PIECES.iter().rev() {
        receiving.append(later.split_to(length)).await.unwrap();
    }
    assert_eq!(receiving.commit(&digest).await.unwrap(), whole.len() as u64);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn room_that_was_not_needed_is_given_back() {
    use std::os::unix::fs::MetadataExt;

    let volume = tempfile::tempdir().unwrap();
    let registry = Registry::open(&Config::new(volume.path())).unwrap();
    let whole = pattern(LARGE_BYTES);
    let id = registry.start_upload(&name(), None).await.unwrap();
    let mut receiving = registry.receive(&name(), &id, Incoming::default()).await.unwrap();
    for start in (0..LARGE_BYTES).step_by(200_000) {
        let end = LARGE_BYTES.min(start + 200_000);
        receiving.append(whole.slice(start..end)).await.unwrap();
    }
    let held = |path: &Path| std::fs::metadata(path).unwrap().blocks() * 512;
    let data = the_only(volume.path(), "data").unwrap();
    receiving.pause().await.unwrap();
    let paused = held(&data);
    assert!(paused < LARGE_BYTES as u64 + (1 << 20), "{paused} bytes of a session that rests");

    let receiving = registry.receive(&name(), &id, Incoming::default()).await.unwrap();
    receiving.commit(&Digest::of(Algorithm::Sha256, &whole)).await.unwrap();
    let stored = held(&the_only(volume.path(), "data").unwrap());
    assert!(stored < LARGE_BYTES as u64 + (1 << 20), "{stored} bytes of a blob");
}

/// The file of that name below `folder`.
#[cfg(target_os = "linux")]
fn the_only(folder: &Path, name: &str) -> Option<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).find_map(|path| {
        if path.is_dir() { the_only(&path, name) } else { path.ends_with(name).then_some(path) }
    })
}
