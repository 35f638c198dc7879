//! `wharf up` and `wharf down`, killed with everything that they started: the next run ends as if nothing
//! had happened, whichever of the two it is.

pub(crate) mod in_cluster;
mod options;

use serde_json::Value;

use crate::Run;
use crate::command;
use crate::ground::{Ground, NODE_IMAGE};
use crate::up::{NOT_OURS, but_for, faults, push, runs_everywhere};
use crate::watched::{Call, Moment};

pub(crate) fn trials() -> Vec<(&'static str, Run)> {
    vec![
        ("killed_at_any_step_the_next_run_ends_the_same", up_at_any_step),
        ("killed_while_kind_works_the_next_run_ends_the_same", up_while_kind_works),
        ("down_takes_away_what_a_killed_up_made", down_after_a_killed_up),
        ("down_killed_at_every_change_is_completed", down_at_every_change),
    ]
}

/// Those that another share has: one would take too long for all.
pub(crate) fn more_trials() -> Vec<(&'static str, Run)> {
    let on_the_way: (&'static str, Run) =
        ("killed_on_the_way_of_a_text_the_next_run_ends_the_same", up_on_the_way_of_a_text);
    [&[on_the_way][..], &options::trials()].concat()
}

/// The state that `up` is to end in, without what differs from run to run.
fn state(ground: &Ground, cluster: &str) -> String {
    let mut status: Value =
        serde_json::from_str(&command::run(&mut ground.wharf(["status", "--json"]))).unwrap();
    status["registry"]["usage"] = Value::Null;
    let registry = ground.registry();
    let holds = ["ls", "--json", "--registry", &registry];
    status.to_string() + &command::run(&mut ground.wharf(holds)) + &on_nodes(ground, cluster)
}

/// What a setup may leave on the nodes of a cluster: files, objects, wharf's own image and that of a proof.
fn on_nodes(ground: &Ground, cluster: &str) -> String {
    const LOOK: &str = "set -eo pipefail
        for folder in /etc/containerd /etc/systemd/system/containerd.service.d \
            /kind/objects/kube-public /kind/objects/default/namespace /kind/objects/wharf; do
            [ ! -e $folder ] || find $folder -type f | sort | xargs -r tail -v -n +1
        done
        crictl images | sed -n /wharf/p";
    let nodes = ground.nodes(cluster).into_iter();
    nodes.map(|node| format!("{node}:\n{}\n", ground.on_node(&node, LOOK))).collect()
}

/// A cluster of the user's own.
fn make_cluster(ground: &Ground, name: &str) {
    let create = ["create", "cluster", "--name", name, "--image", NODE_IMAGE];
    command::run(&mut ground.kind(create));
}

fn up_at_any_step(ground: &Ground) {
    // Kind's own steps are the next trial's.
    make_cluster(ground, "dev");
    let options = ["--name", "dev"];
    command::run(&mut ground.up(options));
    let whole = state(ground, "dev");
    assert!(whole.contains("local-registry-hosting") && whole.contains("config_path"), "{whole}");
    assert!(!whole.contains("wharf-probe"), "{whole}");
    for step in 1.. {
        command::run(&mut ground.wharf(["down", "--data", "--image"]));
        let Some(ended) = ground.interrupt(&mut ground.up(options), Moment::After(step)) else {
            let again = command::output(&mut ground.up(options));
            assert!(again.status.success(), "after step {step}: {}", command::words(&again));
            assert_eq!(state(ground, "dev"), whole, "after step {step}");
            assert_eq!(faults(ground), [""; 0], "after step {step}");
            continue;
        };
        assert!(ended.status.success(), "{}", command::words(&ended));
        assert!(step > 8, "only {step} steps were there to be killed at");
        break;
    }
    // A later run has the port without being told.
    command::run(&mut ground.wharf(["up"]));
    assert_eq!(state(ground, "dev"), whole);
    push(ground, "after:1", "after it all", "stream");
    runs_everywhere(ground, "dev", "after:1", "after it all");
}

fn up_while_kind_works(ground: &Ground) {
    let before = ground.inventory();
    let options = ["--name", "dev", "--workers", "1", "--no-ingest"];
    command::run(&mut ground.up(options));
    let whole = state(ground, "dev");
    let calls = ground.changes();
    let begin = 1 + calls.iter().position(|it| it.program == "kind").expect("kind was called");
    let kill = |step| {
        let ended = ground.interrupt(&mut ground.up(options), Moment::Before(step));
        assert!(ended.is_none(), "step {step} is not in the middle");
    };
    // In the middle of its work: the first node stands, it is being set up, it is about to join.
    for step in [begin + 2, begin + 6, begin + 12] {
        command::run(&mut ground.wharf(["down", "--delete-cluster"]));
        kill(step);
        command::run(&mut ground.up(options));
        assert_eq!(state(ground, "dev"), whole, "after step {step}");
        assert_eq!(ground.nodes("dev").len(), 2, "after step {step}");
        assert_eq!(faults(ground), [""; 0], "after step {step}");
    }
    let down = ["down", "--delete-cluster", "--data", "--image"];
    command::run(&mut ground.wharf(down));
    kill(begin + 6);
    command::run(&mut ground.wharf(down));
    but_for(&before, &ground.inventory(), &[], &NOT_OURS);
}

fn up_on_the_way_of_a_text(ground: &Ground) {
    make_cluster(ground, "dev");
    let nodes = on_nodes(ground, "dev");
    let options = ["--name", "dev"];
    ground.forget_calls();
    command::run(&mut ground.up(options));
    let changes = ground.changes();
    let whole = state(ground, "dev");
    let is_fed =
        |it: &Call| it.caller == "wharf" && it.arguments.starts_with(&FED.map(str::to_owned));
    let mut fed: Vec<_> = (1..).zip(&changes).filter(|(_, it)| is_fed(it)).collect();
    // One of those that differ in nothing but a name.
    fed.dedup_by(|(_, one), (_, other)| one.arguments.get(5) == other.arguments.get(5));
    assert!(fed.len() > 2, "{fed:#?}");
    let down = |call: &Call| {
        command::run(&mut ground.wharf(DOWN));
        assert_eq!(on_nodes(ground, "dev"), nodes, "{call}");
    };
    for (step, call) in fed {
        let kill =
            || assert!(ground.interrupt(&mut ground.up(options), Moment::Unfed(step)).is_none());
        down(call);
        kill();
        command::run(&mut ground.up(options));
        assert_eq!(state(ground, "dev"), whole, "{call}");
        down(call);
        kill();
    }
    command::run(&mut ground.wharf(DOWN));
    assert_eq!(on_nodes(ground, "dev"), nodes);
}

/// How a call on a node begins that reads a text.
const FED: [&str; 2] = ["exec", "-i"];

/// Everything goes but clusters.
const DOWN: [&str; 3] = ["down", "--data", "--image"];

fn down_after_a_killed_up(ground: &Ground) {
    make_cluster(ground, "dev");
    let (before, nodes) = (ground.inventory(), on_nodes(ground, "dev"));
    command::run(&mut ground.up([]));
    let steps = ground.changes().iter().filter(|it| it.caller == "wharf").count();
    assert_ne!(on_nodes(ground, "dev"), nodes);
    command::run(&mut ground.wharf(DOWN));
    // Every step would take minutes. These are in the middle of each thing that is made, and of the proof.
    for step in (3..=steps).step_by(3) {
        let ended = ground.interrupt(&mut ground.up([]), Moment::After(step));
        assert!(ended.is_none(), "there is no step {step}");
        command::run(&mut ground.wharf(DOWN));
        assert_eq!(on_nodes(ground, "dev"), nodes, "after step {step}");
        before.assert_same(&ground.inventory(), &[]);
    }
}

fn down_at_every_change(ground: &Ground) {
    make_cluster(ground, "dev");
    let (before, nodes) = (ground.inventory(), on_nodes(ground, "dev"));
    command::run(&mut ground.up([]));
    // Each run is killed at its first change; at its second where the first is the one that the last run
    // was killed at, too: what may be half done is done again.
    let mut killed_at = Vec::new();
    let mut number = 1;
    let ended = loop {
        let down = ground.interrupt(&mut ground.wharf(DOWN), Moment::After(number));
        if let Some(ended) = down {
            break ended;
        }
        let change = ground.changes().pop();
        number = if killed_at.last() == Some(&change) { 2 } else { 1 };
        killed_at.push(change);
        assert!(killed_at.len() < 30, "no run gets on: {killed_at:#?}");
    };
    assert!(ended.status.success(), "{}", command::words(&ended));
    killed_at.dedup();
    assert!(killed_at.len() > 5, "few changes were there to be killed at: {killed_at:#?}");
    assert_eq!(on_nodes(ground, "dev"), nodes);
    before.assert_same(&ground.inventory(), &[]);
}
