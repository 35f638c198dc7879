//! What every source promises, whatever it reads from: the same suite for all of them.

use std::collections::BTreeSet;
use std::io::Read;

use wharf_oci::{Algorithm, Digest, ManifestKind, Platform, media_type};
use wharf_pusher::image::{Image, Role};
use wharf_pusher::source::ImageSource;

/// How many readers work at once.
const READERS: usize = 4;

/// What must be the same, wherever an image comes from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) id: Option<Digest>,
    pub(crate) diff_ids: Vec<Digest>,
    pub(crate) platform: Option<Platform>,
    pub(crate) children: Vec<Self>,
}

/// Checks every promise over `source`; returns what it says of its image.
pub(crate) fn check(source: &dyn ImageSource) -> Facts {
    assert!(!source.origin().is_empty());
    let image = source.image();
    let facts = facts(image);
    let mut layers = Vec::new();
    collect(image, &mut layers);
    for (digest, size, media_type, diff_id) in &layers {
        let bytes = read(source, digest, 1 << 16);
        assert_eq!(Digest::of(digest.algorithm(), &bytes), *digest, "{}", source.origin());
        assert_eq!(bytes.len() as u64, *size);
        let plain = plain(media_type, bytes);
        if let Some(diff_id) = diff_id {
            assert_eq!(Digest::of(diff_id.algorithm(), &plain), *diff_id);
        }
    }
    several_at_once(source, &layers.iter().map(|layer| layer.0).collect());
    let unknown = Digest::of(Algorithm::Sha256, b"no layer of any image");
    let error = source.open(&unknown).err().unwrap();
    assert!(error.to_string().contains(&unknown.to_string()), "{error}");
    facts
}

type Layer = (Digest, u64, String, Option<Digest>);

fn facts(image: &Image) -> Facts {
    let manifest = &image.manifest;
    let mut diff_ids = Vec::new();
    match manifest.kind() {
        ManifestKind::Image => {
            let named: Vec<_> = manifest.config().into_iter().chain(manifest.layers()).collect();
            let given: Vec<_> = image.blobs.iter().map(|blob| &blob.descriptor).collect();
            assert_eq!(named, given, "the blobs are those of the manifest, in its order");
            for blob in &image.blobs {
                match &blob.role {
                    Role::Config(bytes) => {
                        let digest = Digest::of(blob.descriptor.digest.algorithm(), bytes);
                        assert_eq!(digest, blob.descriptor.digest);
                        assert_eq!(bytes.len() as u64, blob.descriptor.size);
                        assert_eq!(image.id, Some(digest), "an image's id is its config's digest");
                    }
                    Role::Layer { diff_id, .. } => diff_ids.extend(*diff_id),
                }
            }
            assert_eq!(diff_ids.len(), manifest.layers().len());
        }
        ManifestKind::Index => {
            assert!(image.id.is_none() && image.blobs.is_empty());
            let listed: Vec<_> = manifest.children().iter().map(|child| child.digest).collect();
            for child in &image.children {
                let digest = Digest::of(Algorithm::Sha256, child.manifest.bytes());
                assert!(listed.contains(&digest), "{digest} is not listed");
            }
        }
    }
    let children = image.children.iter().map(self::facts).collect();
    Facts { id: image.id, diff_ids, platform: image.platform.clone(), children }
}

fn collect(image: &Image, layers: &mut Vec<Layer>) {
    for blob in &image.blobs {
        if let Role::Layer { diff_id, .. } = blob.role {
            let it = &blob.descriptor;
            layers.push((it.digest, it.size, it.media_type.clone(), diff_id));
        }
    }
    image.children.iter().for_each(|child| collect(child, layers));
}

/// A layer's bytes, taken in pieces of `step`.
pub(crate) fn read(source: &dyn ImageSource, digest: &Digest, step: usize) -> Vec<u8> {
    let mut reader = source.open(digest).unwrap();
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; step]);
    loop {
        match reader.read(&mut buffer).unwrap() {
            0 => return bytes,
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

/// Readers that go through all layers side by side, each at its own pace, get what one alone gets.
fn several_at_once(source: &dyn ImageSource, layers: &BTreeSet<Digest>) {
    std::thread::scope(|scope| {
        for reader in 0..READERS {
            scope.spawn(move || {
                for digest in layers {
                    let bytes = read(source, digest, 1000 + 9999 * reader);
                    assert_eq!(Digest::of(digest.algorithm(), &bytes), *digest);
                }
            });
        }
    });
}

fn plain(media_type: &str, bytes: Vec<u8>) -> Vec<u8> {
    let mut plain = Vec::new();
    match media_type {
        it if it.ends_with("gzip") => {
            flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
        }
        it if it.ends_with("zstd") => plain = zstd::decode_all(&bytes[..]).unwrap(),
        it => {
            let known = [media_type::OCI_LAYER, "application/vnd.docker.image.rootfs.diff.tar"];
            assert!(known.contains(&it), "{it}");
            plain = bytes;
        }
    }
    plain
}
