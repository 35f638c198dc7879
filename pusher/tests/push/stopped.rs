//! A push that is told to stop, or whose future is dropped.

use std::sync::Arc;

use http::StatusCode;
use wharf_pusher::progress::Events;
use wharf_pusher::{Config, Error, push};

use crate::made::Made;
use crate::registry::{Kind, Registry, Reply};
use crate::{config, order, until};

#[tokio::test]
async fn a_stopped_push_takes_its_uploads_back() {
    let registry = Registry::start(|asked| match asked.kind {
        Kind::Put if asked.length > 100_000 => Reply::Hang,
        _ => Reply::Usual,
    })
    .await;
    let image = Arc::new(Made::sized(1, &[2_000_000, 2_000_000, 2_000_000]));
    let config = config();
    let orders = vec![order(&image, registry.client(), "app")];
    let stop = config.stop.clone();
    let pushing = tokio::spawn(async move { push(orders, &config, &Events::default()).await });
    until(|| registry.count(Kind::Put) >= 3).await;
    stop.stop();
    let error = pushing.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Stopped), "{error}");
    // When it returns, all is taken back already.
    assert!(registry.shelf().uploads.is_empty());
    assert!(registry.count(Kind::Cancel) >= 3);
    assert!(registry.shelf().manifests.is_empty());
}

#[tokio::test]
async fn a_registry_that_does_not_take_uploads_back_is_not_waited_for() {
    let registry = Registry::start(|asked| match asked.kind {
        Kind::Put if asked.length > 100_000 => Reply::Hang,
        Kind::Cancel => Reply::Hang,
        _ => Reply::Usual,
    })
    .await;
    let image = Arc::new(Made::sized(1, &[2_000_000]));
    let config = config();
    let orders = vec![order(&image, registry.client(), "app")];
    let stop = config.stop.clone();
    let pushing = tokio::spawn(async move { push(orders, &config, &Events::default()).await });
    until(|| registry.of_kind(Kind::Put).iter().any(|put| put.length > 100_000)).await;
    stop.stop();
    assert!(matches!(pushing.await.unwrap(), Err(Error::Stopped)));
}

#[tokio::test]
async fn a_push_that_is_stopped_before_it_begins_asks_nothing() {
    let registry = crate::sound().await;
    let config = config();
    config.stop.stop();
    let orders = vec![order(&Arc::new(Made::sized(1, &[10])), registry.client(), "app")];
    let pushed = push(orders, &config, &Events::default()).await;
    assert!(matches!(pushed, Err(Error::Stopped)));
    assert!(registry.shelf().asked.is_empty());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_the_next_try() {
    let busy = &[("retry-after", "1000")];
    let registry =
        Registry::start(|_| Reply::Answer(StatusCode::TOO_MANY_REQUESTS, busy, "")).await;
    let longest = std::time::Duration::from_secs(1000);
    let retry = wharf_client::Retry { longest, ..config().retry };
    let config = Config { retry, ..config() };
    let orders = vec![order(&Arc::new(Made::sized(1, &[10])), registry.client(), "app")];
    let stop = config.stop.clone();
    let pushing = tokio::spawn(async move { push(orders, &config, &Events::default()).await });
    until(|| registry.count(Kind::HeadManifest) == 1).await;
    stop.stop();
    let ended = tokio::time::timeout(crate::PATIENCE, pushing).await;
    assert!(matches!(ended.expect("it waits for the next try").unwrap(), Err(Error::Stopped)));
}
