//! Public registries differ from the distribution spec, each in its own way. Here each has a server
//! that behaves like it, with its limits made small, and whole pushes go to it. What is asserted is
//! always the same: the image arrives whole, the tag comes last, no upload is left open, and no
//! secret reaches anyone but the registry or the server of tokens that it names.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is wrong"
)]

mod authority;
mod behaviour;
mod image;
mod ledger;
mod registry;
mod serve;
mod world;

mod azure;
mod cloudflare;
mod docker_hub;
mod ecr;
mod ghcr;
mod google;
mod harbor;
mod quay;

use std::sync::atomic::Ordering;

use behaviour::Behaviour;
use image::MemoryImage;
use world::World;

/// The ground on which the others stand: nothing odd at all.
#[tokio::test]
async fn a_registry_by_the_book_takes_an_image() {
    let world = World::of(Behaviour::default()).await;
    let image = MemoryImage::new(&[300_000, 10, 1]);
    let pushed = world.push(&image, "team/app").await.unwrap();
    world.assert_arrived(&image, "team/app", &pushed);
}

#[tokio::test]
async fn a_layer_is_compressed_once() {
    let world = World::of(Behaviour::default()).await;
    let image = MemoryImage::new(&[300_000, 10]);
    let first = world.push(&image, "team/app").await.unwrap();
    for name in ["team/app", "team/other"] {
        let pushed = world.push(&image, name).await.unwrap();
        assert_eq!(pushed.digest, first.digest);
        assert_eq!(image.opened.load(Ordering::Relaxed), 2, "{name}");
    }
    // A registry that has nothing of it gets it compressed anew, and to the same bytes.
    let elsewhere = World::of(Behaviour::default()).await;
    let pushed = elsewhere.push(&image, "team/app").await.unwrap();
    assert_eq!(pushed.digest, first.digest);
    assert_eq!(image.opened.load(Ordering::Relaxed), 4);
}
