//! How long does it take to point a tag at another manifest, and what of it is the disk?
//!
//! Input: a repository with two small manifests that are there already. "moved" puts them by the same
//! tag in turn, through the domain's face, so that each put rewrites the tag's link and makes it
//! durable. "the same" puts the manifest that the tag points at already. "resolved" asks what the tag
//! points at, which the cache answers. The volume lies in the folder for temporary files: to ask
//! about a disk, let `TMPDIR` name a folder on it. Machine: any; its disk
//! decides the first two.
//!
//! It refuses to go by HTTP: `wharf bench requests` does that.

use bytes::Bytes;
use criterion::Criterion;
use tokio::runtime::Runtime;
use wharf_oci::{Reference, RepositoryName};
use wharf_registry::{Config, Registry};

type Fault = Box<dyn std::error::Error>;

fn main() -> Result<(), Fault> {
    let mut criterion = Criterion::default().configure_from_args();
    tag_move(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

fn tag_move(criterion: &mut Criterion) -> Result<(), Fault> {
    let volume = tempfile::tempdir()?;
    let runtime = Runtime::new()?;
    // The manifests alone are asked about: what they name need not be there.
    let config = Config { allow_sparse: true, ..Config::new(volume.path()) };
    let registry = Registry::open(&config)?;
    let name: RepositoryName = "team/project/server".parse()?;
    let tag: Reference = "latest".parse()?;
    let manifests = [manifest("one"), manifest("two")];
    let put = |manifest: &Bytes| {
        let putting = registry.put_manifest(&name, &tag, &[], None, manifest.clone());
        runtime.block_on(putting).unwrap_or_else(|error| panic!("a put failed: {error}"))
    };
    let resolve = || {
        let resolving = registry.manifest(&name, &tag);
        runtime.block_on(resolving).unwrap_or_else(|error| panic!("a tag is gone: {error}"))
    };
    for manifest in &manifests {
        put(manifest);
        assert_eq!(resolve().bytes, manifest, "the tag has moved");
    }

    let mut group = criterion.benchmark_group("tag");
    let mut turns = manifests.iter().cycle();
    group.bench_function("moved", |bencher| bencher.iter(|| turns.next().map(put)));
    group.bench_function("the same", |bencher| bencher.iter(|| put(&manifests[0])));
    group.bench_function("resolved", |bencher| bencher.iter(resolve));
    group.finish();
    Ok(())
}

/// A manifest of one layer, which differs from others by `label`.
fn manifest(label: &str) -> Bytes {
    let descriptor = serde_json::json!({
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "size": 2,
    });
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor,
        "layers": [descriptor],
        "annotations": {"org.example.label": label},
    });
    manifest.to_string().into()
}
