//! Google's Artifact Registry: tokens that say nothing of themselves, not even when they end; no
//! uploads in chunks, and no answer to where an upload stands.

use http::{Method, StatusCode};

use crate::authority::Manners;
use crate::behaviour::{Access, Behaviour, Chunks};
use crate::image::MemoryImage;
use crate::ledger::Host;
use crate::world::World;

fn google() -> Behaviour {
    let refusal = Some(StatusCode::METHOD_NOT_ALLOWED);
    let chunks = Chunks { refusal, ..Chunks::default() };
    Behaviour { access: Access::Tokens, chunks, ..Behaviour::default() }
}

fn opaque() -> Manners {
    Manners { expires_in: None, ..Manners::default() }
}

#[tokio::test]
async fn an_image_arrives_without_chunks() {
    let world = World::with_manners(google(), opaque()).await;
    let image = MemoryImage::new(&[1_000_000, 300_000, 5]);
    let pushed = world.push(&image, "project/repository/app").await.unwrap();
    world.assert_arrived(&image, "project/repository/app", &pushed);
    assert_eq!(world.ledger.count(Host::Registry, &Method::PATCH), 0);
    // One token lets all of it through.
    assert_eq!(world.authority.tokens().len(), 1);
}

#[tokio::test]
async fn an_upload_cut_off_begins_anew() {
    let cut = Behaviour { cuts: 2, cut_after_bytes: 100_000, ..google() };
    let world = World::with_manners(cut, opaque()).await;
    let image = MemoryImage::new(&[1_000_000]);
    let pushed = world.push(&image, "project/repository/app").await.unwrap();
    world.assert_arrived(&image, "project/repository/app", &pushed);
}
