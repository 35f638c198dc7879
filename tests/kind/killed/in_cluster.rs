//! The same of a registry inside the cluster.

use super::{DOWN, on_nodes, state};
use crate::Run;
use crate::command;
use crate::ground::{Ground, NODE_IMAGE};
use crate::up::{NOT_OURS, but_for, faults};
use crate::watched::Moment;

pub(crate) fn trials() -> Vec<(&'static str, Run)> {
    vec![
        ("inside_killed_at_any_step_the_next_run_ends_the_same", at_any_step),
        ("inside_killed_while_kind_works_the_next_run_ends_the_same", while_kind_works),
    ]
}

/// A cluster of the user's own, with a port of the host that leads to a registry in it.
fn make_cluster(ground: &Ground, name: &str) {
    let configuration = format!(
        "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n- role: control-plane\n  \
         extraPortMappings:\n  - {{listenAddress: 127.0.0.1, hostPort: {}, containerPort: 30500}}\n",
        ground.port()
    );
    let mut create = ground.kind(["create", "cluster", "--name", name, "--image", NODE_IMAGE]);
    command::feed(create.args(["--config", "-"]), configuration.as_bytes());
}

fn at_any_step(ground: &Ground) {
    make_cluster(ground, "dev");
    let (before, nodes) = (ground.inventory(), on_nodes(ground, "dev"));
    let down = |step| {
        command::run(&mut ground.wharf(DOWN));
        assert_eq!(on_nodes(ground, "dev"), nodes, "after step {step}");
        before.assert_same(&ground.inventory(), &[]);
    };
    let up = || ground.up(["--name", "dev", "--in-cluster"]);
    command::run(&mut up());
    let whole = state(ground, "dev");
    for part in ["local-registry-hosting", "config_path", "kind-registry-data", "readyReplicas"] {
        assert!(whole.contains(part), "no {part} in {whole}");
    }
    down(0);
    // Every step would take minutes. These are in the middle of each thing that is made, and of the proof;
    // every other run is gone on with first.
    for step in (2..).step_by(2) {
        if let Some(ended) = ground.interrupt(&mut up(), Moment::After(step)) {
            assert!(ended.status.success(), "{}", command::words(&ended));
            assert!(step > 8, "only {step} steps were there to be killed at");
            break;
        }
        if step % 4 == 0 {
            let again = command::output(&mut up());
            assert!(again.status.success(), "after step {step}: {}", command::words(&again));
            assert_eq!(state(ground, "dev"), whole, "after step {step}");
            assert_eq!(faults(ground), [""; 0], "after step {step}");
        }
        down(step);
    }
    assert_eq!(state(ground, "dev"), whole);
}

fn while_kind_works(ground: &Ground) {
    let before = ground.inventory();
    let inside = || ground.up(["--name", "dev", "--in-cluster"]);
    command::run(&mut inside());
    let whole = state(ground, "dev");
    let calls = ground.changes();
    let begin = 1 + calls.iter().position(|it| it.program == "kind").expect("kind was called");
    let down = || command::run(&mut ground.wharf(["down", "--delete-cluster", "--data"]));
    // Kind has made the node's volume; the node, too, in which nothing has been set up. What was begun inside
    // a cluster is gone on with there, asked for again or not.
    for (made, nodes, next) in [(1, 0, &["--in-cluster"][..]), (2, 1, &[])] {
        let kill = || {
            down();
            but_for(&before, &ground.inventory(), &[], &NOT_OURS);
            let ended = ground.interrupt(&mut inside(), Moment::After(begin + made));
            assert!(ended.is_none(), "kind made no more than {begin} changes");
            assert_eq!(ground.nodes("dev").len(), nodes);
        };
        kill();
        command::run(ground.up(["--name", "dev"]).args(next));
        assert_eq!(state(ground, "dev"), whole, "after {made}");
        assert_eq!(faults(ground), [""; 0], "after {made}");
        kill();
    }
    down();
    but_for(&before, &ground.inventory(), &[], &NOT_OURS);
}
