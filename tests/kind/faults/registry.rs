//! Faults of the registry's container, and of the way to it from host and nodes.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use super::{CLUSTER, Doctor, REGISTRY, WORKER, assert_whole, is_named_and_mended, push, stand};
use crate::Run;
use crate::command;
use crate::ground::{Ground, NODE_IMAGE};

pub(crate) fn trials() -> Vec<(&'static str, Run)> {
    vec![
        ("fault_registry_stopped", registry_stopped),
        ("fault_registry_removed", registry_removed),
        ("fault_registry_disconnected", registry_disconnected),
        ("fault_name_server_gone", name_server_gone),
        ("fault_port_forward_broken", port_forward_broken),
        ("fault_second_container_on_the_port", second_container_on_the_port),
        ("fault_secret_mismatch", secret_mismatch),
        ("fault_wrong_restart_policy", wrong_restart_policy),
        ("fault_registry_on_no_bridge", registry_on_no_bridge),
        ("fault_foreign_container", foreign_container),
        ("fault_other_program_on_localhost", other_program_on_localhost),
        ("network_without_dns", network_without_dns),
    ]
}

fn registry_stopped(ground: &Ground) {
    let make = || drop(command::run(&mut ground.podman(["stop", "--time=0", REGISTRY])));
    let named = [
        ("registry", REGISTRY, "does not run"),
        ("node-reach", WORKER, "kind-registry does not run"),
    ];
    is_named_and_mended(ground, make, &named);
}

/// With its volume left, nothing is lost.
fn registry_removed(ground: &Ground) {
    let make = || drop(command::run(&mut ground.podman(["rm", "--force", "--time=0", REGISTRY])));
    let named =
        [("registry", REGISTRY, "is missing"), ("node-reach", WORKER, "kind-registry is missing")];
    is_named_and_mended(ground, make, &named);
}

fn registry_disconnected(ground: &Ground) {
    let make = || {
        command::run(&mut ground.podman(["network", "disconnect", "kind", REGISTRY]));
    };
    let named = [
        ("registry", REGISTRY, "is not on the network kind"),
        ("node-reach", WORKER, "does not know"),
    ];
    is_named_and_mended(ground, make, &named);
}

/// As after the kernel, or somebody who tidied up, ended it: Podman starts it for the next container alone.
fn name_server_gone(ground: &Ground) {
    let make = || {
        end_name_server();
        let image = "kind-registry:5000/greeter:1";
        let words = ground.pull(WORKER, image).unwrap_err().message;
        assert!(words.contains("lookup kind-registry"), "{words}");
    };
    is_named_and_mended(ground, make, &[("node-reach", WORKER, "does not know the name")]);
}

/// Ends aardvark-dns, which answers the names of this share's networks: none of another share's, nor of the
/// machine's, whose namespaces for networks are others.
fn end_name_server() {
    let pid = fs::read_to_string("/run/containers/networks/aardvark-dns/aardvark.pid").unwrap();
    let process = Path::new("/proc").join(pid.trim());
    assert!(fs::read_link(process.join("exe")).unwrap().ends_with("aardvark-dns"));
    let network = |process: &Path| fs::read_link(process.join("ns/net")).unwrap();
    assert_eq!(network(&process), network(Path::new("/proc/self")));
    command::run(Command::new("kill").args(["-KILL", pid.trim()]));
    command::wait_for("the end of the name server", || (!process.exists()).then_some(()));
}

/// Whether the registry answers on its port of this machine.
fn answers(ground: &Ground) -> bool {
    let url = format!("http://127.0.0.1:{}/v2/", ground.port());
    let mut curl = ground.command("curl");
    command::output(curl.args(["-fsS", "--max-time", "2", &url])).status.success()
}

/// Podman before 4.4 takes the registry's forward away when another container cannot start for the same
/// port; later ones are brought to the same state by hand.
fn port_forward_broken(ground: &Ground) {
    stand(ground);
    let port = ground.port().to_string();
    let publish = format!("127.0.0.1:{port}:80");
    let run = ["run", "--detach", "--name", "rival", "--publish", &publish, NODE_IMAGE];
    assert!(!command::output(&mut ground.podman(run)).status.success());
    if answers(ground) {
        let delete = format!(
            "iptables -t nat -S | grep -- '--dport {port} ' | sed 's/^-A/iptables -t nat -D/' | sh -e"
        );
        command::run(ground.command("sh").args(["-c", &delete]));
    }
    assert!(!answers(ground), "the forward still works");
    let seen = Doctor::ask(ground, &[]);
    assert_eq!(seen.finding("port-rivals", "rival", "wants the port").level, "note");
    is_named_and_mended(ground, || {}, &[("registry", REGISTRY, "does not answer on 127.0.0.1")]);
    command::run(&mut ground.podman(["rm", "--force", "--time=0", "rival"]));
    assert_whole(ground);
}

/// It came first, while the registry stood still.
fn second_container_on_the_port(ground: &Ground) {
    stand(ground);
    command::run(&mut ground.podman(["stop", "--time=0", REGISTRY]));
    let publish = format!("127.0.0.1:{}:80", ground.port());
    let run =
        ["run", "--detach", "--name", "rival", "--publish", &publish, "--entrypoint", "sleep"];
    command::run(ground.podman(run).args([NODE_IMAGE, "600"]));

    let seen = Doctor::ask(ground, &[]);
    seen.fault("registry", REGISTRY, "does not run");
    let rival = seen.fault("port-rivals", "rival", "has the port");
    assert!(!rival.mendable && rival.fix.contains("podman rm --force rival"), "{}", rival.fix);
    // Somebody's container is not ours to remove.
    let left = Doctor::ask(ground, &["--fix"]);
    left.fault("registry", REGISTRY, "is taken by the container rival");

    command::run(&mut ground.podman(["rm", "--force", "--time=0", "rival"]));
    Doctor::ask(ground, &["--fix"]).assert_well();
    assert_whole(ground);
}

/// The file of another machine's secret, say.
fn secret_mismatch(ground: &Ground) {
    let make = || {
        let other = "b3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3I=\n";
        fs::write(ground.home().join(".config/wharf/ingest-secret"), other).unwrap();
        let (is_taken, words) = take_in(ground);
        assert!(!is_taken && words.contains("secret"), "{words}");
    };
    is_named_and_mended(ground, make, &[("registry", REGISTRY, "another secret")]);
    let (is_taken, words) = take_in(ground);
    assert!(is_taken, "{words}");
}

/// Whether the registry takes an image in from Podman's store, with no other road left; and what was said.
fn take_in(ground: &Ground) -> (bool, String) {
    let (registry, local) = (ground.registry(), "localhost/greeter:ingest");
    ground.build_greeter(local, "taken in");
    let push = ["push", "--via", "ingest", "--registry", &registry, "greeter:ingest"];
    let output = command::output(&mut ground.wharf(push));
    command::run(&mut ground.podman(["rmi", local]));
    (output.status.success(), command::words(&output))
}

/// Makes the registry's container again with other options, which count as they come last.
fn make_again(ground: &Ground, options: &[&str]) {
    let format = "{{json .Config.CreateCommand}}\n{{.ImageName}}";
    let created = command::run(&mut ground.podman(["inspect", "--format", format, REGISTRY]));
    let (created, image) = created.split_once('\n').unwrap();
    let mut words: Vec<String> = serde_json::from_str(created).unwrap();
    // Before the command there are the program and options of the stage's own.
    let command = words.iter().position(|word| word == "run" || word == "create").unwrap();
    words.drain(..=command);
    words.retain(|word| word != "--detach" && word != "-d");
    for word in &mut words {
        *word = word.replace("kind-registry-next", REGISTRY);
    }
    let end = words.iter().position(|word| word == image).unwrap();
    words.splice(end..end, options.iter().map(|it| (*it).to_owned()));
    command::run(&mut ground.podman(["rm", "--force", "--time=0", REGISTRY]));
    command::run(ground.podman(["create"]).args(&words));
    command::run(&mut ground.podman(["start", REGISTRY]));
}

fn wrong_restart_policy(ground: &Ground) {
    let make = || {
        make_again(ground, &["--restart=no"]);
        command::wait_for("the registry", || answers(ground).then_some(()));
    };
    is_named_and_mended(ground, make, &[("registry", REGISTRY, "would not come back")]);
}

/// As rootless containers are that were not made for a network.
fn registry_on_no_bridge(ground: &Ground) {
    let make = || {
        let image = ["inspect", "--format", "{{.ImageName}}", REGISTRY];
        let image = command::run(&mut ground.podman(image));
        let label = ["inspect", "--format", "{{json .Config.Labels}}", REGISTRY];
        let labels: std::collections::BTreeMap<String, String> =
            serde_json::from_str(&command::run(&mut ground.podman(label))).unwrap();
        command::run(&mut ground.podman(["rm", "--force", "--time=0", REGISTRY]));
        let run = ["run", "--detach", "--name", REGISTRY, "--network", "none", "--restart=always"];
        let mut run = ground.podman(run);
        run.args(["--volume", "kind-registry-data:/var/lib/registry"]);
        for (name, value) in labels {
            run.args(["--label", &format!("{name}={value}")]);
        }
        command::run(run.arg(image));
    };
    is_named_and_mended(
        ground,
        make,
        &[("registry", REGISTRY, "is on a network of the kind none")],
    );
}

/// Somebody's: it is named, and stays.
fn foreign_container(ground: &Ground) {
    stand(ground);
    command::run(&mut ground.podman(["rm", "--force", "--time=0", REGISTRY]));
    let run = ["run", "--detach", "--name", REGISTRY, "--network", "kind", "--entrypoint", "sleep"];
    command::run(ground.podman(run).args([NODE_IMAGE, "600"]));
    let fault = |seen: &Doctor| {
        let fault = seen.fault("registry", REGISTRY, "was not made by wharf").clone();
        assert!(!fault.mendable && fault.fix.contains("--replace-registry"), "{}", fault.fix);
    };
    let begun = ["inspect", "--format", "{{.Id}} {{.State.StartedAt}}", REGISTRY];
    let before = command::run(&mut ground.podman(begun));
    fault(&Doctor::ask(ground, &[]));
    fault(&Doctor::ask(ground, &["--fix"]));
    assert_eq!(command::run(&mut ground.podman(begun)), before);
    command::run(&mut ground.podman(["rm", "--force", "--time=0", REGISTRY]));
    Doctor::ask(ground, &["--fix"]).assert_well();
    assert_whole(ground);
}

/// As on a Mac, where `AirPlay` has port 5000 of every address but the one that is the registry's.
fn other_program_on_localhost(ground: &Ground) {
    stand(ground);
    let listener = TcpListener::bind(("::1", ground.port())).unwrap();
    let airplay = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]).unwrap();
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nServer: AirTunes/845.5.1\r\n\r\n").unwrap();
    });
    let seen = Doctor::ask(ground, &[]);
    let fault = seen.fault("localhost", "localhost", "AirPlay Receiver answers there");
    assert!(fault.fix.contains("System Settings") && fault.fix.contains("wharf up --port"));
    airplay.join().unwrap();
    assert_whole(ground);
}

/// Made by hand, with a cluster on it already: nothing finds anything by name there.
fn network_without_dns(ground: &Ground) {
    command::run(&mut ground.podman(["network", "create", "--disable-dns", "kind"]));
    command::run(&mut ground.kind(["create", "cluster", "--name", CLUSTER, "--image", NODE_IMAGE]));
    let port = ground.port().to_string();
    let up = command::output(&mut ground.up(["--name", CLUSTER]));
    assert!(!up.status.success() && command::words(&up).contains("DNS"), "{}", command::words(&up));

    let seen = Doctor::ask(ground, &[]);
    let fault = seen.fault("network", "network kind", "has DNS turned off");
    assert!(!fault.mendable && fault.fix.contains("podman network rm kind"), "{}", fault.fix);
    // What can be done is done, and the rest is left to the user.
    let fixed = Doctor::ask(ground, &["--fix"]);
    fixed.fault("node-reach", "faults-control-plane", "the network kind has no DNS");

    for words in [
        ["rm", "--force", "--time=0", REGISTRY].as_slice(),
        &["rm", "--force", "--time=0", "--volumes", "faults-control-plane"],
        &["network", "rm", "kind"],
    ] {
        command::run(ground.podman([]).args(words));
    }
    let name = ["up", "--node-image", NODE_IMAGE, "--port", &port, "--name", CLUSTER];
    command::run(&mut ground.wharf(name));
    push(ground, super::IMAGE);
    assert_whole(ground);
}
