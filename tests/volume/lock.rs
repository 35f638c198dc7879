//! One process writes a volume.

use std::time::{Duration, Instant};

use crate::content::{Image, Shelf};
use crate::server;
use crate::volume::Volume;

#[test]
fn a_second_wharf_waits_10_s_and_exits_2_naming_the_holder() {
    let volume = Volume::new();
    let holder = volume.by_wharf();
    let begun = Instant::now();
    let (status, said) = server::start_wharf(&volume.root()).wait();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(begun.elapsed() >= Duration::from_secs(10), "gave up after {:?}", begun.elapsed());
    assert!(
        said.contains(&holder.server().id().to_string()),
        "no word of the holder's process:\n{said}"
    );
    assert_eq!(holder.api().get("").status, 200, "the holder serves on");
}

#[test]
fn a_second_wharf_takes_over_when_the_first_ends() {
    let volume = Volume::new();
    let mut shelf = Shelf::default();
    let first = volume.by_wharf();
    shelf.push(first.api(), "one", "1", &Image::oci("one"));
    let second = server::start_wharf(&volume.root());
    let (status, said) = first.stop();
    assert!(status.success(), "{said}");
    shelf.check(second.wait_until_ready().api(), "the second wharf");
}
