//! Registries that look at media types, as Quay and Nexus have done: layers must be compressed with
//! gzip, or the manifest is invalid.

use wharf_oci::media_type;
use wharf_pusher::layer::Compression;

use crate::behaviour::Behaviour;
use crate::image::MemoryImage;
use crate::world::{World, repository};

#[tokio::test]
async fn layers_with_gzip_are_taken_and_others_refused_without_a_tag() {
    let picky = || Behaviour {
        takes_layer: |media_type| media_type == media_type::OCI_LAYER_GZIP,
        ..Behaviour::default()
    };
    let image = MemoryImage::new(&[100_000]);
    for compression in [Compression::None, Compression::ZSTD] {
        let world = World::of(picky()).await;
        let error = world.push_as(&image, "app", compression).await.unwrap_err();
        assert!(matches!(error, wharf_pusher::Error::Manifest { .. }), "{error}");
        assert!(world.registry.manifest(&repository("app"), "1.0").is_none());
        assert_eq!(world.registry.open_sessions(), 0);
    }
    let world = World::of(picky()).await;
    let pushed = world.push(&image, "app").await.unwrap();
    world.assert_arrived(&image, "app", &pushed);
}
