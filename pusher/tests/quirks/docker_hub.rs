//! Docker Hub: uploads may go to another host, which must not see who is pushing; official images are
//! in `library/`, and not everybody's; who asks too often is told to wait.

use crate::authority::Manners;
use crate::behaviour::{Access, Behaviour, Uploads};
use crate::image::MemoryImage;
use crate::ledger::Host;
use crate::world::{World, repository};
use http::Method;

fn docker_hub() -> Behaviour {
    Behaviour { access: Access::Tokens, uploads: Uploads::Elsewhere, ..Behaviour::default() }
}

#[tokio::test]
async fn uploads_to_another_host_carry_no_token() {
    let world = World::of(docker_hub()).await;
    let image = MemoryImage::new(&[500_000, 20_000]);
    let pushed = world.push(&image, "library/app").await.unwrap();
    world.assert_arrived(&image, "library/app", &pushed);
    assert_eq!(world.ledger.count(Host::Storage, &Method::PUT), 3);
}

#[tokio::test]
async fn an_upload_to_another_host_goes_on_after_a_cut_without_a_token() {
    let world = World::of(Behaviour { cuts: 2, cut_after_bytes: 100_000, ..docker_hub() }).await;
    let image = MemoryImage::new(&[1_000_000]);
    let pushed = world.push(&image, "me/app").await.unwrap();
    world.assert_arrived(&image, "me/app", &pushed);
}

#[tokio::test]
async fn a_blob_that_is_to_be_had_elsewhere_is_there() {
    let world = World::of(Behaviour { redirects_blobs: true, ..docker_hub() }).await;
    let (base, app) = (MemoryImage::new(&[200_000]), MemoryImage::new(&[200_000, 10]));
    world.push(&base, "me/app").await.unwrap();
    let pushed = world.push(&app, "me/app").await.unwrap();
    world.assert_arrived(&app, "me/app", &pushed);
    assert!(pushed.reused_bytes > 200_000 && pushed.sent_bytes < 100_000);
    assert_eq!(world.ledger.count(Host::Storage, &Method::GET), 0);
}

#[tokio::test]
async fn who_asks_too_often_waits() {
    let world = World::of(Behaviour { refused_for_rate: 3, ..docker_hub() }).await;
    let image = MemoryImage::new(&[1000]);
    let pushed = world.push(&image, "me/app").await.unwrap();
    world.assert_arrived(&image, "me/app", &pushed);
}

#[tokio::test]
async fn what_is_not_allowed_is_said_and_leaves_no_tag() {
    let manners = Manners { denied: vec!["repository:library/app"], ..Manners::default() };
    let world = World::with_manners(docker_hub(), manners).await;
    let image = MemoryImage::new(&[1000]);
    let error = world.push(&image, "library/app").await.unwrap_err();
    let chain = chain(&error);
    assert!(chain.contains("library/app") && chain.contains("wharf-user"), "{chain}");
    assert!(world.registry.manifest(&repository("library/app"), "1.0").is_none());
    for secret in [crate::authority::PASSWORD, "opaque-"] {
        assert!(!chain.contains(secret), "{chain}");
    }
    world.assert_secrets_kept();
}

/// An error and all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
