//! Registries, networks and sources that fail: what passes is waited for, what was sent is not sent
//! again, what does not pass is told in one message, and no tag moves.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use wharf_client::{Limits, RegistryClient};
use wharf_pusher::Error;
use wharf_pusher::progress::Event;

use crate::made::{Layer, Made, bytes, of};
use crate::registry::{Asked, Kind, Registry, Reply};
use crate::{config, order, push_one, push_told, told};

const LAYER: usize = 3_000_000;

fn image() -> Arc<Made> {
    Arc::new(Made::sized(9, &[LAYER]))
}

/// Fails the first `times` requests of a kind that carry a layer, or that are about blobs.
fn failing(
    kind: Kind,
    times: usize,
    reply: Reply,
) -> impl Fn(&Asked) -> Reply + Send + Sync + 'static {
    let failed = std::sync::atomic::AtomicUsize::new(0);
    move |asked| {
        let is_it = asked.kind == kind && (kind != Kind::Put || asked.length > 100_000);
        if is_it && failed.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < times {
            return reply.clone();
        }
        Reply::Usual
    }
}

fn has_no_tag(registry: &Registry) -> bool {
    registry.shelf().manifests.is_empty() && registry.shelf().uploads.is_empty()
}

#[tokio::test]
async fn what_passes_is_waited_for() {
    let busy = Reply::Answer(StatusCode::SERVICE_UNAVAILABLE, &[("retry-after", "0")], "");
    let many = Reply::Answer(StatusCode::TOO_MANY_REQUESTS, &[], "");
    let slow = Reply::Answer(StatusCode::REQUEST_TIMEOUT, &[], "");
    let broken = Reply::Answer(StatusCode::BAD_GATEWAY, &[], "<html>rubbish");
    for reply in [busy, many, slow, broken, Reply::BreakAfter(0)] {
        for kind in [Kind::HeadManifest, Kind::HeadBlob, Kind::Mount, Kind::Put, Kind::PutManifest]
        {
            let registry = Registry::start(failing(kind, 2, reply.clone())).await;
            let image = image();
            let orders = vec![order(&image, registry.client(), "app")];
            let (pushed, events) = push_told(orders, &config()).await;
            pushed.unwrap_or_else(|error| panic!("{kind:?} {reply:?}: {}", told(&error)));
            assert!(registry.manifest("app", "v1").is_some(), "{kind:?} {reply:?}");
            assert!(registry.shelf().uploads.is_empty(), "{kind:?} {reply:?}");
            let retries = events.iter().filter(|it| matches!(it, Event::Retrying { .. })).count();
            assert!(retries >= 2, "{kind:?} {reply:?}: {retries}");
        }
    }
}

#[tokio::test]
async fn what_does_not_pass_ends_the_push() {
    let busy = Reply::Answer(StatusCode::SERVICE_UNAVAILABLE, &[], "");
    for kind in [Kind::HeadManifest, Kind::HeadBlob, Kind::Mount, Kind::Put, Kind::PutManifest] {
        let registry = Registry::start(failing(kind, usize::MAX, busy.clone())).await;
        let error = push_one(&image(), registry.client()).await.unwrap_err();
        assert!(told(&error).contains("503"), "{kind:?}: {}", told(&error));
        // The config may be the one that is asked for first.
        let asked =
            registry.of_kind(kind).into_iter().filter(|it| it.length != 0 || kind != Kind::Put);
        assert!((5..=10).contains(&asked.count()), "{kind:?}");
        assert!(has_no_tag(&registry), "{kind:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_at_once_and_nothing_is_left_behind() {
    let denied = r#"{"errors":[{"code":"DENIED","message":"not yours"}]}"#;
    for kind in [Kind::HeadManifest, Kind::HeadBlob, Kind::Put, Kind::PutManifest] {
        let reply = Reply::Answer(StatusCode::FORBIDDEN, &[], denied);
        let registry = Registry::start(failing(kind, usize::MAX, reply)).await;
        let error = push_one(&image(), registry.client()).await.unwrap_err();
        assert!(told(&error).contains("403"), "{kind:?}: {}", told(&error));
        assert!(registry.count(kind) <= 2, "{kind:?}");
        assert!(has_no_tag(&registry), "{kind:?}");
    }
}

#[tokio::test]
async fn a_broken_upload_goes_on_where_the_registry_stands() {
    let kept = 1_200_000;
    let registry = Registry::start(failing(Kind::Put, 1, Reply::BreakAfter(kept))).await;
    let image = image();
    push_one(&image, registry.client()).await.unwrap();
    let puts: Vec<_> =
        registry.of_kind(Kind::Put).into_iter().filter(|it| it.length > 100_000).collect();
    assert_eq!(puts.len(), 2);
    let range = puts[1].range.unwrap();
    assert_eq!((range.first, range.last), (kept as u64, LAYER as u64 - 1));
    assert_eq!(puts[1].length, LAYER - kept);
    assert_eq!(registry.count(Kind::Status), 1);
    assert!(registry.has("app", &image.layer(0).digest));
}

#[tokio::test]
async fn an_upload_that_gets_on_may_break_more_often_than_one_that_does_not() {
    // Each time, a little more is kept.
    let registry = Registry::start(failing(Kind::Put, 12, Reply::BreakAfter(150_000))).await;
    push_one(&image(), registry.client()).await.unwrap();
    assert!(registry.count(Kind::Put) > 12);
}

#[tokio::test]
async fn an_answer_that_got_lost_does_not_send_the_blob_again() {
    let registry = Registry::start(failing(Kind::Put, 1, Reply::DoAndBreak)).await;
    push_one(&image(), registry.client()).await.unwrap();
    let puts = registry.of_kind(Kind::Put);
    assert_eq!(puts.iter().filter(|it| it.length > 100_000).count(), 1);
}

#[tokio::test]
async fn a_registry_that_does_not_say_where_it_stands_gets_everything_again() {
    let unknown = Reply::Answer(StatusCode::NOT_FOUND, &[], "");
    let wrong = Reply::But("range", "bytes 7-2");
    let too_much = Reply::But("range", "0-99999999");
    for status in [unknown, wrong, too_much] {
        let breaking = failing(Kind::Put, 1, Reply::BreakAfter(500_000));
        let registry = Registry::start(move |asked| match asked.kind {
            Kind::Status => status.clone(),
            _ => breaking(asked),
        })
        .await;
        let image = image();
        push_one(&image, registry.client()).await.unwrap();
        let puts = registry.of_kind(Kind::Put);
        let large: Vec<_> = puts.iter().filter(|it| it.length == LAYER).collect();
        assert_eq!(large.len(), 2);
        assert!(registry.has("app", &image.layer(0).digest));
        assert!(registry.shelf().uploads.is_empty());
    }
}

#[tokio::test]
async fn a_registry_that_says_too_little_gets_it_whole_when_the_parts_do_not_fit() {
    // It says that it has less than it has, takes the rest, and finds another digest.
    let breaking = failing(Kind::Put, 1, Reply::BreakAfter(500_000));
    let refused = r#"{"errors":[{"code":"DIGEST_INVALID","message":"other bytes"}]}"#;
    let registry = Registry::start(move |asked| match (asked.kind, asked.range) {
        (Kind::Put, Some(_)) => Reply::Answer(StatusCode::BAD_REQUEST, &[], refused),
        _ => breaking(asked),
    })
    .await;
    let image = image();
    push_one(&image, registry.client()).await.unwrap();
    assert!(registry.has("app", &image.layer(0).digest));
}

#[tokio::test]
async fn a_range_that_the_registry_does_not_take_begins_again() {
    let breaking = failing(Kind::Put, 1, Reply::BreakAfter(500_000));
    let registry = Registry::start(move |asked| match (asked.kind, asked.range) {
        (Kind::Put, Some(_)) => Reply::Answer(StatusCode::RANGE_NOT_SATISFIABLE, &[], ""),
        _ => breaking(asked),
    })
    .await;
    let image = image();
    push_one(&image, registry.client()).await.unwrap();
    assert!(registry.has("app", &image.layer(0).digest));
}

#[tokio::test]
async fn a_body_that_is_too_large_goes_in_chunks() {
    // Above a chunk of 64 MiB; the registry allows 100 MB.
    let layer = bytes::Bytes::from(vec![7; 150 << 20]);
    let image = Arc::new(Made::new(&[layer]));
    let too_large = Reply::Answer(StatusCode::PAYLOAD_TOO_LARGE, &[("connection", "close")], "");
    for reply in [too_large, Reply::BreakAfter(1)] {
        let registry = Registry::start(move |asked| match asked.length > 100_000_000 {
            true => reply.clone(),
            // What broke off early is not kept either.
            false if asked.kind == Kind::Status => Reply::Answer(StatusCode::NOT_FOUND, &[], ""),
            false => Reply::Usual,
        })
        .await;
        push_one(&image, registry.client()).await.unwrap();
        let ranges = registry.of_kind(Kind::Patch).into_iter().map(|it| it.range.unwrap().first);
        assert_eq!(ranges.collect::<Vec<_>>(), [0, 64 << 20]);
        let last = registry
            .of_kind(Kind::Put)
            .into_iter()
            .find(|it| it.length > 1000 && it.length < 100_000_000);
        assert_eq!(last.unwrap().range.unwrap().first, 128 << 20);
        assert!(registry.has("app", &image.layer(0).digest));
        assert!(registry.shelf().uploads.is_empty());
    }
}

#[tokio::test]
async fn a_registry_that_hangs_is_left_after_a_while() {
    let limits = || Limits { silence_max: Duration::from_millis(100), ..Limits::default() };
    let registry = Registry::patient(failing(Kind::Put, 1, Reply::Hang), limits()).await;
    push_one(&image(), registry.client()).await.unwrap();

    let hanging = |asked: &Asked| match asked.kind {
        Kind::Put => Reply::Hang,
        _ => Reply::Usual,
    };
    let registry = Registry::patient(hanging, limits()).await;
    let error = push_one(&image(), registry.client()).await.unwrap_err();
    assert!(told(&error).contains("went silent"), "{}", told(&error));
    assert!(registry.shelf().manifests.is_empty());
}

#[tokio::test]
async fn rubbish_is_told_as_such() {
    for (kind, reply, expected) in [
        (Kind::Mount, Reply::Answer(StatusCode::ACCEPTED, &[], ""), "Location"),
        (Kind::Mount, Reply::Answer(StatusCode::OK, &[], "<html>welcome"), "200 OK"),
        (Kind::Put, Reply::Answer(StatusCode::OK, &[], "<html>welcome"), "200 OK"),
        (Kind::HeadBlob, Reply::Answer(StatusCode::MOVED_PERMANENTLY, &[], ""), "301"),
        (Kind::PutManifest, Reply::Answer(StatusCode::FOUND, &[("location", "/")], ""), "302"),
    ] {
        let registry = Registry::start(failing(kind, usize::MAX, reply.clone())).await;
        let error = push_one(&image(), registry.client()).await.unwrap_err();
        assert!(told(&error).contains(expected), "{kind:?} {reply:?}: {}", told(&error));
        assert!(registry.shelf().manifests.is_empty(), "{kind:?}");
    }
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_said_at_once() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = RegistryClient::new(listener.local_addr().unwrap().into());
    drop(listener);
    let (pushed, events) = push_told(vec![order(&image(), &client, "app")], &config()).await;
    let error = pushed.unwrap_err();
    assert!(told(&error).contains("cannot reach a registry"), "{}", told(&error));
    assert_eq!(events, []);
}

#[tokio::test]
async fn a_layer_that_is_gone_is_told_with_its_source() {
    let registry = crate::sound().await;
    let layers = [bytes(1, 1000), bytes(2, LAYER)];
    let digest = of(&layers[1]);
    let short = Layer::Bytes(layers[1].slice(..LAYER / 2));
    for gives in [Layer::Gone, short] {
        let image = Arc::new(Made::new(&layers).but(1, gives));
        let error = push_one(&image, registry.client()).await.unwrap_err();
        let Error::LayerGone { digest: which, origin, .. } = &error else { panic!("{error}") };
        assert_eq!((which, origin.as_str()), (&digest, "a made image"));
        assert!(has_no_tag(&registry));
    }
}

#[tokio::test]
async fn other_bytes_than_the_images_are_told_as_damage() {
    let registry = crate::sound().await;
    let layer = bytes(1, LAYER);
    let mut other = layer.to_vec();
    other[LAYER / 2] ^= 1;
    let longer = Layer::Bytes([&other[..], b"more"].concat().into());
    for gives in [Layer::Bytes(other.clone().into()), longer] {
        let image = Arc::new(Made::new(std::slice::from_ref(&layer)).but(0, gives));
        let error = push_one(&image, registry.client()).await.unwrap_err();
        assert!(matches!(error, Error::LayerDamaged { .. }), "{}", told(&error));
        assert!(error.to_string().contains("a made image"), "{error}");
        assert!(has_no_tag(&registry));
    }
}

#[tokio::test]
async fn a_registry_without_digests_in_its_answers_is_asked_for_the_blobs() {
    let registry = Registry::start(|asked| match asked.kind {
        Kind::HeadManifest => {
            let headers = &[("content-length", "2"), ("content-type", "application/json")];
            Reply::Answer(StatusCode::OK, headers, "")
        }
        _ => Reply::Usual,
    })
    .await;
    push_one(&image(), registry.client()).await.unwrap();
    assert_eq!(registry.count(Kind::HeadBlob), 2);
    assert!(registry.manifest("app", "v1").is_some());
}
