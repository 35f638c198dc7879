//! Harbor: a mount from a project that is not there, or not yours, is refused with 401 or 403 instead
//! of being turned into an upload.

use http::StatusCode;

use crate::behaviour::{Access, Behaviour};
use crate::image::{MemoryImage, digest};
use crate::world::{World, compressed, repository};
use wharf_pusher::layer::Compression;

#[tokio::test]
async fn a_mount_that_is_refused_is_an_upload() {
    for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND] {
        for access in [Access::Open, Access::Basic, Access::Tokens] {
            let harbor = Behaviour { access, mount_refusal: Some(status), ..Behaviour::default() };
            let world = World::of(harbor).await;
            let image = MemoryImage::new(&[50_000]);
            let layer = &image.layers[0];
            let (bytes, packed) = compressed(layer, Compression::GZIP);
            let (cache, registry) = (world.cache(), world.registry.address().to_string());
            let form = (packed, bytes.len() as u64);
            cache.note_compressed(&digest(layer), Compression::GZIP, form).unwrap();
            cache.note_holder(&registry, &packed, &repository("gone/base")).unwrap();
            let pushed = world.push(&image, "project/app").await.unwrap();
            world.assert_arrived(&image, "project/app", &pushed);
            assert!(pushed.sent_bytes > 50_000, "{status}, {access:?}");
            let tried = world.ledger.all().iter().any(|seen| seen.target.contains("from=gone"));
            assert!(tried, "{status}, {access:?}: no mount was tried");
        }
    }
}
