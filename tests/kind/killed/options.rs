//! The same of what `wharf up` does only where it is asked for: the rule for a plain `podman push`, and what
//! starts the registry after a reboot.

use std::fs;
use std::process::Command;

use super::{DOWN, make_cluster, on_nodes, state};
use crate::Run;
use crate::command;
use crate::ground::Ground;
use crate::host::{rule, unit, with_systemctl};
use crate::up::faults_told_by;
use crate::watched::{Call, Moment};

pub(super) fn trials() -> [(&'static str, Run); 1] {
    [("killed_around_podman_push_and_autostart_the_next_run_ends_the_same", around_both)]
}

/// A command in whose place for systemctl there is one of the test's own.
fn with_unit(ground: &Ground, mut command: Command) -> Command {
    with_systemctl(ground, &mut command);
    command
}

/// The state that `up` is to end in, with what the two options add.
fn state_with_both(ground: &Ground) -> [String; 3] {
    let rule = fs::read_to_string(rule(ground)).expect("the rule is there");
    let unit = fs::read_to_string(unit(ground)).expect("the unit is known");
    [state(ground, "dev"), rule, unit]
}

fn around_both(ground: &Ground) {
    make_cluster(ground, "dev");
    let up = || with_unit(ground, ground.up(["--name", "dev", "--podman-push", "--autostart"]));
    let doctor = || with_unit(ground, ground.wharf(["doctor", "--json"]));
    drop(up()); // which has the unit known
    let (before, nodes) = (ground.inventory(), on_nodes(ground, "dev"));
    let down = || {
        command::run(&mut with_unit(ground, ground.wharf(DOWN)));
        assert_eq!(on_nodes(ground, "dev"), nodes);
        before.assert_same(&ground.inventory(), &[]);
    };
    ground.forget_calls();
    command::run(&mut up());
    let calls = ground.changes();
    let whole = state_with_both(ground);
    assert_eq!(whole[2], "enabled\n");
    let is_enabling = |it: &Call| it.program == "systemctl";
    let enable = 1 + calls.iter().position(is_enabling).expect("a unit was enabled");
    down();
    // The unit is about to be enabled; it is enabled; and the rule is written.
    for (moment, is_ruled) in [
        (Moment::Before(enable), false),
        (Moment::After(enable), false),
        (Moment::Before(enable + 1), true),
    ] {
        let kill = || {
            assert!(ground.interrupt(&mut up(), moment).is_none(), "{moment:?}");
            assert_eq!(rule(ground).exists(), is_ruled, "{moment:?}");
        };
        kill();
        command::run(&mut up());
        assert_eq!(state_with_both(ground), whole, "{moment:?}");
        assert_eq!(faults_told_by(&mut doctor()), [""; 0], "{moment:?}");
        down();
        kill();
        down();
    }
}
