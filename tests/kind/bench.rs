//! `wharf bench` where it measures what only a cluster has: the time until a node has a changed layer, and
//! what a registry in a container costs.

use serde_json::Value;

use crate::Run;
use crate::command;
use crate::ground::Ground;

pub(crate) fn trials() -> Vec<(&'static str, Run)> {
    vec![
        ("a_loop_ends_on_a_node", a_loop_ends_on_a_node),
        ("a_node_has_no_more_time_than_a_measurement", a_node_has_no_more_time_than_a_measurement),
    ]
}

fn a_loop_ends_on_a_node(ground: &Ground) {
    command::run(&mut ground.up([]));
    let node = ground.nodes("mcp-cluster").remove(0);
    let images = || ground.on_node(&node, "crictl images");
    let before = images();
    let registry = format!("localhost:{}", ground.port());
    let mut bench = ground.wharf(["bench", "loop", "--json", "--rounds", "2"]);
    bench.args(["--layer-size", "1MiB", "--image-size", "4MiB", "--registry", &registry]);
    bench.args(["--node", &node, "--server-container", "kind-registry"]);
    let output = command::output(&mut bench);
    assert!(output.status.success(), "{}", command::words(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let measured = document["measurements"].as_array().unwrap();
    assert_eq!(measured.len(), 2, "{document}");
    for round in measured {
        let number =
            |field: &str| round[field].as_f64().unwrap_or_else(|| panic!("{field}: {round}"));
        assert!(number("push_seconds") > 0.0 && number("pull_seconds") > 0.0, "{round}");
        // The registry's own, seen from outside its container.
        assert!(number("cpu_seconds") >= 0.0 && number("private_bytes_max") > 0.0, "{round}");
    }
    assert_eq!(images(), before, "an image stays on the node");
    let mut list = ground.wharf(["ls", "--json", "--registry", &registry]);
    let left = command::run(&mut list);
    assert!(!left.contains("wharf-bench"), "{left}");
}

fn a_node_has_no_more_time_than_a_measurement(ground: &Ground) {
    command::run(&mut ground.up([]));
    let node = ground.nodes("mcp-cluster").remove(0);
    let registry = format!("localhost:{}", ground.port());
    ground.on_node(&node, "pkill -STOP -x containerd");
    let mut bench = ground.wharf(["bench", "loop", "--rounds", "1", "--layer-size", "1MiB"]);
    bench.args(["--image-size", "4MiB", "--registry", &registry, "--node", &node]);
    // Less than the time after which crictl itself gives up.
    let output = command::output(bench.args(["--seconds-max", "1.5"]));
    ground.on_node(&node, "pkill -CONT -x containerd");
    let words = command::words(&output);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(
        words.contains(&format!("{node}: a push or a pull did not end within 1.5 s")),
        "{words}"
    );
    assert!(words.contains("--seconds-max"), "{words}");
}
