//! Question: what does a blob cost from the bytes of a request to a blob that is durable and visible,
//! and how much of that is the hash?
//!
//! Input: bytes that no disk or processor can shorten, in pieces of 256 KiB, which is what one read of
//! a fast client gives; blobs of 64 MiB, 1 MiB and 4 KiB. The same blob again and again: a commit
//! replaces the file, so nothing is spared.
//!
//! Machine: any with a disk; the store lies in `TMPDIR`, which must not be in memory. Two processors
//! are used: one hashes, one writes.
//!
//! It refuses to speak HTTP: what sockets and hyper add is what `benches/` measures from outside.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on ends here")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use tokio::runtime::Runtime;
use wharf_oci::{Algorithm, Digest, Hasher, RepositoryName};
use wharf_registry::{Config, Incoming, Registry};

/// What is handed over at once.
const PIECE_BYTES: usize = 256 << 10;

const SIZES: [usize; 3] = [64 << 20, 1 << 20, 4 << 10];

fn main() {
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    digest(&mut criterion);
    digest_and_write(&mut criterion);
    criterion.final_summary();
}

/// The hash alone, on one processor: the least that a push takes.
fn digest(criterion: &mut Criterion) {
    let bytes = noise(SIZES[0]);
    let mut group = criterion.benchmark_group("digest");
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(algorithm.as_str(), |bencher| {
            bencher.iter(|| {
                let mut hasher = Hasher::new(algorithm);
                bytes.chunks(PIECE_BYTES).for_each(|piece| hasher.update(piece));
                black_box(hasher.finalize())
            });
        });
    }
    group.finish();
}

/// The whole way: session, pieces, hash, file, syncs, links, visible.
fn digest_and_write(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let registry = Registry::open(&Config::new(folder.path())).unwrap();
    let mut group = criterion.benchmark_group("digest and write");
    for size in SIZES {
        let bytes = Bytes::from(noise(size));
        let digest = Digest::of(Algorithm::Sha256, &bytes);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_with_input(BenchmarkId::from_parameter(size), &bytes, |bencher, bytes| {
            bencher.iter(|| runtime.block_on(push(&registry, bytes, &digest)));
        });
    }
    group.finish();
}

async fn push(registry: &Registry, bytes: &Bytes, digest: &Digest) {
    let name: RepositoryName = "bench/push".parse().unwrap();
    let id = registry.start_upload(&name, None).await.unwrap();
    let incoming = Incoming { digest: Some(*digest), ..Incoming::default() };
    let mut receiving = registry.receive(&name, &id, incoming).await.unwrap();
    for start in (0..bytes.len()).step_by(PIECE_BYTES) {
        let end = bytes.len().min(start + PIECE_BYTES);
        receiving.append(bytes.slice(start..end)).await.unwrap();
    }
    assert_eq!(receiving.commit(digest).await.unwrap(), bytes.len() as u64);
}

/// Bytes without a pattern, the same on every run (xorshift64).
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
