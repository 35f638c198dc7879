//! That the ground is true: what a user would type by hand, without the setup, works on it as it does
//! elsewhere, and what the other trials measure with is right.

use std::fs;

use crate::Run;
use crate::command;
use crate::ground::{Ground, NODE_IMAGE};
use crate::watched::Moment;

pub(crate) fn trials() -> Vec<(&'static str, Run)> {
    vec![
        (
            "a_cluster_wired_by_hand_pulls_on_every_node",
            a_cluster_wired_by_hand_pulls_on_every_node,
        ),
        ("a_node_answers_as_those_of_kind_do", a_node_answers_as_those_of_kind_do),
        ("a_command_is_killed_at_a_change", a_command_is_killed_at_a_change),
        ("only_the_grounds_programs_are_found", only_the_grounds_programs_are_found),
        ("an_inventory_sees_what_changes", an_inventory_sees_what_changes),
    ]
}

const CLUSTER: &str = "by-hand";

/// What Kind's documentation has people write.
const CONFIGURATION: &str = r#"kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
- role: control-plane
- role: worker
- role: worker
containerdConfigPatches:
- |-
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
"#;

/// Makes a cluster with Kind itself.
fn create(ground: &Ground, configuration: &str) {
    let mut create = ground.kind(["create", "cluster", "--name", CLUSTER, "--image", NODE_IMAGE]);
    command::feed(create.args(["--config", "-"]), configuration.as_bytes());
}

/// Runs Wharf's image as the registry of the network, and waits until a node sees it.
fn start_registry(ground: &Ground, node: &str) {
    let image = ground.load_wharf();
    let publish = format!("127.0.0.1:{}:5000", ground.port());
    let mut run =
        ground.podman(["run", "--detach", "--name", "kind-registry", "--network", "kind"]);
    command::run(run.args(["--publish", &publish, &image]));
    command::wait_for("the registry's name on the network", || {
        let curl = ["exec", node, "curl", "-fsS", "http://kind-registry:5000/v2/"];
        command::output(&mut ground.podman(curl)).status.success().then_some(())
    });
}

fn a_cluster_wired_by_hand_pulls_on_every_node(ground: &Ground) {
    ground.load_wharf();
    let before = ground.inventory();
    create(ground, CONFIGURATION);
    let nodes = ground.nodes(CLUSTER);
    assert_eq!(nodes, ["by-hand-control-plane", "by-hand-worker", "by-hand-worker2"]);
    let known = ["exec", &nodes[0], "kubectl", "get", "nodes", "-o", "name"];
    let known = command::run(&mut ground.podman(known));
    assert_eq!(known.replace("node/", "").lines().collect::<Vec<_>>(), nodes);
    start_registry(ground, &nodes[0]);

    ground.build_greeter("localhost/greeter:1", "from the registry");
    let registry = ground.registry();
    let mut push = ground.wharf(["push", "--registry", &registry, "localhost/greeter:1"]);
    command::run(&mut push);
    let digest = digest(ground, "greeter", "1");
    let image = "kind-registry:5000/greeter:1";
    for node in &nodes {
        // Without the file, containerd asks the registry for TLS.
        let refused = ground.pull(node, image).unwrap_err();
        assert!(refused.message.contains("server gave HTTP response to HTTPS"), "{refused:?}");
        ground.on_node(
            node,
            "mkdir -p /etc/containerd/certs.d/kind-registry:5000 && \
             printf 'server = \"http://kind-registry:5000\"\\n[host.\"http://kind-registry:5000\"]\\n' \
             >/etc/containerd/certs.d/kind-registry:5000/hosts.toml",
        );
        let id = ground.pull(node, image).unwrap();
        assert_eq!(ground.greeting(node, image), "from the registry");
        let known = ground.containerd(node).repository_digest("kind-registry:5000/greeter", image);
        assert_eq!(known.as_deref(), Some(digest.as_str()));
        ground.containerd(node).remove(image);
        let crictl = ground.on_node(node, &format!("crictl pull {image}"));
        assert_eq!(crictl, format!("Image is up to date for {id}"));
        assert_eq!(ground.pull(node, "kind-registry:5000/greeter:2").unwrap_err().code, 5);
    }

    load(ground, &nodes);

    command::run(&mut ground.kind(["delete", "cluster", "--name", CLUSTER]));
    command::run(&mut ground.podman(["rm", "--force", "--volumes", "--time=0", "kind-registry"]));
    let but = [
        "+ network kind",
        "+ image localhost/greeter:1",
        "+ file .kube/config",
        "+ file .cache/wharf/",
    ];
    before.assert_same(&ground.inventory(), &but);
}

/// The digest of a tag, as the registry gives it.
fn digest(ground: &Ground, repository: &str, tag: &str) -> String {
    let url = format!("http://{}/v2/{repository}/manifests/{tag}", ground.registry());
    let answer = command::run(ground.command("curl").args(["-fsSI", &url]));
    let (_, rest) = answer.split_once("docker-content-digest: ").expect("a digest");
    rest.lines().next().unwrap().to_owned()
}

/// `kind load image-archive` brings an image to every node, by the name in the archive.
fn load(ground: &Ground, nodes: &[String]) {
    ground.build_greeter("localhost/loaded:1", "from an archive");
    let archive = ground.home().join("loaded.tar");
    command::run(
        ground.podman(["save", "--quiet", "--output"]).arg(&archive).arg("localhost/loaded:1"),
    );
    command::run(ground.kind(["load", "image-archive", "--name", CLUSTER]).arg(&archive));
    for node in nodes {
        assert_eq!(ground.greeting(node, "localhost/loaded:1"), "from an archive");
    }
    fs::remove_file(archive).unwrap();
    command::run(&mut ground.podman(["rmi", "localhost/loaded:1"]));
}

/// The programs on a node that stand in for those of Kubernetes and for systemd.
fn a_node_answers_as_those_of_kind_do(ground: &Ground) {
    create(ground, "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n");
    let node = &ground.nodes(CLUSTER)[0];
    keeps_objects(ground, node);
    names_what_failed(ground, node);

    // What is written to containerd's configuration and environment counts once it is started anew.
    let running = |question: &str| ground.on_node(node, question);
    let config_path = "containerd config dump | grep -c '/etc/containerd/certs.d' || true";
    assert_eq!(running(config_path), "0");
    running(
        "printf '[plugins.\"io.containerd.grpc.v1.cri\".registry]\\nconfig_path = \"/etc/containerd/certs.d\"\\n' \
         >>/etc/containerd/config.toml; mkdir -p /etc/systemd/system/containerd.service.d; \
         printf '[Service]\\nEnvironment=\"NO_PROXY=kind-registry,a b\" X=1\\n' \
         >/etc/systemd/system/containerd.service.d/proxy.conf",
    );
    let environment =
        "tr '\\0' '\\n' </proc/$(pgrep -x containerd)/environ | grep -E '^(NO_PROXY|X)=' || true";
    assert_eq!(running(&format!("systemctl restart containerd; {environment}")), "");
    let anew = format!("systemctl daemon-reload && systemctl restart containerd; {environment}");
    assert_eq!(running(&anew), "NO_PROXY=kind-registry,a b\nX=1");
    assert_eq!(running(config_path), "1");

    command::run(&mut ground.podman(["stop", node]));
    command::run(&mut ground.podman(["start", node]));
    ground.containerd(node).wait_until_ready();
    assert_eq!(running(environment), "NO_PROXY=kind-registry,a b\nX=1");
    assert_eq!(running("systemctl is-active containerd"), "active");
}

fn keeps_objects(ground: &Ground, node: &str) {
    let kubectl = |words: &[&str]| {
        let mut exec = ground.podman(["exec", "-i", node, "kubectl"]);
        exec.arg("--kubeconfig=/etc/kubernetes/admin.conf").args(words);
        exec
    };
    let object = "apiVersion: v1\nkind: ConfigMap\n\
        metadata: {name: local-registry-hosting, namespace: kube-public}\n\
        data:\n  localRegistryHosting.v1: |\n    host: \"localhost:5000\"\n";
    let name = ["configmap", "local-registry-hosting", "--namespace", "kube-public"];
    let get = [&["get"], &name[..], &["-o"]].concat();

    let applied = command::feed(&mut kubectl(&["apply", "-f", "-"]), object.as_bytes());
    assert_eq!(applied.stdout, b"configmap/local-registry-hosting created\n");
    let again = command::feed(&mut kubectl(&["apply", "-f", "-"]), object.as_bytes());
    assert_eq!(again.stdout, b"configmap/local-registry-hosting unchanged\n");
    let got = command::run(kubectl(&get).arg("json"));
    let got: serde_json::Value = serde_json::from_str(&got).unwrap();
    assert_eq!(got["data"]["localRegistryHosting.v1"], "host: \"localhost:5000\"\n");
    let got = command::run(kubectl(&get).arg("jsonpath={.data.localRegistryHosting\\.v1}"));
    assert_eq!(got, "host: \"localhost:5000\"");

    let everywhere = command::run(&mut kubectl(&["get", "cm", "-A", "-oname"]));
    assert!(everywhere.lines().any(|it| it == "configmap/local-registry-hosting"), "{everywhere}");
    let pods = command::run(&mut kubectl(&["get", "pods", "--all-namespaces", "--output=json"]));
    let pods: serde_json::Value = serde_json::from_str(&pods).unwrap();
    assert_eq!(pods["items"], serde_json::json!([]));

    let delete = [&["delete", "--ignore-not-found"], &name[..]].concat();
    command::run(&mut kubectl(&delete));
    command::run(&mut kubectl(&delete));
    let gone = command::output(kubectl(&get).arg("json"));
    assert_eq!(gone.status.code(), Some(1));
    assert!(command::words(&gone).contains("(NotFound)"), "{}", command::words(&gone));
}

fn names_what_failed(ground: &Ground, node: &str) {
    let crictl = ["exec", node, "crictl", "pull", "nowhere.invalid/image:1"];
    let failed = command::output(&mut ground.podman(crictl));
    assert_eq!(failed.status.code(), Some(1));
    let words = command::words(&failed);
    assert!(
        words.contains("pulling image: rpc error: code = Unknown desc = failed to pull"),
        "{words}"
    );
    assert!(words.contains("dial tcp: lookup nowhere.invalid"), "{words}");
}

fn a_command_is_killed_at_a_change(ground: &Ground) {
    let run = |moment| {
        ground.clean();
        let mut script = ground.command("sh");
        script.arg("-c").arg(
            "podman network exists kind || podman network create kind
             podman ps; (podman volume create one); podman volume create two >&2; exit 3",
        );
        let ended = ground.interrupt(&mut script, moment);
        let left = ["volume", "ls", "--format", "{{.Name}}"];
        (ended, command::run(&mut ground.podman(left)).replace('\n', " "))
    };
    for (moment, left) in
        [(Moment::Before(2), ""), (Moment::After(2), "one"), (Moment::Before(3), "one")]
    {
        let (ended, found) = run(moment);
        assert!(ended.is_none(), "{moment:?}");
        assert_eq!(found, left, "{moment:?}");
    }
    let (ended, left) = run(Moment::Before(4));
    let ended = ended.unwrap();
    assert_eq!(ended.status.code(), Some(3));
    assert_eq!(ended.stderr, b"two\n");
    assert_eq!(left, "one two");

    let calls: Vec<_> = ground.calls().iter().map(ToString::to_string).collect();
    let changes: Vec<_> = ground.changes().iter().map(ToString::to_string).collect();
    let create =
        ["podman network create kind", "podman volume create one", "podman volume create two"];
    assert_eq!(calls, ["podman network exists kind", create[0], "podman ps", create[1], create[2]]);
    assert_eq!(changes, create);
}

fn an_inventory_sees_what_changes(ground: &Ground) {
    let before = ground.inventory();
    command::run(ground.podman(["network", "create", "one"]).arg("--ipv6"));
    command::run(&mut ground.podman(["volume", "create", "two"]));
    fs::write(ground.home().join("three"), "3").unwrap();
    command::run(ground.podman(["secret", "create", "four"]).arg(ground.home().join("three")));
    let create = ["create", "--name", "five", NODE_IMAGE];
    command::run(&mut ground.podman(create));
    let with = ground.inventory();
    let new =
        ["+ container five", "+ file three", "+ network one", "+ secret four", "+ volume two"];
    assert_eq!(before.changes(&with), new);
    before.assert_same(&with, &new);

    command::run(&mut ground.podman(["rm", "five"]));
    command::run(&mut ground.podman(create));
    let changes = with.changes(&ground.inventory());
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(changes[0].starts_with("~ container five: "), "{changes:?}");

    ground.clean();
    before.assert_same(&ground.inventory(), &[]);
}

fn only_the_grounds_programs_are_found(ground: &Ground) {
    let find = "for it in podman kind kubectl docker nerdctl runc; do command -v $it; done; true";
    let mut all = ground.command("sh");
    let found = command::run(all.args(["-c", find]));
    let names: Vec<_> = found.lines().map(|file| file.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["podman", "kind", "kubectl", "runc"]);

    let mut without = ground.command("sh");
    let found = command::run(ground.hide(&mut without, &["kind", "kubectl"]).args(["-c", find]));
    let names: Vec<_> = found.lines().map(|file| file.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["podman", "runc"]);
}
