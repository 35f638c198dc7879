//! Amazon's ECR: Basic with the user `AWS`; `Range` stands still after the first chunk, and a chunk is
//! answered 201.

use http::{Method, StatusCode};

use crate::behaviour::{Access, Behaviour, Chunks};
use crate::image::MemoryImage;
use crate::ledger::Host;
use crate::world::World;

fn ecr() -> Behaviour {
    let chunks = Chunks { answer: StatusCode::CREATED, range_sticks: true, ..Chunks::default() };
    Behaviour { access: Access::Basic, chunks, ..Behaviour::default() }
}

#[tokio::test]
async fn an_image_arrives() {
    let world = World::of(ecr()).await;
    let image = MemoryImage::new(&[500_000, 20_000]);
    let pushed = world.push(&image, "app").await.unwrap();
    world.assert_arrived(&image, "app", &pushed);
}

#[tokio::test]
async fn what_it_says_of_an_upload_cut_off_twice_is_not_believed() {
    let world = World::of(Behaviour { cuts: 2, cut_after_bytes: 100_000, ..ecr() }).await;
    let image = MemoryImage::new(&[1_000_000]);
    let pushed = world.push(&image, "app").await.unwrap();
    world.assert_arrived(&image, "app", &pushed);
}

#[tokio::test]
async fn parts_that_did_not_fit_together_are_sent_again_as_a_whole() {
    let chunks = Chunks { checks_range: false, ..ecr().chunks };
    let careless = Behaviour { chunks, cuts: 2, cut_after_bytes: 100_000, ..ecr() };
    let world = World::of(careless).await;
    let image = MemoryImage::new(&[1_000_000]);
    let pushed = world.push(&image, "app").await.unwrap();
    world.assert_arrived(&image, "app", &pushed);
    // Cut, cut, refused for its digest, taken; and the config, and the manifest.
    assert_eq!(world.ledger.count(Host::Registry, &Method::PUT), 6);
}

#[tokio::test]
async fn chunks_that_are_answered_201_go_on() {
    let world = World::of(Behaviour { request_bytes_max: 200_000, ..ecr() }).await;
    let image = MemoryImage::new(&[1_000_000]);
    let pushed = world.push(&image, "app").await.unwrap();
    world.assert_arrived(&image, "app", &pushed);
}
