//! The road from a client's push to a program running on a node, with nothing of it simulated: Wharf in
//! its own container on Podman's `kind` network, images of a few hundred megabytes pushed by the clients
//! people use, and a real containerd that pulls them through `hosts.toml`, as a Kind node does.
//!
//! Everything lives in a Podman of the test's own, below one temporary folder, and is gone afterwards.
//! This is a program with a `main` so that the costly stage is set once and always struck, whatever
//! became of the tests. It refuses to test what a request alone can show: that is `tests/it`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test says what went wrong by panicking, and tells a person what it waits for"
)]

mod client;
mod cluster;
#[path = "../stage/command.rs"]
mod command;
#[path = "../stage/containerd.rs"]
mod containerd;
#[path = "../stage/containerfile.rs"]
mod containerfile;
mod image;
mod ingest;
#[path = "../stage/machine.rs"]
mod machine;
mod node;
#[path = "../stage/podman.rs"]
mod podman;
mod registry;
mod tree;
mod trials;

use std::path::Path;
use std::sync::{Arc, LazyLock};

use libtest_mimic::{Arguments, Trial};

use crate::cluster::Cluster;
use crate::machine::Missing;

const PROGRAMS: [&str; 10] = [
    "podman",
    "buildah",
    "runc",
    "iptables",
    "debootstrap",
    "docker-registry",
    "skopeo",
    "crane",
    "oras",
    "regctl",
];

fn main() {
    let mut arguments = Arguments::from_args();
    // One at a time unless asked otherwise: a push of hundreds of megabytes is busy enough.
    arguments.test_threads.get_or_insert(1);

    if let Err(Missing(what)) = machine::check(&PROGRAMS) {
        assert!(!machine::is_ci(), "the cluster tests need {what}");
        eprintln!("cluster tests left out: they need {what}");
        return;
    }

    // Podman names its DNS files by network alone, whatever its root folder: two `kind`s would be one.
    if Path::new("/run/containers/networks/aardvark-dns/kind").exists() {
        assert!(!machine::is_ci(), "a network `kind` is in use on this machine");
        eprintln!("cluster tests left out: a network `kind` is in use on this machine");
        return;
    }

    // Set up by the first test that runs, so that `--list` and a filter that matches nothing cost nothing.
    let cluster = Arc::new(LazyLock::new(Cluster::start as fn() -> Cluster));
    let trials = trials::all()
        .into_iter()
        .map(|(name, run)| {
            let cluster = Arc::clone(&cluster);
            Trial::test(name, move || {
                run(&cluster);
                Ok(())
            })
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // `exit` runs no destructors.
    drop(cluster);
    conclusion.exit()
}
