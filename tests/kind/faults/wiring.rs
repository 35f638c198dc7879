//! Faults of the files that lead a node's pulls to the registry.

use super::{CLUSTER, CONTROL_PLANE, Doctor, WORKER, assert_whole, is_named_and_mended, stand};
use crate::Run;
use crate::command;
use crate::ground::{Ground, NODE_IMAGE};

pub(crate) fn trials() -> Vec<(&'static str, Run)> {
    vec![
        ("fault_hosts_toml_deleted", hosts_toml_deleted),
        ("fault_hosts_toml_garbled", hosts_toml_garbled),
        ("fault_server_line_alone", server_line_alone),
        ("fault_host_table_alone_and_a_missing_tag", host_table_alone_and_a_missing_tag),
        ("fault_referrers_capability", referrers_capability),
        ("fault_https_in_hosts_toml", https_in_hosts_toml),
        ("fault_folder_that_hides_ours", folder_that_hides_ours),
        ("fault_config_path_unset", config_path_unset),
        ("fault_leftover_mirrors", leftover_mirrors),
        ("fault_second_cluster_unwired", second_cluster_unwired),
        ("fault_hosting_config_map_missing", hosting_config_map_missing),
    ]
}

const FOLDER: &str = "/etc/containerd/certs.d/kind-registry:5000";

/// Writes another hosts.toml on the worker.
fn write(ground: &Ground, text: &str) {
    ground.on_node(WORKER, &format!("cat >{FOLDER}/hosts.toml <<'END'\n{text}\nEND"));
}

/// That a pull on the worker fails, and containerd's words for it.
fn refused(ground: &Ground, image: &str) -> String {
    ground.pull(WORKER, image).unwrap_err().message
}

fn hosts_toml_deleted(ground: &Ground) {
    let make = || {
        ground.on_node(WORKER, &format!("rm -r {FOLDER}"));
        ground.on_node(
            CONTROL_PLANE,
            &format!("rm -r /etc/containerd/certs.d/{}", ground.registry()),
        );
        let words = refused(ground, "kind-registry:5000/greeter:1");
        assert!(words.contains("server gave HTTP response to HTTPS client"), "{words}");
        assert_told_by_status(ground);
        let tried = Doctor::ask(ground, &["--pull"]);
        let fault = tried.fault("pull", WORKER, "cannot pull from kind-registry:5000");
        assert!(!fault.mendable && fault.words.contains("HTTPS client"), "{}", fault.words);
    };
    let of_host = format!("{} is missing", ground.registry());
    let named = [
        ("hosts-toml", WORKER, "kind-registry:5000 is missing"),
        ("hosts-toml", CONTROL_PLANE, &of_host),
    ];
    is_named_and_mended(ground, make, &named);
}

/// That `wharf status` tells which node does not find the registry under the pods' name, and why.
fn assert_told_by_status(ground: &Ground) {
    let status = command::run(&mut ground.wharf(["--json", "status"]));
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["registry"]["pods"], "kind-registry:5000", "{status}");
    assert_eq!(status["registry"]["host"], ground.registry(), "{status}");
    let nodes = status["nodes"].as_array().unwrap();
    let worker = nodes.iter().find(|node| node["node"] == WORKER).unwrap();
    assert_eq!((&worker["running"], &worker["wired"]), (&true.into(), &false.into()), "{status}");
    let why = worker["why"][0].as_str().unwrap();
    assert!(why.contains("hosts.toml for kind-registry:5000 is missing"), "{why}");
}

fn hosts_toml_garbled(ground: &Ground) {
    stand(ground);
    write(ground, "server is http://kind-registry:5000");
    refused(ground, "kind-registry:5000/greeter:1");
    // containerd says so in its log, and nowhere else.
    Doctor::ask(ground, &[]).finding("containerd-log", WORKER, "failed to decode hosts.toml");
    is_named_and_mended(
        ground,
        || {},
        &[("hosts-toml", WORKER, "hosts.toml for kind-registry:5000")],
    );
}

fn server_line_alone(ground: &Ground) {
    let make = || write(ground, "server = \"http://kind-registry:5000\"");
    is_named_and_mended(
        ground,
        make,
        &[("hosts-toml", WORKER, "hosts.toml for kind-registry:5000")],
    );
}

/// The one that sends everybody to look for certificates.
fn host_table_alone_and_a_missing_tag(ground: &Ground) {
    let missing = "kind-registry:5000/greeter:2";
    let make = || {
        write(
            ground,
            "[host.\"http://kind-registry:5000\"]\n  capabilities = [\"pull\", \"resolve\"]",
        );
        let words = refused(ground, missing);
        assert!(words.contains("server gave HTTP response to HTTPS client"), "{words}");
        let asked = Doctor::ask(ground, &[missing]);
        let fault = asked.fault("image-asked", missing, "has greeter, but not 2");
        assert!(fault.fix.contains("write kind-registry:5000/greeter:1"), "{}", fault.fix);
    };
    is_named_and_mended(
        ground,
        make,
        &[("hosts-toml", WORKER, "hosts.toml for kind-registry:5000")],
    );
    let status = ground.pull(WORKER, missing).unwrap_err();
    assert_eq!(status.code, 5, "{status:?}");
}

fn referrers_capability(ground: &Ground) {
    let make = || {
        let text = "server = \"http://kind-registry:5000\"\n[host.\"http://kind-registry:5000\"]\n  \
            capabilities = [\"pull\", \"resolve\", \"push\", \"referrers\"]";
        write(ground, text);
        refused(ground, "kind-registry:5000/greeter:1");
    };
    is_named_and_mended(ground, make, &[("hosts-toml", WORKER, "referrers")]);
}

fn https_in_hosts_toml(ground: &Ground) {
    let make = || {
        let text = "server = \"https://kind-registry:5000\"\n[host.\"https://kind-registry:5000\"]\n  \
            capabilities = [\"pull\", \"resolve\", \"push\"]";
        write(ground, text);
        let words = refused(ground, "kind-registry:5000/greeter:1");
        assert!(words.contains("server gave HTTP response to HTTPS client"), "{words}");
    };
    is_named_and_mended(ground, make, &[("hosts-toml", WORKER, "https://kind-registry:5000")]);
}

fn folder_that_hides_ours(ground: &Ground) {
    let make = || {
        let hiding = "/etc/containerd/certs.d/kind-registry_5000_";
        ground.on_node(
            WORKER,
            &format!(
                "mkdir {hiding} && printf 'server = \"https://elsewhere.invalid\"\\n\
                 [host.\"https://elsewhere.invalid\"]\\n' >{hiding}/hosts.toml"
            ),
        );
        refused(ground, "kind-registry:5000/greeter:1");
    };
    is_named_and_mended(
        ground,
        make,
        &[("hosts-toml", WORKER, "hides the one for kind-registry:5000")],
    );
}

fn config_path_unset(ground: &Ground) {
    let make = || {
        ground.on_node(
            WORKER,
            "sed -i '/config_path/d' /etc/containerd/config.toml && systemctl restart containerd",
        );
        let words = refused(ground, "kind-registry:5000/greeter:1");
        assert!(words.contains("server gave HTTP response to HTTPS client"), "{words}");
    };
    is_named_and_mended(ground, make, &[("config-path", WORKER, "")]);
}

/// What clusters were given before there was hosts.toml, and what containerd no longer takes beside it.
fn leftover_mirrors(ground: &Ground) {
    let make = || {
        ground.on_node(
            WORKER,
            "printf '[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"elsewhere.example\"]\\n  \
             endpoint = [\"http://kind-registry:5000\"]\\n' >>/etc/containerd/config.toml && \
             systemctl restart containerd",
        );
        refused(ground, "kind-registry:5000/greeter:1");
    };
    is_named_and_mended(ground, make, &[("config-path", WORKER, "mirrors")]);
}

/// A cluster that Kind made beside, with nothing of ours in it.
fn second_cluster_unwired(ground: &Ground) {
    let node = "second-control-plane";
    let create = ["create", "cluster", "--name", "second", "--image", NODE_IMAGE];
    let make = || drop(command::run(&mut ground.kind(create)));
    is_named_and_mended(
        ground,
        make,
        &[("config-path", node, ""), ("hosts-toml", node, "is missing")],
    );
    for registry in ["kind-registry:5000".to_owned(), ground.registry()] {
        ground.pull(node, &format!("{registry}/greeter:1")).unwrap();
    }
    command::run(&mut ground.kind(["delete", "cluster", "--name", "second"]));
    assert_whole(ground);
}

fn hosting_config_map_missing(ground: &Ground) {
    let make = || {
        ground.on_node(
            CONTROL_PLANE,
            "kubectl --kubeconfig=/etc/kubernetes/admin.conf --namespace kube-public delete configmap \
             local-registry-hosting",
        );
    };
    is_named_and_mended(ground, make, &[("local-registry-hosting", CLUSTER, "")]);
}
