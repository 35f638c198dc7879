//! A registry behind Cloudflare: no request may bring more than 100 MB, so a larger layer goes in
//! chunks.

use http::Method;

use crate::behaviour::Behaviour;
use crate::image::MemoryImage;
use crate::ledger::Host;
use crate::world::World;

/// In place of 100 MB.
const REQUEST_BYTES_MAX: usize = 300_000;

fn cloudflare() -> Behaviour {
    Behaviour { request_bytes_max: REQUEST_BYTES_MAX, ..Behaviour::default() }
}

#[tokio::test]
async fn a_layer_too_large_for_one_request_goes_in_chunks() {
    let world = World::of(cloudflare()).await;
    let image = MemoryImage::new(&[1_000_000, 200_000]);
    let pushed = world.push(&image, "app").await.unwrap();
    world.assert_arrived(&image, "app", &pushed);
    assert!(world.ledger.count(Host::Registry, &Method::PATCH) >= 4);
}

#[tokio::test]
async fn chunks_go_on_after_a_cut() {
    let world = World::of(Behaviour { cuts: 2, cut_after_bytes: 100_000, ..cloudflare() }).await;
    let image = MemoryImage::new(&[1_000_000]);
    let pushed = world.push(&image, "app").await.unwrap();
    world.assert_arrived(&image, "app", &pushed);
}
