//! Indexes: the images below first, and what the source does not hold.

use std::sync::Arc;

use wharf_oci::{Descriptor, Manifest, media_type};
use wharf_pusher::Error;

use crate::made::{Made, of};
use crate::registry::Kind;
use crate::{push_one, sound, told};

#[tokio::test]
async fn images_come_before_their_index_and_shared_layers_go_once() {
    let registry = sound().await;
    let base = crate::made::bytes(1, 10_000);
    let images = [2, 3].map(|seed| Made::new(&[base.clone(), crate::made::bytes(seed, 1000)]));
    let digests: Vec<_> = images.iter().map(Made::digest).collect();
    let index = Arc::new(Made::index(images.into(), &[]));
    let pushed = push_one(&index, registry.client()).await.unwrap();
    assert_eq!((pushed.digest, pushed.is_original), (index.digest(), true));
    assert_eq!(registry.manifest("app", "v1").unwrap(), index.image.manifest.bytes());
    let puts = registry.of_kind(Kind::PutManifest);
    assert!(puts.last().unwrap().target.ends_with("/v1"));
    for digest in digests {
        assert!(registry.manifest("app", &digest.to_string()).is_some());
    }
    assert_eq!(registry.count(Kind::Put), 5);
    registry.forget_asked();
    assert!(push_one(&index, registry.client()).await.unwrap().was_there);
    assert_eq!(registry.count(Kind::HeadManifest), 1);
}

#[tokio::test]
async fn what_nobody_has_is_left_out_of_the_index() {
    let registry = sound().await;
    let there = Made::sized(1, &[1000]);
    let entry = |made: &Made| {
        let bytes = made.image.manifest.bytes();
        Descriptor::new(media_type::OCI_MANIFEST, of(bytes), bytes.len() as u64)
    };
    let (there_entry, gone) = (entry(&there), entry(&Made::sized(2, &[1000])));
    push_one(&Arc::new(there), registry.client()).await.unwrap();

    let others = [there_entry.clone(), gone.clone()];
    let index = Arc::new(Made::index(vec![Made::sized(3, &[1000])], &others));
    let pushed = push_one(&index, registry.client()).await.unwrap();
    assert_eq!((pushed.left_out, pushed.is_original), (vec![gone.clone()], false));
    let stored = registry.manifest("app", "v1").unwrap();
    assert_eq!(pushed.digest, of(&stored));
    let stored = Manifest::from_stored(stored).unwrap();
    assert_eq!(stored.children().len(), 2);
    assert!(stored.children().contains(&there_entry));

    let index = Arc::new(Made::index(Vec::new(), &[gone]));
    let error = push_one(&index, registry.client()).await.unwrap_err();
    assert!(matches!(error, Error::ChildMissing { .. }), "{}", told(&error));
}
