//! GitHub's `ghcr.io`: tokens; a `Content-Range` over a few megabytes is answered 416; a mount needs a
//! token that allows to pull from where the blob is.

use http::Method;

use crate::behaviour::{Access, Behaviour, Chunks};
use crate::image::MemoryImage;
use crate::ledger::Host;
use crate::world::{World, compressed, repository};
use wharf_pusher::layer::Compression;

/// In place of 4 MiB.
const RANGED_BYTES_MAX: u64 = 64 << 10;

fn ghcr() -> Behaviour {
    let chunks = Chunks { ranged_bytes_max: RANGED_BYTES_MAX, ..Chunks::default() };
    Behaviour { access: Access::Tokens, chunks, ..Behaviour::default() }
}

#[tokio::test]
async fn layers_go_in_one_piece_however_large() {
    let world = World::of(ghcr()).await;
    let image = MemoryImage::new(&[1_000_000, 500_000]);
    let pushed = world.push(&image, "me/app").await.unwrap();
    world.assert_arrived(&image, "me/app", &pushed);
    assert_eq!(world.ledger.count(Host::Registry, &Method::PATCH), 0);
}

#[tokio::test]
async fn an_upload_cut_off_begins_anew_where_its_rest_is_too_much() {
    let world = World::of(Behaviour { cuts: 2, cut_after_bytes: 100_000, ..ghcr() }).await;
    let image = MemoryImage::new(&[1_000_000]);
    let pushed = world.push(&image, "me/app").await.unwrap();
    world.assert_arrived(&image, "me/app", &pushed);
}

#[tokio::test]
async fn a_mount_asks_for_a_token_that_allows_it() {
    let world = World::of(ghcr()).await;
    let image = MemoryImage::new(&[400_000]);
    let first = world.push(&image, "me/base").await.unwrap();
    let second = world.push(&image, "me/app").await.unwrap();
    world.assert_arrived(&image, "me/app", &second);
    assert!(first.sent_bytes > 400_000 && second.mounted_bytes > 400_000);
    assert_eq!(second.digest, first.digest);
}

#[tokio::test]
async fn a_mount_that_no_token_allows_is_an_upload() {
    use crate::authority::Manners;
    let manners = Manners { denied: vec!["repository:other/base"], ..Manners::default() };
    let world = World::with_manners(ghcr(), manners).await;
    let image = MemoryImage::new(&[400_000]);
    // A colleague's repository, which one could pull from when this was written down.
    let (bytes, digest) = compressed(&image.layers[0], Compression::GZIP);
    world.registry.hold(&repository("other/base"), bytes.into());
    let registry = world.registry.address().to_string();
    world.cache().note_holder(&registry, &digest, &repository("other/base")).unwrap();
    let pushed = world.push(&image, "me/app").await.unwrap();
    world.assert_arrived(&image, "me/app", &pushed);
    assert_eq!(pushed.mounted_bytes, 0);
}

#[tokio::test]
async fn tokens_that_end_in_mid_push_are_renewed() {
    let world = World::of(ghcr()).await;
    let (one, other) = (MemoryImage::new(&[200_000]), MemoryImage::new(&[200_000, 100_000]));
    world.push(&one, "me/app").await.unwrap();
    world.authority.granted().revoke_all();
    let pushed = world.push(&other, "me/app").await.unwrap();
    world.assert_arrived(&other, "me/app", &pushed);
}
