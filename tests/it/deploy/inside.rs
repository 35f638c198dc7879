//! The kubectl inside a node, where the host has none. The engine is played by a script that does on
//! this machine what it is told to do in the node, so that files really go through it, and the real
//! kubectl really reads them there; only the wall between host and node is not real.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{DEPLOYMENT, Stage, Story, failed, found, images, path_with, said};

/// Knows one node; writes down what it is asked.
const ENGINE: &str = r#"#!/bin/sh
echo "$*" >>"$LOG"
case $1 in
    ps) echo mcp-cluster-control-plane; exit ;;
    container) cat "$NODE"; exit ;;
    exec) shift ;;
    *) exit 1 ;;
esac
[ "$1" != -i ] || shift
[ "$1" = mcp-cluster-control-plane ] || exit 1
shift
if [ "$1" = kubectl ]; then
    [ "$2" = --kubeconfig=/etc/kubernetes/admin.conf ] || exit 1
    shift 2
    exec "$KUBECTL" --kubeconfig "$ADMIN" --context kind-mcp-cluster "$@"
fi
exec "$@"
"#;

const NODE: &str = r#"[{
    "Id": "1", "Name": "mcp-cluster-control-plane", "State": {"Running": true},
    "Config": {"Labels": {
        "io.x-k8s.kind.cluster": "mcp-cluster", "io.x-k8s.kind.role": "control-plane"
    }}
}]"#;

#[test]
fn without_kubectl_here_the_one_in_the_node_is_used() {
    let what = "the kubectl in a node";
    for story in [Story::Starts, Story::Crashes] {
        let Some(stage) = Stage::new(story, what) else { return };
        fs::remove_file(stage.path("bin/kubectl")).unwrap();
        stage.write("node.json", NODE);
        stage.write("bin/podman", ENGINE);
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(stage.path("bin/podman"), executable).unwrap();
        // The engine has the machine's programs; wharf has no kubectl.
        for name in ["sh", "cat", "mktemp", "rm", "tar"] {
            std::os::unix::fs::symlink(found(name), stage.path("bin").join(name)).unwrap();
        }
        let mut deploy = stage.deploy(["--timeout", "1h"]);
        deploy.env("LOG", stage.path("log")).env("NODE", stage.path("node.json"));
        deploy.env("KUBECTL", found("kubectl")).env("ADMIN", stage.path("kubeconfig"));
        if story == Story::Starts {
            let (stdout, stderr) = said(&mut deploy);
            assert_eq!(stdout, "deployment/moon-server\n");
            assert!(stderr.contains("kubectl in mcp-cluster-control-plane"), "{stderr}");
        } else {
            let words = failed(&mut deploy, 1);
            assert!(words.contains(super::story::LAST_WORDS), "{words}");
        }
        assert_eq!(images(&stage.cluster.object(DEPLOYMENT))[1], stage.pinned());
        // Nothing stays in the node.
        let log = fs::read_to_string(stage.path("log")).unwrap();
        let lines = |word: &str| log.lines().filter(|line| line.contains(word)).count();
        assert_eq!(lines(" mktemp "), lines(" rm "), "{log}");
    }
}

#[test]
fn a_project_is_deployed_with_the_programs_of_the_path() {
    // As a person has it: everything on one PATH, and an engine without nodes.
    let Some(stage) = Stage::new(Story::Starts, "kubectl and an engine") else { return };
    stage.write("bin/podman", "#!/bin/sh\nexit 0\n");
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(stage.path("bin/podman"), executable).unwrap();
    let mut deploy = stage.deploy(["--no-wait"]);
    said(deploy.env("PATH", path_with(&stage.path("bin"))));
    let mut other = stage.deploy(["--cluster", "other"]);
    let words = failed(other.env("PATH", path_with(&stage.path("bin"))), 1);
    assert!(words.contains("no cluster other"), "{words}");
}
