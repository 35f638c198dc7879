//! One image, one repository: what is asked and what moves.

use std::num::NonZeroUsize;
use std::sync::Arc;

use wharf_pusher::progress::{Event, Events};
use wharf_pusher::{Config, Error, Order, Step, plan, push};

use crate::made::{Made, bytes, of};
use crate::registry::{Kind, Registry, Reply};
use crate::{config, order, push_one, push_told, sound, tag, told};

#[tokio::test]
async fn an_image_arrives_byte_for_byte_and_the_tag_comes_last() {
    let registry = sound().await;
    let image = Arc::new(Made::sized(1, &[300_000, 2_500_000, 0]));
    let pushed = push_one(&image, registry.client()).await.unwrap();
    assert_eq!((pushed.digest, pushed.is_original), (image.digest(), true));
    assert_eq!(registry.manifest("app", "v1").as_ref(), Some(image.image.manifest.bytes()));
    for blob in &image.image.blobs {
        assert!(registry.has("app", &blob.descriptor.digest));
    }
    let all: u64 = image.image.blobs.iter().map(|blob| blob.descriptor.size).sum();
    assert_eq!((pushed.sent_bytes, pushed.reused_bytes, pushed.mounted_bytes), (all, 0, 0));
    let last = registry.shelf().asked.last().unwrap().clone();
    assert_eq!((last.kind, last.target.as_str()), (Kind::PutManifest, "/v2/app/manifests/v1"));
    assert!(registry.shelf().uploads.is_empty());
}

#[tokio::test]
async fn nothing_changed_is_one_request() {
    let registry = sound().await;
    let image = Arc::new(Made::sized(2, &[1000, 2000]));
    push_one(&image, registry.client()).await.unwrap();
    registry.forget_asked();
    let pushed = push_one(&image, registry.client()).await.unwrap();
    assert!(pushed.was_there);
    assert_eq!((pushed.digest, pushed.sent_bytes), (image.digest(), 0));
    let kinds: Vec<_> = registry.shelf().asked.iter().map(|asked| asked.kind).collect();
    assert_eq!(kinds, [Kind::HeadManifest]);
}

#[tokio::test]
async fn what_is_there_is_neither_read_nor_sent() {
    let registry = sound().await;
    let (base, first, second) = (bytes(1, 500_000), bytes(2, 1000), bytes(3, 1000));
    let before = Arc::new(Made::new(&[base.clone(), first]));
    push_one(&before, registry.client()).await.unwrap();
    registry.forget_asked();
    let after = Arc::new(Made::new(&[base.clone(), second.clone()]));
    let (pushed, events) =
        push_told(vec![order(&after, registry.client(), "app")], &config()).await;
    let pushed = pushed.unwrap().remove(0);
    assert!(events.contains(&Event::Present { digest: of(&base) }));
    assert!(events.contains(&Event::Stored { digest: of(&second) }));
    assert_eq!(pushed.reused_bytes, base.len() as u64);
    assert_eq!(after.opened(), 1);
    // The layer and the config.
    assert_eq!((registry.count(Kind::HeadBlob), registry.count(Kind::Put)), (3, 2));
}

#[tokio::test]
async fn the_largest_goes_first_and_several_go_at_once() {
    let registry = sound().await;
    let image = Arc::new(Made::sized(4, &[1000, 3_000_000, 20_000, 2_000_000]));
    let one = Config { parallel: NonZeroUsize::MIN, ..config() };
    let orders = vec![order(&image, registry.client(), "app")];
    push(orders, &one, &Events::default()).await.unwrap();
    let mut sizes: Vec<_> = image.image.blobs.iter().map(|it| it.descriptor.size).collect();
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    let sent: Vec<_> = registry.of_kind(Kind::Put).iter().map(|it| it.length as u64).collect();
    assert_eq!((sent, registry.busiest()), (sizes, 1));

    let registry = sound().await;
    let image = Arc::new(Made::sized(5, &[4_000_000; 8]));
    let three = Config { parallel: NonZeroUsize::new(3).unwrap(), ..config() };
    let orders = vec![order(&image, registry.client(), "app")];
    push(orders, &three, &Events::default()).await.unwrap();
    assert!((2..=3).contains(&registry.busiest()), "{}", registry.busiest());
}

#[tokio::test]
async fn a_layer_that_stands_twice_in_an_image_goes_once() {
    let registry = sound().await;
    let (layer, other) = (bytes(1, 1000), bytes(2, 1000));
    let image = Arc::new(Made::new(&[layer.clone(), other, layer]));
    push_one(&image, registry.client()).await.unwrap();
    assert_eq!(registry.count(Kind::Put), 3);
}

#[tokio::test]
async fn progress_counts_up_to_the_whole() {
    let registry = sound().await;
    let image = Arc::new(Made::sized(6, &[5_000_000]));
    let digest = image.layer(0).digest;
    let (pushed, events) =
        push_told(vec![order(&image, registry.client(), "app")], &config()).await;
    pushed.unwrap();
    let mut counts = Vec::new();
    for event in &events {
        if let Event::Sent { digest: of_what, sent, of } = event
            && *of_what == digest
        {
            assert_eq!(*of, 5_000_000);
            counts.push(*sent);
        }
    }
    assert!(counts.is_sorted() && counts.first() == Some(&0), "{counts:?}");
    assert_eq!(counts.last(), Some(&5_000_000));
    assert!(matches!(events.last(), Some(Event::Tagged { .. })));
    let found = events.iter().filter(|it| matches!(it, Event::Found { .. })).count();
    assert_eq!(found, 2);
}

#[tokio::test]
async fn a_digest_is_a_reference_if_it_is_the_images() {
    let registry = sound().await;
    let image = Arc::new(Made::sized(7, &[1000]));
    let by_digest =
        |text: &str| Order { reference: tag(text), ..order(&image, registry.client(), "app") };
    let other = by_digest(&of(b"other").to_string());
    let error = push(vec![other], &config(), &Events::default()).await.unwrap_err();
    assert!(matches!(error, Error::OtherDigest { .. }), "{error}");
    assert_eq!(registry.count(Kind::PutManifest), 0);
    let own = by_digest(&image.digest().to_string());
    let pushed = push(vec![own], &config(), &Events::default()).await.unwrap();
    assert_eq!(pushed[0].digest, image.digest());
}

#[tokio::test]
async fn a_plan_says_what_a_push_would_do_and_does_nothing() {
    let registry = sound().await;
    let base = bytes(1, 1000);
    push_one(&Arc::new(Made::new(std::slice::from_ref(&base))), registry.client()).await.unwrap();
    registry.forget_asked();
    let image = Arc::new(Made::new(&[base, bytes(2, 10)]));
    let plan_of = |reference: &str| Order {
        reference: tag(reference),
        ..order(&image, registry.client(), "app")
    };
    let planned = plan(&plan_of("v1"), &config()).await.unwrap();
    let steps: Vec<_> = planned.blobs.iter().map(|blob| (blob.is_layer, &blob.step)).collect();
    assert_eq!(steps, [(false, &Step::Send), (true, &Step::Present), (true, &Step::Send)]);
    assert_eq!((planned.is_there, planned.digest), (false, Some(image.digest())));
    let is_question = |kind| matches!(kind, Kind::HeadBlob | Kind::HeadManifest);
    assert!(registry.shelf().asked.iter().all(|asked| is_question(asked.kind)));
    assert_eq!(image.opened(), 0);

    push_one(&image, registry.client()).await.unwrap();
    let planned = plan(&plan_of("v1"), &config()).await.unwrap();
    assert!(planned.is_there && planned.blobs.is_empty());
}

#[tokio::test]
async fn a_blob_that_the_registry_keeps_elsewhere_is_there() {
    let image = Arc::new(Made::sized(8, &[1000]));
    let layer = image.layer(0).digest.to_string();
    let registry = Registry::start(move |asked| {
        if asked.kind == Kind::HeadBlob && asked.target.ends_with(&layer) {
            let elsewhere = &[("location", "https://elsewhere.example/blob")];
            return Reply::Answer(http::StatusCode::TEMPORARY_REDIRECT, elsewhere, "");
        }
        Reply::Usual
    })
    .await;
    let error = push_one(&image, registry.client()).await.unwrap_err();
    // This registry only pretended.
    assert!(told(&error).contains("MANIFEST_BLOB_UNKNOWN"), "{}", told(&error));
    assert_eq!(registry.count(Kind::Put), 1);
}
