//! Images that do not pull although all is wired, and pods that do not start for it.

use super::{CONTROL_PLANE, Doctor, IMAGE, WORKER, assert_pulls, assert_whole, push, stand};
use crate::Run;
use crate::command;
use crate::ground::Ground;

pub(crate) fn trials() -> Vec<(&'static str, Run)> {
    vec![
        ("fault_tag_missing", tag_missing),
        ("fault_wrong_image_name", wrong_image_name),
        ("fault_image_for_another_processor", image_for_another_processor),
        ("fault_old_image_on_a_node", old_image_on_a_node),
        ("fault_pods_that_do_not_start", pods_that_do_not_start),
    ]
}

/// Removes a tag again, so that the registry has what it had.
fn remove(ground: &Ground, image: &str) {
    let registry = ground.registry();
    command::run(&mut ground.wharf(["rm", "--yes", "--registry", &registry, image]));
}

fn tag_missing(ground: &Ground) {
    stand(ground);
    let image = "kind-registry:5000/greeter:1.1";
    let seen = Doctor::ask(ground, &[image]);
    let fault = seen.fault("image-asked", image, "has greeter, but not 1.1");
    assert!(fault.fix.contains("kind-registry:5000/greeter:1 "), "{}", fault.fix);
    assert!(fault.fix.contains("`wharf push greeter:1.1`"), "{}", fault.fix);
    push(ground, "greeter:1.1");
    Doctor::ask(ground, &[image]).assert_well().finding("image-asked", image, "is in the registry");
    assert_pulls(ground, "greeter:1.1");
    remove(ground, "greeter:1.1");
    assert_whole(ground);
}

fn wrong_image_name(ground: &Ground) {
    stand(ground);
    let by_port = format!("kind-registry:{}/greeter:1", ground.port());
    for (image, words) in [
        ("greeter:1", "look for it in docker.io"),
        ("docker.io/library/greeter:1", "look for it in docker.io"),
        ("localhost/greeter:1", "asks no registry called localhost"),
        ("localhost:5000/greeter:1", "no node finds the registry as localhost:5000"),
        (by_port.as_str(), "pods use the port inside its container"),
        ("127.0.0.1:5000/greeter:1", "on the node itself"),
    ] {
        let status = ground.pull(WORKER, image).unwrap_err();
        assert!(!status.message.is_empty());
        let seen = Doctor::ask(ground, &[image]);
        let fault = seen.fault("image-asked", image, words);
        assert!(
            fault.fix.contains("write kind-registry:5000/greeter:1 in the pod"),
            "{}",
            fault.fix
        );
    }
    let prefixed = "kind-registry:5000/library/greeter:1";
    let seen = Doctor::ask(ground, &[prefixed]);
    let fault = seen.fault("image-asked", prefixed, "no repository library/greeter");
    assert!(fault.fix.contains("kind-registry:5000/greeter"), "{}", fault.fix);
    assert_whole(ground);
}

fn image_for_another_processor(ground: &Ground) {
    stand(ground);
    let local = "localhost/greeter:other";
    let context = ground.home().join("other");
    std::fs::create_dir_all(&context).unwrap();
    std::fs::write(context.join("Containerfile"), "FROM scratch\nCOPY Containerfile /\n").unwrap();
    // With an index, by which a node sees before it pulls that there is nothing for it.
    let build = ["build", "--quiet", "--platform", "linux/s390x", "--manifest", local];
    command::run(ground.podman(build).arg(&context));
    std::fs::remove_dir_all(&context).unwrap();
    let target = format!("docker://{}/greeter:other", ground.registry());
    let push = ["manifest", "push", "--all", "--tls-verify=false", local, &target];
    command::run(&mut ground.podman(push));
    command::run(&mut ground.podman(["manifest", "rm", local]));

    let image = "kind-registry:5000/greeter:other";
    let words = ground.pull(WORKER, image).unwrap_err().message;
    assert!(words.contains("no match for platform in manifest"), "{words}");
    let seen = Doctor::ask(ground, &[image]);
    let fault = seen.fault("image-asked", image, "is for s390x, and the nodes are");
    assert!(fault.fix.contains("podman build --platform linux/"), "{}", fault.fix);
    let all = Doctor::ask(ground, &[]);
    assert_eq!(all.assert_well().finding("catalog", image, "s390x").level, "note");
    remove(ground, "greeter:other");
    assert_whole(ground);
}

/// A tag that moved: pods go on running the old image, as the node has one of that name.
fn old_image_on_a_node(ground: &Ground) {
    stand(ground);
    let image = "kind-registry:5000/greeter:moving";
    push(ground, "greeter:moving");
    ground.pull(WORKER, image).unwrap();
    let before = Doctor::ask(ground, &[]);
    before.finding("node-images", "nodes", "none has an older image");
    ground.build_greeter("localhost/greeter:moving", "another greeting");
    let registry = ground.registry();
    command::run(&mut ground.wharf(["push", "--quiet", "--registry", &registry, "greeter:moving"]));
    command::run(&mut ground.podman(["rmi", "localhost/greeter:moving"]));

    let seen = Doctor::ask(ground, &[]);
    let note = seen.assert_well().finding("node-images", WORKER, "has an older");
    let fix = format!("podman exec {WORKER} crictl rmi {image}");
    assert!(note.level == "note" && note.fix.contains(&fix), "{}", note.fix);
    command::run(&mut ground.podman(["exec", WORKER, "crictl", "rmi", image]));
    Doctor::ask(ground, &[]).finding("node-images", "nodes", "none has an older image");
    remove(ground, "greeter:moving");
    assert_whole(ground);
}

/// As the API server tells of it: the objects are of the test's making, and so is the server.
fn pods_that_do_not_start(ground: &Ground) {
    stand(ground);
    let kubectl = "kubectl --kubeconfig=/etc/kubernetes/admin.conf";
    let pod = |name: &str, image: &str, message: &str| {
        let status = serde_json::json!({"containerStatuses": [{"name": "it", "image": image,
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": message}}}]});
        let pod = serde_json::json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "default"}, "status": status});
        let mut apply = ground.podman(["exec", "-i", CONTROL_PLANE, "bash", "-c"]);
        command::feed(apply.arg(format!("{kubectl} apply -f -")), pod.to_string().as_bytes());
    };
    pod("typo", "kind-registry:5000/greter:1", "not found");
    pod("podman", "localhost/greeter:1", "connection refused");
    pod("wires", &format!("kind-registry:5000/{IMAGE}"), "lookup kind-registry: no such host");
    let seen = Doctor::ask(ground, &[]);
    let typo = seen.fault("pods", "pod default/typo", "no repository greter");
    assert!(typo.fix.contains("write kind-registry:5000/greeter"), "{}", typo.fix);
    seen.fault("pods", "pod default/podman", "asks no registry called localhost");
    let wires = seen.finding("pods", "pod default/wires", "no such host");
    assert!(wires.level == "note" && wires.fix.contains("`node-reach`"), "{}", wires.fix);
    for name in ["typo", "podman", "wires"] {
        ground.on_node(CONTROL_PLANE, &format!("{kubectl} delete pod {name} --namespace default"));
    }
    assert_whole(ground);
}
