//! Nodes that are not as `wharf up` would make them: clusters made by hand, before or later, with settings
//! of another time, behind a proxy, stopped, half-made. `wharf up` has every one of them pull.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::Run;
use crate::command;
use crate::ground::{Ground, NODE_IMAGE};
use crate::watched::Moment;

pub(crate) fn trials() -> Vec<(&'static str, Run)> {
    vec![
        ("nodes_are_wired_as_the_document_says", nodes_are_wired_as_the_document_says),
        ("nodes_made_later_by_hand_are_wired", nodes_made_later_by_hand_are_wired),
        ("nodes_with_mirrors_have_them_as_files", nodes_with_mirrors_have_them_as_files),
        ("nodes_behind_a_proxy_pull_past_it", nodes_behind_a_proxy_pull_past_it),
        (
            "nodes_led_elsewhere_are_so_again_after_down",
            nodes_led_elsewhere_are_so_again_after_down,
        ),
        ("nodes_left_half_made_are_made_anew_if_ours", nodes_left_half_made_are_made_anew_if_ours),
        ("nodes_of_a_users_configuration_are_wired", nodes_of_a_users_configuration_are_wired),
    ]
}

/// The file of the user's document, for both names.
const HOSTS_TOML: &str = r#"server = "http://kind-registry:5000"

[host."http://kind-registry:5000"]
  capabilities = ["pull", "resolve", "push"]"#;

/// `wharf up`, which succeeds. Returns what it said on stderr.
fn up<const N: usize>(ground: &Ground, options: [&str; N]) -> String {
    succeeds(&mut ground.up(options))
}

/// Runs a command that succeeds, and returns its words.
fn succeeds(command: &mut Command) -> String {
    let output = command::output(command);
    let words = command::words(&output);
    assert!(output.status.success(), "{words}");
    words
}

/// Makes a cluster as a user does who knows of no registry; more of its configuration may be given.
fn create(ground: &Ground, name: &str, configuration: &str) -> Command {
    let file = ground.home().join(format!("{name}.yaml"));
    let head = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n";
    fs::write(&file, format!("{head}{configuration}")).unwrap();
    let mut create = ground.kind(["create", "cluster", "--name", name, "--image", NODE_IMAGE]);
    create.arg("--config").arg(file);
    create
}

/// Pushes an image whose program prints `greeting`.
fn push(ground: &Ground, image: &str, greeting: &str) {
    let local = format!("localhost/{image}");
    ground.build_greeter(&local, greeting);
    let registry = ground.registry();
    command::run(&mut ground.wharf(["push", "--quiet", "--registry", &registry, &local]));
    command::run(&mut ground.podman(["rmi", &local]));
}

/// Pulls an image by both names on every node of a cluster, runs it, and forgets it.
fn runs_everywhere(ground: &Ground, cluster: &str, image: &str, greeting: &str) {
    for node in ground.nodes(cluster) {
        for name in
            [format!("kind-registry:5000/{image}"), format!("{}/{image}", ground.registry())]
        {
            ground.pull(&node, &name).unwrap_or_else(|status| panic!("{node}: {name}: {status:?}"));
            assert_eq!(ground.greeting(&node, &name), greeting, "{name} on {node}");
            ground.containerd(&node).remove(&name);
        }
    }
}

/// A file of a node.
fn file(ground: &Ground, node: &str, path: &str) -> String {
    ground.on_node(node, &format!("cat '{path}'"))
}

const CONFIG: &str = "/etc/containerd/config.toml";

fn hosts_toml(host: &str) -> String {
    format!("/etc/containerd/certs.d/{host}/hosts.toml")
}

fn nodes_are_wired_as_the_document_says(ground: &Ground) {
    let said = up(ground, ["--workers", "2"]);
    assert!(said.contains("Set kubectl context to \"kind-mcp-cluster\""), "{said}");
    let nodes = ground.nodes("mcp-cluster");
    assert_eq!(nodes, ["mcp-cluster-control-plane", "mcp-cluster-worker", "mcp-cluster-worker2"]);
    for node in &nodes {
        for host in ["kind-registry:5000", &ground.registry()] {
            assert_eq!(file(ground, node, &hosts_toml(host)), HOSTS_TOML, "{host} on {node}");
        }
    }
    let get = "kubectl --kubeconfig=/etc/kubernetes/admin.conf --namespace=kube-public get configmap \
               local-registry-hosting -o json";
    let map: Value = serde_json::from_str(&ground.on_node(&nodes[0], get)).unwrap();
    let text = map["data"]["localRegistryHosting.v1"].as_str().unwrap();
    for line in [
        format!("host: \"{}\"", ground.registry()),
        "hostFromContainerRuntime: \"kind-registry:5000\"".into(),
        "hostFromClusterNetwork: \"kind-registry:5000\"".into(),
    ] {
        assert!(text.lines().any(|it| it == line), "no {line} in\n{text}");
    }

    // Of the proof nothing is left, neither in the registry nor on a node.
    let list = ["--json", "ls", "--registry", &ground.registry()];
    let listed: Value = serde_json::from_str(&command::run(&mut ground.wharf(list))).unwrap();
    assert_eq!(listed["repositories"], Value::Array(Vec::new()));
    for node in &nodes {
        let images = ground.on_node(node, "crictl images");
        assert!(!images.contains("wharf-probe"), "{node}: {images}");
    }

    push(ground, "greeter:1", "on every node");
    runs_everywhere(ground, "mcp-cluster", "greeter:1", "on every node");

    command::run(&mut ground.podman(["stop", "--time=0", &nodes[1]]));
    let said = up(ground, []);
    assert!(said.contains(&format!("{}: stands still: start it", nodes[1])), "{said}");
    runs_everywhere(ground, "mcp-cluster", "greeter:1", "on every node");
}

fn nodes_made_later_by_hand_are_wired(ground: &Ground) {
    up(ground, ["--name", "first"]);
    push(ground, "greeter:1", "twice");
    succeeds(&mut create(ground, "second", ""));
    let node = ground.nodes("second").remove(0);
    let untouched = file(ground, &node, CONFIG);
    let said = up(ground, ["--name", "first"]);
    assert!(said.contains("config_path is not set"), "{said}");
    assert!(file(ground, &node, CONFIG).starts_with(&untouched));
    runs_everywhere(ground, "first", "greeter:1", "twice");
    runs_everywhere(ground, "second", "greeter:1", "twice");

    // Nodes of the same name, but other ones.
    succeeds(&mut ground.kind(["delete", "cluster", "--name", "second"]));
    succeeds(&mut create(ground, "second", ""));
    up(ground, ["--name", "first"]);
    runs_everywhere(ground, "second", "greeter:1", "twice");

    succeeds(&mut ground.wharf(["down"]));
    assert_eq!(file(ground, &node, CONFIG), untouched);
    assert_eq!(ground.on_node(&node, "ls -A /etc/containerd/certs.d"), "");
    assert_eq!(ground.on_node(&node, "find /kind/objects -name local-registry-hosting"), "");
    assert_eq!(ground.on_node(&node, "systemctl is-active containerd"), "active");
}

fn nodes_with_mirrors_have_them_as_files(ground: &Ground) {
    let patch = r#"containerdConfigPatches:
- |-
  [plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]
    endpoint = ["http://kind-registry:5000"]
  [plugins."io.containerd.grpc.v1.cri".registry.mirrors."kind-registry:5000"]
    endpoint = ["http://kind-registry:5000"]
  [plugins."io.containerd.grpc.v1.cri".registry.mirrors."*"]
    endpoint = ["http://kind-registry:5000"]
"#;
    succeeds(&mut create(ground, "old", patch));
    let node = ground.nodes("old").remove(0);
    let before = file(ground, &node, CONFIG);
    let said = up(ground, ["--no-cluster"]);
    assert!(said.contains("mirrors or TLS for *, docker.io, kind-registry:5000"), "{said}");
    let now = file(ground, &node, CONFIG);
    assert!(!now.contains("mirrors") && now.contains("discard_unpacked_layers = true"), "{now}");
    let mirror = file(ground, &node, &hosts_toml("docker.io"));
    assert!(mirror.starts_with("server = \"https://registry-1.docker.io\""), "{mirror}");

    push(ground, "library/greeter:1", "by a mirror");
    runs_everywhere(ground, "old", "library/greeter:1", "by a mirror");
    // By the mirror of its registry, and by that of all registries that have none.
    for image in ["docker.io/library/greeter:1", "elsewhere.example/library/greeter:1"] {
        ground.pull(&node, image).unwrap_or_else(|status| panic!("{image}: {status:?}"));
        assert_eq!(ground.greeting(&node, image), "by a mirror");
    }

    succeeds(&mut ground.wharf(["down"]));
    assert_eq!(file(ground, &node, CONFIG), before);
    assert_eq!(ground.on_node(&node, "ls -A /etc/containerd/certs.d"), "");
}

fn nodes_behind_a_proxy_pull_past_it(ground: &Ground) {
    // Nobody listens there.
    let proxy = "http://127.0.0.1:9";
    let with_proxy = |mut command: Command| {
        command.env("HTTP_PROXY", proxy).env("no_proxy", "10.0.0.0/8");
        succeeds(&mut command)
    };
    let no_proxy = |node: &str| {
        let variables = "tr '\\0' '\\n' </proc/$(pgrep -o -x containerd)/environ";
        ground.on_node(node, &format!("{variables} | grep -E '^NO_PROXY='"))
    };
    // By hand: it does, until containerd is told otherwise.
    with_proxy(create(ground, "by-hand", ""));
    let node = ground.nodes("by-hand").remove(0);
    assert!(!no_proxy(&node).contains("kind-registry"));
    let said = up(ground, ["--no-cluster"]);
    assert!(said.contains("NO_PROXY does not name kind-registry"), "{said}");
    push(ground, "greeter:1", "directly");
    runs_everywhere(ground, "by-hand", "greeter:1", "directly");
    let now = no_proxy(&node);
    assert!(now.contains("10.0.0.0/8") && now.ends_with(",kind-registry"), "{now}");
    ground.on_node(&node, "rm -r /etc/containerd/certs.d/kind-registry:5000");
    command::run(&mut ground.podman(["stop", "--time=0", &node]));
    up(ground, ["--no-cluster"]);
    runs_everywhere(ground, "by-hand", "greeter:1", "directly");

    // By us: it never does.
    let said = with_proxy(ground.up(["--name", "ours"]));
    assert!(!said.contains("NO_PROXY does not name"), "{said}");
    runs_everywhere(ground, "ours", "greeter:1", "directly");

    succeeds(&mut ground.wharf(["down"]));
    assert!(!no_proxy(&node).contains("kind-registry"));
    let drop_ins = "ls /etc/systemd/system/containerd.service.d";
    assert_eq!(ground.on_node(&node, drop_ins), "");
}

fn nodes_led_elsewhere_are_so_again_after_down(ground: &Ground) {
    succeeds(&mut create(ground, "mine", ""));
    let node = ground.nodes("mine").remove(0);
    let shadow = ground.registry().replace(':', "_") + "_";
    let mirror = HOSTS_TOML.replace("kind-registry:5000", "mirror.example");
    let make = format!(
        "cd /etc/containerd; mkdir -p certs.d/kind-registry:5000 certs.d/{shadow}
         cat >certs.d/kind-registry:5000/hosts.toml <<'END'\n{mirror}\nEND"
    );
    ground.on_node(&node, &make);
    let said = up(ground, ["--no-cluster"]);
    assert!(said.contains("leads to http://mirror.example"), "{said}");
    assert!(said.contains(&format!("certs.d/{shadow} hides")), "{said}");
    push(ground, "greeter:1", "in its place");
    runs_everywhere(ground, "mine", "greeter:1", "in its place");

    succeeds(&mut ground.wharf(["down"]));
    assert_eq!(file(ground, &node, &hosts_toml("kind-registry:5000")), mirror);
    let left = ground.on_node(&node, "cd /etc/containerd/certs.d && find . -mindepth 1 | sort");
    assert_eq!(left, format!("./kind-registry:5000\n./kind-registry:5000/hosts.toml\n./{shadow}"));
}

fn nodes_left_half_made_are_made_anew_if_ours(ground: &Ground) {
    let delete = |name| succeeds(&mut ground.kind(["delete", "cluster", "--name", name]));
    // Ours: killed when the first of two nodes is there.
    up(ground, ["--no-cluster"]);
    push(ground, "greeter:1", "in the end");
    let runs = |ground: &Ground| {
        let is_run = |call: &crate::watched::Call| call.arguments.iter().any(|it| it == "run");
        ground.changes().iter().position(is_run).map(|before| before + 1)
    };
    ground.forget_calls();
    up(ground, ["--name", "ours", "--workers", "1"]);
    let number = runs(ground).unwrap();
    delete("ours");
    let mut again = ground.up(["--name", "ours", "--workers", "1"]);
    assert!(ground.interrupt(&mut again, Moment::After(number)).is_none());
    let left = ground.nodes("ours");
    assert!(!left.is_empty(), "killed after a node was made");
    let said = up(ground, ["--name", "ours", "--workers", "1"]);
    assert!(said.contains("ours: is half-made"), "{said}");
    assert_eq!(ground.nodes("ours").len(), 2);
    runs_everywhere(ground, "ours", "greeter:1", "in the end");
    assert!(!up(ground, ["--name", "ours"]).contains("half-made"));
    delete("ours");

    // Another's, in the same state: it is not ours to delete.
    let id =
        |name: &str| command::run(&mut ground.podman(["inspect", "--format", "{{.Id}}", name]));
    let mut create = create(ground, "theirs", "nodes: [{role: control-plane}, {role: worker}]\n");
    let numbers = (1..9).find(|number| {
        let ended = ground.interrupt(&mut create, Moment::After(*number));
        assert!(ended.is_none());
        let is_made = !ground.nodes("theirs").is_empty();
        if !is_made {
            delete("theirs");
        }
        is_made
    });
    assert!(numbers.is_some());
    let nodes = ground.nodes("theirs");
    let before = id(&nodes[0]);
    up(ground, ["--name", "theirs"]);
    assert_eq!(id(&nodes[0]), before);
    assert_eq!(ground.nodes("theirs"), nodes);
}

fn nodes_of_a_users_configuration_are_wired(ground: &Ground) {
    let file = ground.home().join("mine.yaml");
    fs::write(
        &file,
        "# mine\nkind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nname: mine\nnodes:\n\
         - role: control-plane\n- role: worker\n  labels: {tier: one}\n\
         containerdConfigPatches:\n- |-\n  [debug]\n    level = \"info\"\n",
    )
    .unwrap();
    up(ground, ["--kind-config", file.to_str().unwrap()]);
    let nodes = ground.nodes("mine");
    assert_eq!(nodes, ["mine-control-plane", "mine-worker"]);
    assert!(self::file(ground, &nodes[1], CONFIG).contains("level = \"info\""));
    push(ground, "greeter:1", "as I wished");
    runs_everywhere(ground, "mine", "greeter:1", "as I wished");
}
