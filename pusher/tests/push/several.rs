//! Several images in one call, and several repositories: what they share goes once.

use std::sync::Arc;

use http::StatusCode;
use wharf_pusher::progress::{Event, Events};
use wharf_pusher::{Order, push};

use crate::made::{Made, bytes, of};
use crate::registry::{Kind, Registry, Reply};
use crate::{config, order, push_one, push_told, sound, tag};

#[tokio::test]
async fn images_of_one_repository_share_their_layers() {
    let registry = sound().await;
    let base = bytes(1, 400_000);
    let one = Arc::new(Made::new(&[base.clone(), bytes(2, 1000)]));
    let two = Arc::new(Made::new(&[base.clone(), bytes(3, 1000)]));
    let second = Order { reference: tag("v2"), ..order(&two, registry.client(), "app") };
    let orders = vec![order(&one, registry.client(), "app"), second];
    let pushed = push(orders, &config(), &Events::default()).await.unwrap();
    // Three layers, two configs.
    assert_eq!((registry.count(Kind::Put), registry.count(Kind::HeadBlob)), (5, 5));
    assert_eq!(pushed[0].sent_bytes - pushed[1].sent_bytes, base.len() as u64);
    assert_eq!(pushed[1].reused_bytes, base.len() as u64);
    assert_eq!(registry.manifest("app", "v1").unwrap(), one.image.manifest.bytes());
    assert_eq!(registry.manifest("app", "v2").unwrap(), two.image.manifest.bytes());
}

#[tokio::test]
async fn images_of_several_repositories_are_sent_once_and_mounted() {
    let registry = sound().await;
    let base = bytes(1, 400_000);
    let one = Arc::new(Made::new(&[base.clone(), bytes(2, 1000)]));
    let two = Arc::new(Made::new(&[base.clone(), bytes(3, 1000)]));
    let orders = vec![
        order(&one, registry.client(), "one"),
        order(&two, registry.client(), "two"),
        order(&two, registry.client(), "three"),
    ];
    let (pushed, events) = push_told(orders, &config()).await;
    let pushed = pushed.unwrap();
    assert_eq!(registry.count(Kind::Put), 5);
    assert_eq!(pushed[1].mounted_bytes, base.len() as u64);
    assert_eq!((pushed[2].sent_bytes, pushed[2].reused_bytes), (0, 0));
    let mounted = |event: &&Event| matches!(event, Event::Mounted { from: Some(_), .. });
    assert_eq!(events.iter().filter(mounted).count(), 4);
    assert!(registry.has("one", &of(&base)) && registry.has("three", &of(&base)));
    assert!(registry.shelf().uploads.is_empty());
}

#[tokio::test]
async fn what_one_repository_has_is_mounted_into_the_other() {
    let registry = sound().await;
    let image = Arc::new(Made::sized(1, &[100_000]));
    push_one(&image, registry.client()).await.unwrap();
    let again = Order { reference: tag("v2"), ..order(&image, registry.client(), "app") };
    let orders = vec![again, order(&image, registry.client(), "other")];
    let pushed = push(orders, &config(), &Events::default()).await.unwrap();
    assert_eq!((pushed[0].sent_bytes, pushed[1].sent_bytes), (0, 0));
    let size = image.layer(0).size;
    assert!(pushed[0].reused_bytes > size && pushed[1].mounted_bytes > size);
    assert_eq!(registry.manifest("other", "v1").unwrap(), image.image.manifest.bytes());
}

#[tokio::test]
async fn a_mount_that_is_refused_becomes_an_upload() {
    // Harbor answers so for a project that is not there; others know of no mounts at all.
    for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::METHOD_NOT_ALLOWED]
    {
        let registry = Registry::start(move |asked| match asked.kind {
            Kind::Mount => Reply::Answer(status, &[], ""),
            _ => Reply::Usual,
        })
        .await;
        let image = Arc::new(Made::sized(2, &[1000]));
        let orders = ["one", "two"].map(|name| order(&image, registry.client(), name)).to_vec();
        let pushed = push(orders, &config(), &Events::default()).await.unwrap();
        assert_eq!((registry.count(Kind::Put), registry.count(Kind::Start)), (4, 4));
        assert_eq!(pushed[1].mounted_bytes, 0);
    }
}

#[tokio::test]
async fn a_mount_that_begins_an_upload_is_that_upload() {
    let registry = sound().await;
    let image = Arc::new(Made::sized(3, &[1000]));
    push_one(&image, registry.client()).await.unwrap();
    // This registry takes a mount without a source for a plain upload: no second POST.
    assert_eq!((registry.count(Kind::Mount), registry.count(Kind::Start)), (2, 0));
    assert_eq!(registry.count(Kind::Cancel), 0);
}

#[tokio::test]
async fn two_registries_get_everything_each() {
    let (one, two) = (sound().await, sound().await);
    let image = Arc::new(Made::sized(4, &[10_000, 20_000]));
    let orders = vec![order(&image, one.client(), "app"), order(&image, two.client(), "app")];
    push(orders, &config(), &Events::default()).await.unwrap();
    for registry in [&one, &two] {
        assert_eq!(registry.count(Kind::Put), 3);
        assert_eq!(registry.manifest("app", "v1").unwrap(), image.image.manifest.bytes());
    }
}
