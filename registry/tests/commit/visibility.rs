//! What is in commit reads as before: nothing is visible before it is durable.

use std::sync::Mutex;

use bytes::Bytes;
use wharf_oci::{Algorithm, Digest, Page, Reference, RepositoryName, Tag};
use wharf_registry::{Config, Registry, failpoint};

use crate::image::{Image, push_blob, read};

/// A failpoint is the whole process's: one of these tests at a time.
static ONE: Mutex<()> = Mutex::new(());

#[test]
fn a_blob_in_commit_is_absent_to_everybody() {
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for step in ["blob.renamed", "links.renamed"] {
        let volume = tempfile::tempdir().unwrap();
        let registry = Registry::open(&Config::new(volume.path())).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let blob = Bytes::from_static(b"not there yet");
        let digest = Digest::of(Algorithm::Sha256, &blob);

        let held = failpoint::hold_at(step, 1);
        let pushing = {
            let (registry, blob) = (registry.clone(), blob.clone());
            runtime.spawn(async move { push_blob(&registry, &name(), &blob).await })
        };
        held.wait();
        runtime.block_on(async {
            assert_eq!(read(&registry, &name(), &digest).await, None, "at {step}");
            assert!(registry.blob_size(&name(), &digest).await.is_err(), "at {step}");
            let elsewhere = "another/repository".parse().unwrap();
            if step == "blob.renamed" {
                let mounted = registry.mount_blob(&elsewhere, &digest, None).await.unwrap();
                assert!(!mounted, "mounted what could still be lost");
            }
            drop(held);
            pushing.await.unwrap().unwrap();
            assert_eq!(read(&registry, &name(), &digest).await, Some(blob));
        });
    }
}

#[test]
fn a_tag_in_commit_points_where_it_did() {
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let volume = tempfile::tempdir().unwrap();
    let registry = Registry::open(&Config::new(volume.path())).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (old, new) = (Image::named("old"), Image::named("new"));
    runtime.block_on(old.push(&registry, &name(), &tag("v1"), |_| {})).unwrap();
    // The second image is all there, under another tag: only the tag is left to move.
    runtime.block_on(new.push(&registry, &name(), &tag("v2"), |_| {})).unwrap();

    // A registry that has nothing in its cache, as after a start, reads the link on disk.
    drop(registry);
    let registry = Registry::open(&Config::new(volume.path())).unwrap();
    // The first links to be placed are the revision's, which are there already; then the tag's.
    let held = failpoint::hold_at("links.renamed", 2);
    let moving = {
        let (registry, manifest) = (registry.clone(), new.manifest.clone());
        let reference = Reference::Tag(tag("v1"));
        runtime.spawn(async move {
            registry.put_manifest(&name(), &reference, &[], None, manifest).await
        })
    };
    held.wait();
    let listed = runtime.block_on(registry.tags(&name(), &Page::default())).unwrap();
    assert_eq!(listed.items, [tag("v1"), tag("v2")]);
    drop(held);
    runtime.block_on(moving).unwrap().unwrap();
    runtime.block_on(new.assert_readable(&registry, &name(), &tag("v1")));
}

fn name() -> RepositoryName {
    "visibility/test".parse().unwrap()
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}
