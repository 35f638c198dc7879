//! The registry inside the cluster. There is no kubelet on the stage, nor a kube-proxy: the trial plays
//! both. When the Deployment is applied, it runs the image that was loaded, by the node's real
//! containerd, as the Deployment says, and has the Service's port of every node lead to it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::Run;
use crate::command;
use crate::ground::{Ground, NODE_IMAGE};

pub(crate) fn trials() -> Vec<(&'static str, Run)> {
    vec![
        ("a_registry_inside_the_cluster", a_registry_inside_the_cluster),
        ("in_a_cluster_without_its_port_only_nodes_find_it", without_its_port),
    ]
}

const CLUSTER: &str = "inside";
/// Where the stage's kubectl keeps the objects of the registry.
const OBJECTS: &str = "/kind/objects/wharf";

/// As much of a kubelet as one Deployment needs: its container, with the user, the arguments, the root and
/// the place for the volume that it says, on the node's network.
const KUBELET: &str = r#"
import json, subprocess, sys
def ctr(*words):
    done = subprocess.run(["ctr", "-n", "k8s.io", *words], check=True, capture_output=True)
    return done.stdout
pod = json.load(open(sys.argv[1]))["spec"]["template"]["spec"]
container = pod["containers"][0]
user = pod["securityContext"]["runAsUser"]
assert container["securityContext"]["readOnlyRootFilesystem"] and container["imagePullPolicy"] == "Never"
subprocess.run(["mkdir", "-p", "/var/pod", "/var/store"], check=True)
subprocess.run(["chmod", "777", "/var/store"], check=True)
ctr("images", "mount", "--rw", container["image"], "/var/pod")
manifest = [line for line in ctr("images", "ls").decode().splitlines() if line.startswith(container["image"] + " ")]
manifest = json.loads(ctr("content", "get", manifest[0].split()[2]))
image = json.loads(ctr("content", "get", manifest["config"]["digest"]))["config"]
spec = json.loads(ctr("oci", "spec"))
spec["process"] |= {
    "args": image["Entrypoint"] + container["args"],
    "env": image["Env"],
    "user": {"uid": user, "gid": user},
    "capabilities": {},
    "noNewPrivileges": True,
}
spec["root"] = {"path": "/var/pod", "readonly": True}
place = container["volumeMounts"][0]["mountPath"]
spec["mounts"].append({"destination": place, "type": "bind", "source": "/var/store", "options": ["rbind", "rw"]})
spec["linux"]["namespaces"] = [it for it in spec["linux"]["namespaces"] if it["type"] != "network"]
spec["linux"]["cgroupsPath"] = "/pod"
spec["linux"].pop("resources", None)
json.dump(spec, open("/var/pod.json", "w"))
subprocess.run(["ctr", "-n", "k8s.io", "run", "--detach", "--null-io", "--config", "/var/pod.json", "pod"], check=True)
"#;

/// As much of kube-proxy as one Service needs: the node's port leads to the pod's.
const PROXY: &str = "
import asyncio, sys
async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
async def serve(reader, writer):
    try:
        there, back = await asyncio.open_connection(sys.argv[1], int(sys.argv[3]))
    except OSError:
        return writer.close()
    await asyncio.gather(copy(reader, back), copy(there, writer), return_exceptions=True)
async def main():
    async with await asyncio.start_server(serve, None, int(sys.argv[2])) as server:
        await server.serve_forever()
asyncio.run(main())
";

/// An object that was applied.
fn object(ground: &Ground, head: &str, kind: &str) -> Option<Value> {
    let text =
        ground.on_node(head, &format!("cat {OBJECTS}/{kind}/kind-registry 2>/dev/null; true"));
    serde_json::from_str(&text).ok()
}

/// Plays the kubelet and the kube-proxy, once there is a Deployment.
fn play(ground: &Ground, head: &str) {
    command::wait_for("the control plane", || {
        ground.nodes(CLUSTER).contains(&head.to_owned()).then_some(())
    });
    let answers = |script: &str| {
        let exec = ["exec", head, "sh", "-c", script];
        command::output(&mut ground.podman(exec)).status.success().then_some(())
    };
    command::wait_for("the API server", || answers("test -e /etc/kubernetes/admin.conf"));
    command::wait_for("wharf's image to be sent", || answers("pgrep -f images.import"));
    command::wait_for("wharf's image", || answers("ctr -n k8s.io images ls -q | grep wharf"));
    let deployment = command::wait_for("the Deployment", || {
        let cat = format!("cat {OBJECTS}/deployment/kind-registry");
        let cat = command::output(&mut ground.podman(["exec", head, "sh", "-c", &cat]));
        serde_json::from_slice::<Value>(&cat.stdout).ok()
    });
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let path = format!("{OBJECTS}/deployment/kind-registry");
    command::run(&mut ground.podman(["exec", head, "python3", "-c", KUBELET, &path]));
    let service = object(ground, head, "service").unwrap();
    let port = &service["spec"]["ports"][0];
    let pod_port = container["ports"][0]["containerPort"].to_string();
    for node in ground.nodes(CLUSTER) {
        let mut proxy = ground.podman(["exec", "--detach", &node, "python3", "-c", PROXY]);
        command::run(proxy.args([head, &port["nodePort"].to_string(), &pod_port]));
    }
    command::wait_for("the registry on the node's port", || {
        let ask = "curl -s -o /dev/null -w %{http_code} http://localhost:30500/v2/ || true";
        (ground.on_node(head, ask) == "200").then_some(())
    });
    // What the controller of Deployments would say, in one step: somebody waits for it.
    ground.on_node(
        head,
        &format!(
            "python3 -c 'import json, os, pathlib; new = pathlib.Path(\"/kind/new\"); \
             path = \"{OBJECTS}/deployment/kind-registry\"; it = json.load(open(path)); \
             it[\"status\"] = {{\"readyReplicas\": 1}}; \
             new.write_text(json.dumps(it, indent=4, sort_keys=True)); os.replace(new, path)'"
        ),
    );
}

/// `wharf up --in-cluster`, with somebody who plays.
fn up(ground: &Ground) -> String {
    let head = format!("{CLUSTER}-control-plane");
    std::thread::scope(|scope| {
        let player = scope.spawn(|| play(ground, &head));
        let output = command::output(
            ground.up(["--in-cluster", "--name", CLUSTER]).args(["--workers", "1"]),
        );
        player.join().expect("the play ends");
        let words = command::words(&output);
        assert!(output.status.success(), "{words}");
        words
    })
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
    let image = object(ground, &head, "deployment").unwrap();
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

    is_well_and_mended_without_its_service(ground, &head);

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

/// What `status` and `doctor` say of what stands, and of it without its Service.
fn is_well_and_mended_without_its_service(ground: &Ground, head: &str) {
    let status = command::run(&mut ground.wharf(["--json", "status"]));
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["registry"], Value::Null, "{status}");
    assert_eq!(status["in_cluster"]["cluster"], CLUSTER, "{status}");
    assert_eq!(status["in_cluster"]["host"], ground.registry(), "{status}");
    assert_eq!(status["in_cluster"]["pods"], "kind-registry:5000", "{status}");
    let nodes = status["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 2, "{status}");
    assert!(nodes.iter().all(|node| node["wired"] == true), "{status}");

    let doctor = |options: &[&str]| {
        let output = command::output(ground.wharf(["doctor"]).args(options));
        (output.status.code(), command::words(&output))
    };
    let (code, words) = doctor(&["--pull"]);
    assert!(code == Some(0) && words.contains("has the registry in it, which is ready"), "{words}");

    let delete = "kubectl --kubeconfig=/etc/kubernetes/admin.conf --namespace=wharf delete service";
    ground.on_node(head, &format!("{delete} kind-registry"));
    let (code, words) = doctor(&[]);
    assert!(code == Some(1) && words.contains("has lost its service/kind-registry"), "{words}");
    let (code, words) = doctor(&["--fix"]);
    assert_eq!(code, Some(0), "{words}");
    let service = object(ground, head, "service").expect("the Service is there again");
    assert_eq!(service["spec"]["ports"][0]["nodePort"], 30500);
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
