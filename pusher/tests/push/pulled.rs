//! Images that were pulled: their compressed layers are gone here, but a registry may have them.

use std::sync::Arc;

use wharf_client::BlobSource;
use wharf_oci::{Descriptor, media_type};
use wharf_pusher::image::Role;
use wharf_pusher::layer::Compression;
use wharf_pusher::progress::Events;
use wharf_pusher::{Config, push};

use crate::made::{Made, bytes, manifest, of};
use crate::registry::{Kind, Registry};
use crate::{config, name, order, push_one, sound};

/// An image of two layers that were compressed when it was pulled, and their compressed forms.
fn pulled() -> (Arc<Made>, [bytes::Bytes; 2]) {
    let mut made = Made::sized(1, &[10_000, 20_000]);
    let packed = [bytes(7, 500), bytes(8, 600)];
    let forms = packed
        .clone()
        .map(|it| Descriptor::new(media_type::OCI_LAYER_GZIP, of(&it), it.len() as u64));
    let Role::Config(config) = made.image.blobs[0].role.clone() else { panic!("it is first") };
    made.image.pulled = Some(manifest(&config, &forms));
    for (blob, form) in made.image.blobs.iter_mut().skip(1).zip(forms) {
        let Role::Layer { pulled, .. } = &mut blob.role else { panic!("it is a layer") };
        *pulled = Some(form);
    }
    (Arc::new(made), packed)
}

async fn has(registry: &Registry, repository: &str, layers: &[bytes::Bytes]) {
    for layer in layers {
        let source = BlobSource::bytes(layer.clone());
        registry.client().upload_blob(&name(repository), &of(layer), source).await.unwrap();
    }
    registry.forget_asked();
}

#[tokio::test]
async fn without_them_it_goes_uncompressed() {
    let registry = sound().await;
    let (image, packed) = pulled();
    has(&registry, "app", &packed[..1]).await;
    let pushed = push_one(&image, registry.client()).await.unwrap();
    assert_eq!((pushed.digest, pushed.is_original), (image.digest(), false));
    assert_eq!(registry.count(Kind::Put), 3);
}

#[tokio::test]
async fn a_registry_that_has_them_all_gets_the_pulled_manifest() {
    let registry = sound().await;
    let (image, packed) = pulled();
    let Role::Config(config) = image.image.blobs[0].role.clone() else { panic!("it is first") };
    has(&registry, "app", &[&packed[..], &[config]].concat()).await;
    let expected = image.image.pulled.as_ref().unwrap().bytes().clone();
    let pushed = push_one(&image, registry.client()).await.unwrap();
    assert_eq!((pushed.digest, pushed.is_original), (of(&expected), true));
    assert_eq!(registry.manifest("app", "v1").unwrap(), expected);
    assert_eq!((registry.count(Kind::Put), image.opened()), (0, 0));
    registry.forget_asked();
    assert!(push_one(&image, registry.client()).await.unwrap().was_there);
    assert_eq!(registry.count(Kind::HeadManifest), 1);
}

#[tokio::test]
async fn what_is_there_of_them_is_not_compressed_again() {
    let registry = sound().await;
    let (image, packed) = pulled();
    has(&registry, "app", &packed[1..]).await;
    let gzip = Config { compression: Compression::GZIP, ..config() };
    let orders = vec![order(&image, registry.client(), "app")];
    push(orders.clone(), &gzip, &Events::default()).await.unwrap();
    assert_eq!(image.opened(), 1);
    let stored = registry.manifest("app", "v1").unwrap();
    let stored = wharf_oci::Manifest::from_stored(stored).unwrap();
    assert_eq!(stored.layers()[1].digest, of(&packed[1]));
    assert!(registry.has("app", &stored.layers()[0].digest));
    assert_eq!(stored.layers()[0].media_type, media_type::OCI_LAYER_GZIP);
}
