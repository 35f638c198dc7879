//! What the engine promises: what moves and what does not, in how many requests, through which
//! failures, and what is left behind when it ends early. The registries are a small one of these
//! tests, which fails as it is told; Wharf's own, in this process; and docker-registry.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]
#![expect(clippy::expect_used, reason = "a test ends where something is not as it should be")]

mod compressed;
mod faults;
mod images;
mod index;
mod made;
mod memory;
mod pulled;
mod real;
mod registry;
mod several;
mod stopped;

use std::sync::Arc;
use std::time::Duration;

use made::Made;
use registry::Registry;
use tokio::sync::mpsc;
use wharf_client::{RegistryClient, Retry};
use wharf_oci::{Reference, RepositoryName};
use wharf_pusher::progress::{Event, Events};
use wharf_pusher::{Config, Error, Order, Pushed, push};

/// How long anything may take that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

pub(crate) fn tag(text: &str) -> Reference {
    text.parse().unwrap()
}

pub(crate) fn order(image: &Arc<Made>, client: &RegistryClient, repository: &str) -> Order {
    let source = Arc::clone(image) as Arc<dyn wharf_pusher::source::ImageSource>;
    Order { source, client: client.clone(), name: name(repository), reference: tag("v1") }
}

/// The usual settings, in a hurry.
pub(crate) fn config() -> Config {
    let retry =
        Retry { tries_max: 5, first: Duration::from_millis(1), longest: Duration::from_millis(4) };
    Config { retry, ..Config::new(std::env::temp_dir()) }
}

/// Pushes one image to `app:v1`.
pub(crate) async fn push_one(image: &Arc<Made>, client: &RegistryClient) -> Result<Pushed, Error> {
    let orders = vec![order(image, client, "app")];
    Ok(push(orders, &config(), &Events::default()).await?.remove(0))
}

/// Pushes, and gives what was told meanwhile.
pub(crate) async fn push_told(
    orders: Vec<Order>,
    config: &Config,
) -> (Result<Vec<Pushed>, Error>, Vec<Event>) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let pushed = push(orders, config, &Events::to(sender)).await;
    let mut events = Vec::new();
    while let Ok(event) = receiver.try_recv() {
        events.push(event);
    }
    (pushed, events)
}

/// The whole chain of an error, as a person sees it.
pub(crate) fn told(error: &Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |it| it.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Waits until it is so.
pub(crate) async fn until(mut is_so: impl FnMut() -> bool) {
    tokio::time::timeout(PATIENCE, async {
        while !is_so() {
            // What is waited for is another program's state, which tells nobody that it changed.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .expect("it does not become so");
}

/// An empty registry that does everything right.
pub(crate) async fn sound() -> Registry {
    Registry::start(|_| registry::Reply::Usual).await
}
