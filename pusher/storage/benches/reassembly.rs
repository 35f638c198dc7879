//! Question: how fast is a layer's tar archive put together again from the files in Podman's store,
//! and what does each file cost?
//!
//! Input: a store written by hand, with one layer of 64 MiB: as 64 files of 1 MiB, and as 16,384 of
//! 4 KiB, each with a header of 512 bytes in the tar-split record, all in the page cache.
//!
//! Machine: any; one processor. The store lies in `TMPDIR`.
//!
//! It refuses to hash: that costs the same whatever the bytes come from, and `digest` in the bench of
//! the registry measures it. Before the clock, each archive is checked against its digest once.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on ends here")]

#[expect(dead_code, reason = "the tests spoil more of a store than a measurement needs")]
#[path = "../tests/store/forged.rs"]
mod forged;

use std::hint::black_box;
use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use criterion::{Criterion, Throughput};
use serde_json::json;
use wharf_oci::{Algorithm, Digest};
use wharf_storage_reader::{Store, StoredLayer};

use crate::forged::{Forged, LAYER, layer};

/// What a reader asks for at once: a buffer of an upload.
const READ_BYTES: usize = 128 << 10;

/// Bytes of a file's header in an archive.
const HEADER_BYTES: usize = 512;

/// Names, and how many files of how many bytes.
const LAYERS: [(&str, usize, usize); 2] =
    [("64 files of 1 MiB", 64, 1 << 20), ("16384 files of 4 KiB", 16_384, 4 << 10)];

fn main() {
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("layer reassembly");
    for (name, files, size) in LAYERS {
        let forged = forge(files, size);
        let store = forged.store();
        let record = store.find("localhost/forged:v1").unwrap();
        let image = store.image(&record).unwrap();
        let layer = &image.layers[0];
        check(&store, layer);
        group.throughput(Throughput::Bytes(layer.size.unwrap()));
        let mut buffer = vec![0; READ_BYTES];
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut archive = store.open_layer(layer).unwrap();
                while archive.read(&mut buffer).unwrap() > 0 {
                    black_box(&buffer);
                }
            });
        });
    }
    group.finish();
    criterion.final_summary();
}

/// A store with one layer of `files` files of `size` bytes each.
fn forge(files: usize, size: usize) -> Forged {
    let named: Vec<_> = (0..files)
        .map(|file| (format!("{}/{file}", file / 256), vec![file.to_le_bytes()[0]; size]))
        .collect();
    let borrowed: Vec<_> =
        named.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
    let forged = Forged::new(&borrowed);
    let header = [b'h'; HEADER_BYTES];
    let lines = borrowed.iter().flat_map(|(name, content)| {
        let segment = json!({"type": 2, "payload": STANDARD.encode(header)});
        let entry =
            json!({"type": 1, "name": name, "size": content.len(), "payload": "AAAAAAAAAAA="});
        [segment, entry]
    });
    forged.record_of(&lines.collect::<Vec<_>>());
    let archive: Vec<u8> =
        borrowed.iter().flat_map(|(_, content)| [&header, *content].concat()).collect();
    forged.layers(&json!([layer(LAYER, None, &archive)]));
    forged.image_of(&archive, 1);
    forged
}

fn check(store: &Store, layer: &StoredLayer) {
    let mut archive = Vec::new();
    store.open_layer(layer).unwrap().read_to_end(&mut archive).unwrap();
    assert_eq!(Some(Digest::of(Algorithm::Sha256, &archive)), layer.diff_id);
}
