//! Layers that are compressed on the way: what goes is what the manifest then says, and what was
//! compressed once is not compressed again.

use std::sync::Arc;

use flate2::read::GzDecoder;
use std::io::Read;
use wharf_oci::{Manifest, media_type};
use wharf_pusher::layer::{Compression, DigestCache};
use wharf_pusher::progress::{Event, Events};
use wharf_pusher::{Config, Error, Step, plan, push};

use crate::made::{Layer, Made, bytes, of};
use crate::registry::{Kind, Registry, Reply};
use crate::{config, order, push_told, sound, told};

fn gzip() -> Config {
    Config { compression: Compression::GZIP, ..config() }
}

fn stored(registry: &Registry, name: &str) -> Manifest {
    Manifest::from_stored(registry.manifest(name, "v1").unwrap()).unwrap()
}

#[tokio::test]
async fn layers_go_compressed_and_the_manifest_says_so() {
    let registry = sound().await;
    let layers = [bytes(1, 3_000_000), bytes(2, 1000)];
    let image = Arc::new(Made::new(&layers));
    let orders = vec![order(&image, registry.client(), "app")];
    let (pushed, events) = push_told(orders, &gzip()).await;
    let pushed = pushed.unwrap().remove(0);
    let manifest = stored(&registry, "app");
    assert_eq!((pushed.digest, pushed.is_original), (of(manifest.bytes()), false));
    assert_eq!(manifest.config(), image.image.manifest.config());
    for (layer, plain) in manifest.layers().iter().zip(&layers) {
        assert_eq!(layer.media_type, media_type::OCI_LAYER_GZIP);
        let sent = registry.shelf().blobs[&("app".to_owned(), layer.digest)].clone();
        assert_eq!((of(&sent), sent.len() as u64), (layer.digest, layer.size));
        let mut unpacked = Vec::new();
        GzDecoder::new(&sent[..]).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == *plain);
    }
    let small: u64 = manifest.layers().iter().map(|layer| layer.size).sum();
    assert_eq!(pushed.sent_bytes, small + manifest.config().unwrap().size);
    // Events name the layer by the digest that it had when it was found.
    let digest = of(&layers[0]);
    assert!(events.contains(&Event::Stored { digest }));
    let is_it =
        |it: &&Event| matches!(it, Event::Compressed { digest: which, .. } if *which == digest);
    assert!(events.iter().any(|event| is_it(&event)));
}

#[tokio::test]
async fn without_a_cache_the_same_comes_out_and_nothing_is_sent() {
    let registry = sound().await;
    let image = Arc::new(Made::sized(3, &[500_000]));
    let orders = || vec![order(&image, registry.client(), "app")];
    push(orders(), &gzip(), &Events::default()).await.unwrap();
    registry.forget_asked();
    let pushed = push(orders(), &gzip(), &Events::default()).await.unwrap();
    assert_eq!((registry.count(Kind::Put), pushed[0].sent_bytes), (0, 0));
    assert_eq!(image.opened(), 2);
}

#[tokio::test]
async fn with_a_cache_nothing_is_read_again() {
    let (registry, folder) = (sound().await, tempfile::tempdir().unwrap());
    let cache = Some(Arc::new(DigestCache::open(folder.path())));
    let remembering = Config { cache, ..gzip() };
    let image = Arc::new(Made::sized(4, &[500_000, 1000]));
    let to = |name: &str| vec![order(&image, registry.client(), name)];
    push(to("app"), &remembering, &Events::default()).await.unwrap();
    assert_eq!(image.opened(), 2);

    registry.forget_asked();
    let again = push(to("app"), &remembering, &Events::default()).await.unwrap();
    assert!(again[0].was_there);
    assert_eq!(registry.shelf().asked.len(), 1);

    // Another repository of the registry takes the layers from the first.
    registry.forget_asked();
    let planned = plan(&to("other")[0], &remembering).await.unwrap();
    let mounts = planned.blobs.iter().filter(|blob| matches!(blob.step, Step::Mount(_))).count();
    assert_eq!((mounts, planned.digest), (2, Some(again[0].digest)));
    push(to("other"), &remembering, &Events::default()).await.unwrap();
    assert_eq!(image.opened(), 2);
    assert_eq!(stored(&registry, "other").bytes(), stored(&registry, "app").bytes());

    // A registry that lost them gets them again, whatever is remembered.
    registry.shelf().blobs.clear();
    registry.shelf().manifests.clear();
    push(to("third"), &remembering, &Events::default()).await.unwrap();
    assert_eq!(image.opened(), 4);
    assert!(registry.shelf().uploads.is_empty());
}

#[tokio::test]
async fn what_the_registry_has_is_remembered_as_well() {
    let (registry, folder) = (sound().await, tempfile::tempdir().unwrap());
    let image = Arc::new(Made::sized(5, &[500_000]));
    let to = |name: &str| vec![order(&image, registry.client(), name)];
    // Somebody else pushed it: it has to be compressed to be found there, but only once.
    push(to("app"), &gzip(), &Events::default()).await.unwrap();
    registry.shelf().manifests.clear();
    let cache = Some(Arc::new(DigestCache::open(folder.path())));
    let remembering = Config { cache, ..gzip() };
    push(to("app"), &remembering, &Events::default()).await.unwrap();
    assert_eq!(image.opened(), 2);
    registry.shelf().manifests.clear();
    push(to("app"), &remembering, &Events::default()).await.unwrap();
    assert_eq!(image.opened(), 2);
}

#[tokio::test]
async fn what_is_compressed_already_goes_as_it_is() {
    let registry = sound().await;
    let layer = bytes(1, 1000);
    let mut image = Made::new(&[layer]);
    let form = wharf_oci::Descriptor {
        media_type: media_type::OCI_LAYER_ZSTD.to_owned(),
        ..image.layer(0)
    };
    let config = match &image.image.blobs[0].role {
        wharf_pusher::image::Role::Config(bytes) => bytes.clone(),
        wharf_pusher::image::Role::Layer { .. } => panic!("the config comes first"),
    };
    image.image.manifest = crate::made::manifest(&config, std::slice::from_ref(&form));
    image.image.blobs[1].descriptor = form;
    let image = Arc::new(image);
    let orders = vec![order(&image, registry.client(), "app")];
    let pushed = push(orders, &gzip(), &Events::default()).await.unwrap();
    assert!(pushed[0].is_original);
}

#[tokio::test]
async fn a_compressed_layer_resumes_from_its_file() {
    let registry = Registry::start(|asked| match asked.kind {
        Kind::Put if asked.length > 100_000 && asked.range.is_none() => Reply::BreakAfter(70_000),
        _ => Reply::Usual,
    })
    .await;
    let image = Arc::new(Made::sized(5, &[3_000_000]));
    let orders = vec![order(&image, registry.client(), "app")];
    push(orders, &gzip(), &Events::default()).await.unwrap();
    assert_eq!(image.opened(), 1);
    let resumed = registry.of_kind(Kind::Put).into_iter().find_map(|asked| asked.range);
    assert_eq!(resumed.unwrap().first, 70_000);
}

#[tokio::test]
async fn sources_and_folders_that_fail_are_told_apart() {
    let registry = sound().await;
    let layer = bytes(1, 100_000);
    let made = || Made::new(std::slice::from_ref(&layer));
    let other = Layer::Bytes(bytes(2, 100_000));
    let no_folder = Config { spool: "/nowhere/at/all".into(), ..gzip() };
    for (image, config, expected) in [
        (made().but(0, Layer::Gone), gzip(), "was the image removed"),
        (made().but(0, other), gzip(), "other bytes"),
        (made(), no_folder, "/nowhere/at/all"),
    ] {
        let orders = vec![order(&Arc::new(image), registry.client(), "app")];
        let error = push(orders, &config, &Events::default()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{}", told(&error));
        let is_kind = matches!(
            error,
            Error::LayerGone { .. } | Error::LayerDamaged { .. } | Error::Compress { .. }
        );
        assert!(is_kind && registry.shelf().manifests.is_empty());
    }
}
