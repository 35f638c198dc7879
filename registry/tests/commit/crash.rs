//! The process is aborted at each step of a push; the next start must serve the old state or the
//! new one, everything that was acknowledged, and the client's retry must succeed.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Stdio};

use wharf_oci::{Digest, Reference, RepositoryName, Tag};
use wharf_registry::{Config, Registry, failpoint};

use crate::image::{Image, read};

/// Says to the child which step to die at, the how many-th time, and on which volume.
const ORDERS: &str = "WHARF_TEST_CRASH";

#[test]
fn every_step_of_a_push_leaves_the_old_state_or_the_new() {
    if let Ok(orders) = std::env::var(ORDERS) {
        return die(&orders);
    }
    let mut died = HashSet::new();
    for step in failpoint::STEPS {
        // A push comes to each step several times: once for each blob, link and tag.
        for nth in 1..=6 {
            let volume = tempfile::tempdir().unwrap();
            if let Some(acknowledged) = crash(volume.path(), step, nth) {
                died.insert(*step);
                inspect(volume.path(), &acknowledged);
            }
        }
    }
    assert_eq!(died.len(), failpoint::STEPS.len(), "a push came only to {died:?}");
}

/// Runs the child; gives what it acknowledged, or `None` if the push never came to the step.
fn crash(volume: &Path, step: &str, nth: usize) -> Option<Vec<Digest>> {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::every_step_of_a_push_leaves_the_old_state_or_the_new"])
        .arg("--nocapture")
        .env(ORDERS, format!("{step} {nth} {}", volume.display()))
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(child.stdout).unwrap();
    let acknowledged =
        text.lines().filter_map(|line| line.strip_prefix("ACK ")?.parse().ok()).collect();
    (!child.status.success()).then_some(acknowledged)
}

/// The child: pushes one image in peace and a second one to its death.
#[tokio::main]
async fn die(orders: &str) {
    let mut orders = orders.splitn(3, ' ');
    let mut next = || orders.next().unwrap();
    let (step, nth, volume) = (next(), next().parse().unwrap(), next());
    let registry = Registry::open(&Config::new(volume)).unwrap();
    let acknowledge = |digest: &Digest| println!("ACK {digest}");
    Image::named("old").push(&registry, &name(), &tag(), acknowledge).await.unwrap();
    failpoint::abort_at(step, nth);
    Image::named("new").push(&registry, &name(), &tag(), acknowledge).await.unwrap();
}

#[tokio::main]
async fn inspect(volume: &Path, acknowledged: &[Digest]) {
    let registry = Registry::open(&Config::new(volume)).unwrap();
    let (old, new) = (Image::named("old"), Image::named("new"));
    let served = registry.manifest(&name(), &Reference::Tag(tag())).await.unwrap();
    let current = if served.digest == old.digest() { &old } else { &new };
    current.assert_readable(&registry, &name(), &tag()).await;
    for digest in acknowledged {
        let is_manifest = registry.manifest(&name(), &Reference::Digest(*digest)).await.is_ok();
        assert!(is_manifest || read(&registry, &name(), digest).await.is_some(), "lost {digest}");
    }
    if acknowledged.contains(&new.digest()) {
        assert_eq!(served.digest, new.digest(), "the tag moved back");
    }
    new.push(&registry, &name(), &tag(), |_| {}).await.unwrap();
    new.assert_readable(&registry, &name(), &tag()).await;
}

fn name() -> RepositoryName {
    "crash/test".parse().unwrap()
}

fn tag() -> Tag {
    "latest".parse().unwrap()
}
