//! `wharf bench` where it measures what only a cluster has: the time until a node has a changed layer, and
//! what a registry in a container costs.

use serde_json::Value;

use crate::Run;
use crate::command;
use crate::ground::Ground;

pub(crate) fn trials() -> Vec<(&'static str, Run)> {
    vec![("a_loop_ends_on_a_node", a_loop_ends_on_a_node)]
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
