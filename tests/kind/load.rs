//! `wharf load`: onto every node, under the names that pods write, and no layer twice.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::Run;
use crate::command;
use crate::ground::{Ground, NODE_IMAGE};

pub(crate) fn trials() -> Vec<(&'static str, Run)> {
    vec![
        ("load_sends_a_node_what_it_lacks", load_sends_a_node_what_it_lacks),
        ("load_tells_of_every_node", load_tells_of_every_node),
    ]
}

const CLUSTER: &str = "loaded";

/// A cluster that knows nothing of a registry.
fn create(ground: &Ground, workers: usize) -> Vec<String> {
    let roles = format!("- role: control-plane\n{}", "- role: worker\n".repeat(workers));
    let configuration =
        format!("kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n{roles}");
    let mut create = ground.kind(["create", "cluster", "--name", CLUSTER, "--image", NODE_IMAGE]);
    command::feed(create.args(["--config", "-"]), configuration.as_bytes());
    ground.nodes(CLUSTER)
}

/// What `wharf load` says of each node.
fn load<const N: usize>(ground: &Ground, words: [&str; N]) -> Vec<Value> {
    let printed = command::run(ground.wharf(["load", "--json"]).args(words));
    let said: Value = serde_json::from_str(&printed).unwrap();
    said["nodes"].as_array().unwrap().clone()
}

/// The lengths of an image's manifest with its config, and of its layers, as Podman stores it.
fn lengths(ground: &Ground, image: &str) -> (u64, Vec<u64>) {
    let podman = |words: [&str; 4]| command::run(&mut ground.podman(words));
    let id = podman(["image", "inspect", "--format={{.Id}}", image]);
    let root = command::run(&mut ground.podman(["info", "--format={{.Store.GraphRoot}}"]));
    let manifest = fs::read(PathBuf::from(root).join("overlay-images").join(id).join("manifest"));
    let manifest = manifest.unwrap();
    let read: Value = serde_json::from_slice(&manifest).unwrap();
    let layers = read["layers"].as_array().unwrap().iter();
    let small = manifest.len() as u64 + read["config"]["size"].as_u64().unwrap();
    (small, layers.map(|layer| layer["size"].as_u64().unwrap()).collect())
}

/// What CRI knows an image by, and its names by digest.
fn inspected(ground: &Ground, node: &str, image: &str) -> (String, Vec<String>) {
    let said: Value =
        serde_json::from_str(&ground.on_node(node, &format!("crictl inspecti {image}"))).unwrap();
    let digests = said["status"]["repoDigests"].as_array().unwrap().iter();
    let digests = digests.map(|it| it.as_str().unwrap().to_owned()).collect();
    (said["status"]["id"].as_str().unwrap().to_owned(), digests)
}

fn load_sends_a_node_what_it_lacks(ground: &Ground) {
    let nodes = create(ground, 2);
    ground.build_greeter("localhost/greeter:1", "loaded");
    let (small, layers) = lengths(ground, "localhost/greeter:1");
    assert_eq!(layers.len(), 2, "the program, and the greeting above it");

    let said = load(ground, ["greeter:1"]);
    assert_eq!(said.len(), nodes.len());
    for node in &said {
        assert_eq!(node["sent_bytes"], small + layers.iter().sum::<u64>(), "{node}");
        assert_eq!((&node["sent_layers"], &node["unchanged"]), (&2.into(), &false.into()));
    }
    let name = ["image", "inspect", "--format={{.Id}}", "localhost/greeter:1"];
    let id = format!("sha256:{}", command::run(&mut ground.podman(name)));
    for node in &nodes {
        for name in ["docker.io/library/greeter:1", "localhost/greeter:1"] {
            let (found, digests) = inspected(ground, node, name);
            assert_eq!(found, id, "{name} on {node}");
            let (_, digest) = digests[0].split_once('@').unwrap();
            let by_digest = format!("docker.io/library/greeter@{digest}");
            assert!(digests.contains(&by_digest), "{digests:?}");
            assert_eq!(ground.greeting(node, name), "loaded");
        }
    }

    // Again: nothing.
    ground.forget_calls();
    for node in load(ground, ["greeter:1"]) {
        assert_eq!((&node["sent_bytes"], &node["unchanged"]), (&0.into(), &true.into()), "{node}");
    }
    assert_eq!(ground.changes(), []);

    a_changed_layer_goes_alone(ground, &nodes);
    what_was_discarded_is_not_sent_again(ground, &nodes);
    as_kind_loads_it(ground, &nodes, &id);
}

fn a_changed_layer_goes_alone(ground: &Ground, nodes: &[String]) {
    ground.build_greeter("localhost/greeter:2", "changed");
    let (small, layers) = lengths(ground, "localhost/greeter:2");
    for node in load(ground, ["greeter:2"]) {
        assert_eq!(node["sent_layers"], 1, "{node}");
        assert_eq!(node["sent_bytes"], small + layers[1], "{node}");
    }
    for node in nodes {
        assert_eq!(ground.greeting(node, "docker.io/library/greeter:2"), "changed");
        assert_eq!(ground.greeting(node, "docker.io/library/greeter:1"), "loaded");
    }
}

/// A layer whose blob is gone from a node, as after a pull on a node of Kind's, and of which only the
/// snapshot stands; then one of which nothing stands.
fn what_was_discarded_is_not_sent_again(ground: &Ground, nodes: &[String]) {
    let blobs = "ctr -n k8s.io content ls | awk '/containerd.io\\/uncompressed/ {print $1}'";
    ground.on_node(&nodes[0], &format!("ctr -n k8s.io content rm $({blobs})"));
    assert_eq!(ground.on_node(&nodes[0], blobs), "");
    ground.build_greeter("localhost/greeter:3", "upon a snapshot");
    for node in load(ground, ["greeter:3"]) {
        assert_eq!(node["sent_layers"], 1, "{node}");
    }
    for node in nodes {
        assert_eq!(ground.greeting(node, "docker.io/library/greeter:3"), "upon a snapshot");
    }

    // Nothing is left of them: what a node is asked for is what it has.
    ground.on_node(
        &nodes[0],
        "ctr -n k8s.io images ls -q | xargs ctr -n k8s.io images rm --sync >/dev/null",
    );
    let said = load(ground, ["greeter:3", "greeter:2"]);
    let of = |name: &str| said.iter().find(|node| node["node"] == name).unwrap();
    assert_eq!(of(&nodes[0])["sent_layers"], 3, "what both have is sent once");
    assert_eq!(of(&nodes[1])["unchanged"], true);
    assert_eq!(ground.greeting(&nodes[0], "localhost/greeter:2"), "changed");
}

/// The image that Kind brings by an archive is the same one.
fn as_kind_loads_it(ground: &Ground, nodes: &[String], id: &str) {
    let archive = ground.home().join("greeter.tar");
    command::run(&mut ground.podman(["tag", "localhost/greeter:1", "localhost/by-kind:1"]));
    let save = ["save", "--quiet", "--output"];
    command::run(ground.podman(save).arg(&archive).arg("localhost/by-kind:1"));
    command::run(ground.kind(["load", "image-archive", "--name", CLUSTER]).arg(&archive));
    for node in nodes {
        assert_eq!(inspected(ground, node, "localhost/by-kind:1").0, id);
    }
    // Out of that archive, too, and under any name.
    let archive = archive.to_str().unwrap();
    for node in load(ground, [archive, "--as", "ghcr.io/me/other:1"]) {
        assert_eq!(node["error"], Value::Null, "{node}");
    }
    for node in nodes {
        assert_eq!(inspected(ground, node, "ghcr.io/me/other:1").0, id);
    }
    fs::remove_file(archive).unwrap();
}

fn load_tells_of_every_node(ground: &Ground) {
    ground.build_greeter("localhost/greeter:1", "told");
    let nowhere = command::output(&mut ground.wharf(["load", "greeter:1"]));
    assert_eq!(nowhere.status.code(), Some(1));
    let words = command::words(&nowhere);
    assert!(words.contains("there is no cluster") && words.contains("`wharf up`"), "{words}");

    let nodes = create(ground, 1);
    let unknown = command::words(&command::output(&mut ground.wharf(["load", "greter:1"])));
    assert!(unknown.contains("greeter:1"), "its neighbour is named: {unknown}");
    let other = ["load", "greeter:1", "--name", "other"];
    let other = command::words(&command::output(&mut ground.wharf(other)));
    assert!(other.contains("no cluster called other") && other.contains(CLUSTER), "{other}");

    ground.forget_calls();
    let dry = command::output(&mut ground.wharf(["load", "greeter:1", "--dry-run"]));
    assert!(command::words(&dry).contains("would be sent"), "{}", command::words(&dry));
    assert_eq!(ground.changes(), []);

    // One that stands still is named, and the other has the image.
    command::run(&mut ground.podman(["stop", "--time=0", &nodes[1]]));
    let halved = command::output(&mut ground.wharf(["load", "greeter:1"]));
    assert_eq!(halved.status.code(), Some(1));
    let words = command::words(&halved);
    assert!(words.contains(&format!("not on {}: it is stopped", nodes[1])), "{words}");
    assert!(words.contains("`image: greeter:1`"), "{words}");
    assert_eq!(ground.greeting(&nodes[0], "docker.io/library/greeter:1"), "told");
}
