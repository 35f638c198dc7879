//! The setup with nothing of it simulated: the real `kind` makes clusters of real containerds under
//! Podman, and the program under test wires them. In the place of Kubernetes the node image has small
//! programs that do no more than Kind asks of them: a pod is a pull by the kubelet's call, and a run.
//!
//! Everything lives in a Podman and a home folder of the test's own, below one temporary folder, and is
//! gone afterwards. It refuses to test what needs no cluster: that is `tests/it` and the units.
//!
//! A trial is a function of the [`Ground`], in a file of its subject, whose `trials()` stand in one of the
//! shares below. The shares run side by side, each on a part of the machine of its own ([`apart`]); the
//! trials of a share run one at a time, each on a clean ground, which is cleaned whatever became of the last.
//! Those whose names begin with [`faults::SHARED`] share what stands, as long as none of them fails.
//!
//! ```ignore
//! pub(crate) fn trials() -> Vec<(&'static str, Run)> {
//!     vec![("up_twice_changes_nothing", up_twice_changes_nothing)]
//! }
//!
//! fn up_twice_changes_nothing(ground: &Ground) {
//!     command::run(&mut ground.up(["--name", "demo", "--workers", "2"]));
//!     let before = ground.inventory();
//!     ground.forget_calls();
//!     command::run(&mut ground.up(["--name", "demo", "--workers", "2"]));
//!     assert_eq!(ground.changes(), []);
//!     before.assert_same(&ground.inventory(), &[]);
//!     for node in ground.nodes("demo") {
//!         ground.pull(&node, "kind-registry:5000/greeter:1").unwrap();
//!         assert_eq!(ground.greeting(&node, "kind-registry:5000/greeter:1"), "hello");
//!     }
//! }
//! ```
//!
//! What there is for it:
//! - commands as a user types them: [`Ground::wharf`], [`Ground::up`], [`Ground::kind`],
//!   [`Ground::command`]; [`Ground::hide`] takes podman, kind or kubectl off a command's PATH. Other
//!   engines are never on it, and [`Ground::show`] puts a program of the test's own there.
//!   [`command::run`] has one succeed, [`command::output`] does not mind;
//! - the test's own hands: [`Ground::podman`], [`Ground::on_node`] (bash on a node), [`Ground::home`],
//!   [`Ground::build_greeter`] (a small image whose program prints a text);
//! - nodes: [`Ground::nodes`], [`Ground::pull`] and [`Ground::greeting`] by the kubelet's calls, more of
//!   them at [`Ground::containerd`]. `kubectl` on a node keeps objects in `/kind/objects`;
//! - what was done: [`Ground::calls`] and [`Ground::changes`] are the calls of podman, kind and kubectl,
//!   [`Ground::inventory`] is what there is, and [`inventory::Inventory::assert_same`] compares two;
//! - faults: [`Ground::interrupt`] kills a command, with all that it started, before or after its N-th
//!   call that changes something ([`watched::Moment`]).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test says what went wrong by panicking, and tells a person what it waits for"
)]

mod apart;
mod bench;
#[path = "../stage/command.rs"]
mod command;
#[path = "../stage/containerd.rs"]
mod containerd;
#[path = "../stage/containerfile.rs"]
mod containerfile;
mod faults;
mod first_run;
mod fixture;
mod ground;
mod host;
mod in_cluster;
mod ingest;
mod inventory;
mod killed;
mod load;
#[path = "../stage/machine.rs"]
mod machine;
mod nodes;
#[path = "../stage/podman.rs"]
mod podman;
mod registry;
mod up;
mod watched;

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use libtest_mimic::{Arguments, Trial};

use crate::ground::Ground;
use crate::machine::Missing;

/// What a trial does.
type Run = fn(&Ground);

/// Every trial with its name, in shares that take about the same time: most of it is waiting.
fn shares() -> Vec<Vec<(&'static str, Run)>> {
    let mut faults = faults::trials();
    let more_faults = faults.split_off(faults.len() / 2);
    vec![
        [faults, fixture::trials(), host::trials(), killed::in_cluster::trials()].concat(),
        [more_faults, load::trials(), killed::more_trials()].concat(),
        [up::trials(), killed::trials()].concat(),
        [
            bench::trials(),
            first_run::trials(),
            in_cluster::trials(),
            ingest::trials(),
            nodes::trials(),
            registry::trials(),
        ]
        .concat(),
    ]
}

const PROGRAMS: [&str; 11] = [
    "ip",
    "unshare",
    "podman",
    "runc",
    "iptables",
    "debootstrap",
    "flock",
    "curl",
    "kind",
    "kubectl",
    "docker-registry",
];

fn main() {
    let mut arguments = Arguments::from_args();
    // A share has one machine.
    arguments.test_threads = Some(1);

    if let Err(Missing(what)) = machine::check(&PROGRAMS) {
        assert!(!machine::is_ci(), "the tests with kind need {what}");
        eprintln!("tests with kind left out: they need {what}");
        return;
    }

    let mut shares = shares();
    let trials = match apart::share() {
        Some(share) => {
            apart::answer_names();
            shares.swap_remove(share)
        }
        None if arguments.list => shares.concat(),
        None => {
            containerfile::archive(); // while there is a network outside
            let went_well = apart::run(shares.len());
            std::process::exit(if went_well { 0 } else { 101 });
        }
    };
    run(&arguments, trials)
}

/// Runs trials one after the other, each on a clean ground, and exits.
fn run(arguments: &Arguments, trials: Vec<(&'static str, Run)>) -> ! {
    // Laid by the first test that runs, so that `--list` and a filter that matches nothing cost nothing.
    let ground = Arc::new(LazyLock::new(Ground::start as fn() -> Ground));
    let is_kept = Arc::new(AtomicBool::new(false));
    let trials = trials
        .into_iter()
        .map(|(name, run)| {
            let (ground, is_kept) = (Arc::clone(&ground), Arc::clone(&is_kept));
            Trial::test(name, move || {
                let is_shared = name.starts_with(faults::SHARED);
                if is_kept.swap(is_shared, Ordering::Relaxed) && !is_shared {
                    ground.clean();
                }
                let ended = panic::catch_unwind(AssertUnwindSafe(|| run(&ground)));
                if ended.is_err() {
                    ground.tell();
                }
                if !is_shared || ended.is_err() {
                    ground.clean();
                }
                ended.unwrap_or_else(|panicked| panic::resume_unwind(panicked));
                Ok(())
            })
        })
        .collect();
    let conclusion = libtest_mimic::run(arguments, trials);
    // `exit` runs no destructors.
    drop(ground);
    conclusion.exit()
}
