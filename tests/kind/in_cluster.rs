//! The registry inside the cluster. In the place of a kubelet and a kube-proxy the nodes have small programs:
//! when the Deployment is applied, they run the image that was loaded, by the node's real containerd, as the
//! Deployment says, and have the Service's port of every node lead to it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::Run;
use crate::command;
use crate::ground::{Ground, NODE_IMAGE};

pub(crate) fn trials() -> Vec<(&'static str, Run)> {
    vec![
        ("a_registry_inside_the_cluster", a_registry_inside_the_cluster),
        ("in_a_cluster_without_its_port_only_nodes_find_it", without_its_port),
        ("objects_of_the_users_are_left_alone", objects_of_the_users_are_left_alone),
    ]
}

const CLUSTER: &str = "inside";
/// Where the stage's kubectl keeps the objects of the registry.
const OBJECTS: &str = "/kind/objects/wharf";

/// An object that was applied.
fn object(ground: &Ground, head: &str, kind: &str, name: &str) -> Option<Value> {
    let text = ground.on_node(head, &format!("cat {OBJECTS}/{kind}/{name} 2>/dev/null; true"));
    serde_json::from_str(&text).ok()
}

/// `wharf up --in-cluster`; gives everything it said.
fn up(ground: &Ground) -> String {
    let up = ["--in-cluster", "--name", CLUSTER, "--workers", "1"];
    let output = command::output(&mut ground.up(up));
    let words = command::words(&output);
    assert!(output.status.success(), "{words}");
    words
}

/// Builds an image, pushes it, and forgets it.
fn push(ground: &Ground, registry: &str) {
    ground.build_greeter("localhost/insider:1", "from inside");
    command::run(&mut ground.wharf(["push", "--registry", registry, "insider:1"]));
    command::run(&mut ground.podman(["rmi", "localhost/insider:1"]));
}

/// Pulls and runs an image on every node, by a registry's name.
fn runs_everywhere(ground: &Ground, registry: &str) {
    for node in ground.nodes(CLUSTER) {
        let image = format!("{registry}/insider:1");
        ground.pull(&node, &image).unwrap_or_else(|status| panic!("{node}: {image}: {status:?}"));
        assert_eq!(ground.greeting(&node, &image), "from inside");
        ground.containerd(&node).remove(&image);
    }
}

fn a_registry_inside_the_cluster(ground: &Ground) {
    let before = ground.inventory();
    let port = ground.port().to_string();
    let print = ["up", "--in-cluster", "--print", "--port", &port];
    let printed = command::run(&mut ground.wharf(print));
    assert!(printed.contains("enableServiceLinks: false"), "{printed}");
    before.assert_same(&ground.inventory(), &[]);

    let words = up(ground);
    assert!(words.contains("in the cluster inside"), "{words}");
    let head = format!("{CLUSTER}-control-plane");
    let kinds = ground.on_node(&head, &format!("ls {OBJECTS}"));
    let kinds: BTreeSet<_> = kinds.lines().collect();
    assert_eq!(kinds, BTreeSet::from(["deployment", "persistentvolumeclaim", "service"]));
    assert!(printed.contains("nodePort: 30500"));
    let image = object(ground, &head, "deployment", "kind-registry").unwrap();
    let image = image["spec"]["template"]["spec"]["containers"][0]["image"].to_string();
    assert!(printed.contains(image.trim_matches('"')), "{image}");
    let containers = ground.podman(["ps", "--format", "{{.Names}}"]).args(["--all"]).output();
    let containers = String::from_utf8(containers.unwrap().stdout).unwrap();
    assert!(!containers.lines().any(|name| name == "kind-registry"), "{containers}");

    // From the host, by the port that leads into the control plane, to every node.
    let registry = ground.registry();
    push(ground, &registry);
    for name in ["kind-registry:5000", &registry, "localhost:30500"] {
        runs_everywhere(ground, name);
    }

    is_well(ground);
    for (kind, name) in
        [("service", "kind-registry"), ("persistentvolumeclaim", "kind-registry-data")]
    {
        is_mended_without(ground, &head, kind, name);
    }

    ground.forget_calls();
    let again = command::run(&mut ground.up([]));
    assert_eq!(ground.changes(), [], "{again}");

    command::run(&mut ground.wharf(["down"]));
    let left = ground.on_node(&head, &format!("find {OBJECTS} -type f"));
    assert_eq!(left, format!("{OBJECTS}/persistentvolumeclaim/kind-registry-data"));
    for node in ground.nodes(CLUSTER) {
        assert_eq!(ground.on_node(&node, "find /etc/containerd/certs.d -name hosts.toml"), "");
    }
    command::run(&mut ground.wharf(["down", "--data", "--delete-cluster"]));
    // What the push remembers, and the file that Kind empties and leaves.
    let but = ["+ file .cache/wharf/digests", "+ file .kube/config"];
    before.assert_same(&ground.inventory(), &but);
}

/// What `status` and `doctor` say of what stands.
fn is_well(ground: &Ground) {
    let status = command::run(&mut ground.wharf(["--json", "status"]));
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["registry"], Value::Null, "{status}");
    assert_eq!(status["in_cluster"]["cluster"], CLUSTER, "{status}");
    assert_eq!(status["in_cluster"]["host"], ground.registry(), "{status}");
    assert_eq!(status["in_cluster"]["pods"], "kind-registry:5000", "{status}");
    let nodes = status["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 2, "{status}");
    assert!(nodes.iter().all(|node| node["wired"] == true), "{status}");

    let (code, words) = doctor(ground, &["--pull"]);
    assert!(code == Some(0) && words.contains("has the registry in it, which is ready"), "{words}");
}

/// What the doctor ends with, and says.
fn doctor(ground: &Ground, options: &[&str]) -> (Option<i32>, String) {
    let output = command::output(ground.wharf(["doctor"]).args(options));
    (output.status.code(), command::words(&output))
}

/// Deletes an object of the registry, which the doctor names and applies again as it was.
fn is_mended_without(ground: &Ground, head: &str, kind: &str, name: &str) {
    let applied = object(ground, head, kind, name).expect("the object is there");
    delete(ground, head, &format!("{kind}/{name}"));
    let (code, words) = doctor(ground, &[]);
    let named = format!("has lost its {kind}/{name}");
    assert!(code == Some(1) && words.contains(&named), "{words}");
    let (code, words) = doctor(ground, &["--fix"]);
    assert_eq!(code, Some(0), "{words}");
    assert_eq!(object(ground, head, kind, name), Some(applied), "{kind}");
}

/// Deletes an object of the namespace, as a user would.
fn delete(ground: &Ground, head: &str, object: &str) {
    let delete = "kubectl --kubeconfig=/etc/kubernetes/admin.conf --namespace=wharf delete";
    ground.on_node(head, &format!("{delete} {object}"));
}

fn without_its_port(ground: &Ground) {
    let mut create = ground.kind(["create", "cluster", "--name", CLUSTER, "--image", NODE_IMAGE]);
    let configuration = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n- role: control-plane\n- role: worker\n";
    command::feed(create.args(["--config", "-"]), configuration.as_bytes());
    let words = up(ground);
    assert!(words.contains("made without a port"), "{words}");
    assert!(words.contains("port-forward service/kind-registry"), "{words}");

    // Pushed on the control plane, as through a port-forward.
    let head = format!("{CLUSTER}-control-plane");
    let forward = command::run(&mut ground.podman([
        "inspect",
        "--format={{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
        &head,
    ]));
    let registry = format!("http://{forward}:30500");
    push(ground, &registry);
    runs_everywhere(ground, "kind-registry:5000");
    runs_everywhere(ground, "localhost:30500");

    // Whoever has the port that a registry would have is in nobody's way, and no proof can be pushed.
    let publish = format!("127.0.0.1:{}:80", ground.port());
    let run = ["run", "--detach", "--name", "rival", "--publish", &publish, "--entrypoint=sleep"];
    command::run(ground.podman(run).args([NODE_IMAGE, "600"]));
    let doctor = command::output(ground.wharf(["doctor"]).arg("--pull"));
    let words = command::words(&doctor);
    assert!(doctor.status.success() && words.contains("a tiny image: was not tried"), "{words}");
}

/// A namespace and a claim of the user's, of the names that ours would have.
const CLAIM_OF_THE_USERS: &str = "apiVersion: v1
kind: Namespace
metadata: {name: wharf}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: kind-registry-data, namespace: wharf}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 50Gi}}}
";

fn objects_of_the_users_are_left_alone(ground: &Ground) {
    command::run(&mut ground.kind(["create", "cluster", "--name", CLUSTER, "--image", NODE_IMAGE]));
    let head = format!("{CLUSTER}-control-plane");
    let kubectl = ["exec", "-i", &head, "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"];
    let apply = |text: &str| {
        command::feed(ground.podman(kubectl).args(["apply", "-f", "-"]), text.as_bytes());
    };
    let objects = || {
        ground.on_node(
            &head,
            "cd /kind/objects; find wharf default/namespace -type f | sort | xargs tail -v -n +1",
        )
    };
    let down = || command::run(&mut ground.wharf(["down", "--data", "--image"]));
    apply(CLAIM_OF_THE_USERS);
    for (kind, version) in [("Deployment", "apps/v1"), ("Service", "v1")] {
        apply(&format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: kind-registry, namespace: wharf}}\n"
        ));
        let before = objects();
        let named =
            format!("a {}/kind-registry in wharf that wharf did not make", kind.to_lowercase());
        let refused = command::output(&mut ground.up(["--in-cluster", "--name", CLUSTER]));
        let words = command::words(&refused);
        assert!(!refused.status.success() && words.contains(&named), "{words}");
        let (code, words) = doctor(ground, &["--fix"]);
        assert!(code == Some(1) && words.contains(&named), "{words}");
        assert_eq!(objects(), before);
        down();
        assert_eq!(objects(), before);
        delete(ground, &head, &format!("{}/kind-registry", kind.to_lowercase()));
    }
    // A claim is used as it is, and stays with what is in it.
    let before = objects();
    up(ground);
    let with_registry = objects();
    assert!(with_registry.contains("readyReplicas") && with_registry.contains("50Gi"));
    down();
    assert_eq!(objects(), before);
}
