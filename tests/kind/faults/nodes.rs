//! Faults of nodes themselves.

use super::{CONTROL_PLANE, WORKER, assert_whole, is_named_and_mended};
use crate::Run;
use crate::command;
use crate::ground::Ground;

pub(crate) fn trials() -> Vec<(&'static str, Run)> {
    vec![
        ("fault_node_stopped", node_stopped),
        ("fault_node_paused", node_paused),
        ("fault_everything_stopped", everything_stopped),
        ("fault_proxy_in_a_nodes_environment", proxy_in_a_nodes_environment),
    ]
}

fn node_stopped(ground: &Ground) {
    let make = || drop(command::run(&mut ground.podman(["stop", "--time=0", WORKER])));
    is_named_and_mended(ground, make, &[("nodes", WORKER, "")]);
}

fn node_paused(ground: &Ground) {
    let make = || drop(command::run(&mut ground.podman(["pause", WORKER])));
    is_named_and_mended(ground, make, &[("nodes", WORKER, "is paused")]);
}

/// As after a reboot.
fn everything_stopped(ground: &Ground) {
    let make = || drop(command::run(&mut ground.podman(["stop", "--all", "--time=0"])));
    let named = [
        ("registry", "kind-registry", "does not run"),
        ("nodes", CONTROL_PLANE, ""),
        ("nodes", WORKER, ""),
    ];
    is_named_and_mended(ground, make, &named);
}

/// What Kind gives the nodes of somebody who works behind a proxy.
fn proxy_in_a_nodes_environment(ground: &Ground) {
    let folder = "/etc/systemd/system/containerd.service.d";
    let restart = "systemctl daemon-reload && systemctl restart containerd";
    let make = || {
        ground.on_node(
            WORKER,
            &format!(
                "mkdir -p {folder} && printf '[Service]\\nEnvironment=\"HTTP_PROXY=http://127.0.0.1:3128\" \
                 \"NO_PROXY=10.0.0.0/8\"\\n' >{folder}/http-proxy.conf && {restart}"
            ),
        );
        let words = ground.pull(WORKER, "kind-registry:5000/greeter:1").unwrap_err().message;
        assert!(words.contains("proxyconnect tcp"), "{words}");
    };
    is_named_and_mended(
        ground,
        make,
        &[("no-proxy", WORKER, "NO_PROXY does not name kind-registry")],
    );
    ground.on_node(WORKER, &format!("rm {folder}/*.conf && {restart}"));
    assert_whole(ground);
}
