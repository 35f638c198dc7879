//! `wharf up` and `wharf down` as a whole: from nothing to programs that run on every node, and back; twice;
//! only told; without Kind; several clusters, and several registries.

use std::process::Command;

use serde_json::Value;

use crate::Run;
use crate::command;
use crate::ground::{Ground, NODE_IMAGE};
use crate::inventory::Inventory;
use crate::machine;
use crate::watched::Call;

pub(crate) fn trials() -> Vec<(&'static str, Run)> {
    vec![
        ("from_nothing_to_a_running_program_and_back", from_nothing_to_a_running_program_and_back),
        ("up_again_changes_nothing", up_again_changes_nothing),
        ("a_dry_run_tells_what_would_be_done", a_dry_run_tells_what_would_be_done),
        ("without_kind_there_is_a_registry", without_kind_there_is_a_registry),
        ("down_leaves_what_it_did_not_make", down_leaves_what_it_did_not_make),
        ("several_clusters_have_one_registry", several_clusters_have_one_registry),
        ("two_registries_stand_side_by_side", two_registries_stand_side_by_side),
    ]
}

/// Both names of an image of the registry, on any node.
fn names(ground: &Ground, image: &str) -> [String; 2] {
    [format!("kind-registry:5000/{image}"), format!("{}/{image}", ground.registry())]
}

/// Pulls an image on every node under both names, runs its program, and forgets it.
pub(crate) fn runs_everywhere(ground: &Ground, cluster: &str, image: &str, greeting: &str) {
    for node in ground.nodes(cluster) {
        for name in names(ground, image) {
            ground.pull(&node, &name).unwrap_or_else(|status| panic!("{node}: {name}: {status:?}"));
            assert_eq!(ground.greeting(&node, &name), greeting, "{name} on {node}");
            ground.containerd(&node).remove(&name);
        }
    }
}

/// Builds an image, pushes it by a road, and returns its name without a registry.
pub(crate) fn push(ground: &Ground, image: &str, greeting: &str, road: &str) {
    ground.build_greeter(&format!("localhost/{image}"), greeting);
    let registry = ground.registry();
    let push = ["push", "--quiet", "--via", road, "--registry", &registry, image];
    let printed = command::run(&mut ground.wharf(push));
    assert_eq!(printed, format!("kind-registry:5000/{image}"));
    command::run(&mut ground.podman(["rmi", &format!("localhost/{image}")]));
}

/// The checks of the doctor that found a fault; none if all is well.
pub(crate) fn faults(ground: &Ground) -> Vec<String> {
    faults_of(ground, "kind-registry")
}

/// The same of the setup of one registry.
fn faults_of(ground: &Ground, registry: &str) -> Vec<String> {
    faults_told_by(&mut ground.wharf(["doctor", "--json", "--registry-name", registry]))
}

/// The same of what a command of the doctor says in JSON.
pub(crate) fn faults_told_by(doctor: &mut Command) -> Vec<String> {
    let output = command::output(doctor);
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", command::words(&output)));
    let mut faults = Vec::new();
    for check in said.as_array().expect("a list of checks") {
        let found = check["findings"].as_array().expect("a list of findings").iter();
        let found = found.filter(|finding| finding["level"] == "fault");
        faults.extend(found.map(|finding| format!("{}: {finding}", check["check"])));
    }
    assert_eq!(faults.is_empty(), output.status.success(), "{}", command::words(&output));
    faults
}

fn from_nothing_to_a_running_program_and_back(ground: &Ground) {
    let before = ground.inventory();
    let up = command::run(&mut ground.up(["--workers", "2"]));
    for word in ["kind-registry", &ground.registry(), "mcp-cluster-worker2", "wired"] {
        assert!(up.contains(word), "no {word} in\n{up}");
    }
    assert_eq!(ground.nodes("mcp-cluster").len(), 3);

    push(ground, "streamed:1", "by stream", "stream");
    runs_everywhere(ground, "mcp-cluster", "streamed:1", "by stream");
    push(ground, "ingested:1", "by ingest", "ingest");
    runs_everywhere(ground, "mcp-cluster", "ingested:1", "by ingest");

    let status: Value =
        serde_json::from_str(&command::run(&mut ground.wharf(["status", "--json"]))).unwrap();
    assert_eq!(status["registry"]["host"], ground.registry());
    assert_eq!(status["registry"]["ingest"], true);
    assert!(status["registry"]["usage"]["blobs"].as_u64().unwrap() >= 4, "{status}");
    assert!(status["nodes"].as_array().unwrap().iter().all(|node| node["wired"] == true));
    assert_eq!(faults(ground), [""; 0]);

    ground.build_greeter("localhost/loaded:1", "by load");
    command::run(&mut ground.wharf(["load", "loaded:1"]));
    for node in ground.nodes("mcp-cluster") {
        assert_eq!(ground.greeting(&node, "docker.io/library/loaded:1"), "by load");
    }
    command::run(&mut ground.podman(["rmi", "localhost/loaded:1"]));

    // What can be made again goes; data, cluster and image only where they are named.
    command::run(&mut ground.wharf(["down"]));
    assert_eq!(ground.nodes("mcp-cluster").len(), 3);
    command::run(&mut ground.wharf(["down", "--delete-cluster"]));
    let kept = [
        "+ volume kind-registry-data",
        "+ image localhost/wharf:",
        "+ file .local/state/wharf/setup-kind-registry.json", // which says so
    ];
    but_for(&before, &ground.inventory(), &kept, &NOT_OURS);
    command::run(&mut ground.wharf(["down", "--data", "--image"]));
    but_for(&before, &ground.inventory(), &[], &NOT_OURS);
}

/// What may stay: `wharf push` remembers digests, Kind keeps its kubeconfig, and Podman what an image was
/// built of.
pub(crate) const NOT_OURS: [&str; 4] =
    ["+ file .cache", "+ file .kube/config", "+ image localhost/<none>", "+ image <none>"];

/// The machine is as it was, but for what must have come, and what may have.
#[track_caller]
pub(crate) fn but_for(before: &Inventory, after: &Inventory, must: &[&str], may: &[&str]) {
    let mut changes = before.changes(after);
    changes.retain(|change| !may.iter().any(|may| change.starts_with(may)));
    for must in must {
        assert!(changes.iter().any(|change| change.starts_with(must)), "no {must}: {changes:#?}");
    }
    changes.retain(|change| !must.iter().any(|must| change.starts_with(must)));
    assert!(changes.is_empty(), "the machine is not as it was: {changes:#?}");
}

fn up_again_changes_nothing(ground: &Ground) {
    command::run(&mut ground.up(["--workers", "1"]));
    let before = ground.inventory();
    for options in [["--workers", "1"], ["--name", "mcp-cluster"]] {
        ground.forget_calls();
        command::run(&mut ground.up(options));
        assert_eq!(ground.changes(), []);
        before.assert_same(&ground.inventory(), &[]);
        // Each call costs a tenth of a second: these are all it takes.
        let calls = ground.calls();
        assert!(calls.len() <= 16, "{calls:#?}");
    }
}

fn a_dry_run_tells_what_would_be_done(ground: &Ground) {
    let before = ground.inventory();
    ground.forget_calls();
    let told = command::run(&mut ground.up(["--dry-run", "--workers", "1"]));
    assert_eq!(ground.changes(), []);
    before.assert_same(&ground.inventory(), &[]);
    for expected in [
        "podman network create",
        "podman load",
        "podman secret create",
        "podman run --detach --name kind-registry",
        "kind create cluster",
        "hosts.toml",
        "local-registry-hosting",
    ] {
        assert!(told.contains(expected), "no `{expected}` in\n{told}");
    }
    let output = command::output(&mut ground.up(["--verbose", "--workers", "1"]));
    let words = command::words(&output);
    assert!(output.status.success(), "{words}");
    let done: Vec<_> = ground.changes().into_iter().filter(|it| it.caller == "wharf").collect();
    assert!(done.len() > 12, "{done:#?}");
    for call in &done {
        assert!(is_shown(call, &words, "+ "), "-v did not show {call} in\n{words}");
        // The proof is no part of what will stand.
        let is_proof = call.arguments.iter().any(|word| word == "crictl");
        assert!(is_proof || is_shown(call, &told, ""), "{call} was not told in\n{told}");
    }
}

/// Whether a call is one of those that are shown, each after a sign and with every word, but for the number
/// that a secret is given.
fn is_shown(call: &Call, shown: &str, sign: &str) -> bool {
    let words = std::iter::once(&call.program).chain(&call.arguments).map(String::as_str);
    let line = unnumbered(&shlex::try_join(words).expect("no zero byte in it"));
    let shown = unnumbered(&format!("\n{shown}\n"));
    let beginnings = ["", "KIND_EXPERIMENTAL_PROVIDER=podman "];
    // What it reads comes after it.
    let ends = ["\n", " <"];
    let forms = beginnings.iter().flat_map(|it| ends.map(|end| format!("\n{sign}{it}{line}{end}")));
    forms.into_iter().any(|form| shown.contains(&form))
}

/// A text without the numbers of secrets.
fn unnumbered(text: &str) -> String {
    const NAME: &str = "kind-registry-ingest-";
    let mut parts = text.split(NAME);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        // A dry run makes none, and shows a word in its place.
        let rest = part.strip_prefix("HASH");
        text + NAME + rest.unwrap_or(part.trim_start_matches(|it: char| it.is_ascii_hexdigit()))
    })
}

fn without_kind_there_is_a_registry(ground: &Ground) {
    let mut up = ground.up([]);
    ground.hide(&mut up, &["kind"]);
    let output = command::output(&mut up);
    assert!(output.status.success(), "{}", command::words(&output));
    let words = command::words(&output);
    assert!(words.contains("kind") && words.contains("go install sigs.k8s.io/kind"), "{words}");
    push(ground, "alone:1", "without a cluster", "stream");
}

fn down_leaves_what_it_did_not_make(ground: &Ground) {
    command::run(&mut ground.podman(["volume", "create", "kind-registry-data"]));
    command::run(&mut ground.kind(["create", "cluster", "--name", "mine", "--image", NODE_IMAGE]));
    let node = ground.nodes("mine")[0].clone();
    ground.on_node(&node, "mkdir -p /etc/containerd/certs.d/other:5000 && echo '# mine' >/etc/containerd/certs.d/other:5000/hosts.toml");
    let config = ground.on_node(&node, "cat /etc/containerd/config.toml");
    let before = ground.inventory();
    command::run(&mut ground.up([]));
    command::run(&mut ground.wharf(["down", "--delete-cluster", "--image"]));
    assert_eq!(ground.nodes("mine"), std::slice::from_ref(&node));
    assert_eq!(ground.on_node(&node, "ls /etc/containerd/certs.d"), "other:5000");
    assert_eq!(ground.on_node(&node, "cat /etc/containerd/config.toml"), config);
    before.assert_same(&ground.inventory(), &[]);
    // Twice is fine, and with nothing there, too.
    command::run(&mut ground.wharf(["down", "--delete-cluster", "--image"]));
    before.assert_same(&ground.inventory(), &[]);
}

fn several_clusters_have_one_registry(ground: &Ground) {
    command::run(&mut ground.up(["--name", "one"]));
    command::run(&mut ground.up(["--name", "two", "--workers", "1"]));
    push(ground, "shared:1", "for both", "stream");
    runs_everywhere(ground, "one", "shared:1", "for both");
    runs_everywhere(ground, "two", "shared:1", "for both");
    // A cluster that is made anew is wired by the next run.
    command::run(&mut ground.kind(["delete", "cluster", "--name", "two"]));
    command::run(&mut ground.kind(["create", "cluster", "--name", "two", "--image", NODE_IMAGE]));
    command::run(&mut ground.up(["--no-cluster"]));
    runs_everywhere(ground, "two", "shared:1", "for both");
}

fn two_registries_stand_side_by_side(ground: &Ground) {
    let before = ground.inventory();
    command::run(&mut ground.up([]));
    let port = machine::free_port().to_string();
    command::run(&mut ground.wharf(["up", "--registry-name", "other", "--port", &port]));
    push(ground, "first:1", "by the first", "stream");
    let host = format!("localhost:{port}");
    ground.build_greeter("localhost/second:1", "by the second");
    let send = ["push", "--quiet", "--registry", &host, "--pod-registry", "other:5000", "second:1"];
    assert_eq!(command::run(&mut ground.wharf(send)), "other:5000/second:1");
    command::run(&mut ground.podman(["rmi", "localhost/second:1"]));

    let node = "mcp-cluster-control-plane";
    let second_runs = || {
        for name in ["other:5000/second:1", &format!("{host}/second:1")] {
            ground.pull(node, name).unwrap_or_else(|status| panic!("{name}: {status:?}"));
            assert_eq!(ground.greeting(node, name), "by the second", "{name}");
            ground.containerd(node).remove(name);
        }
    };
    runs_everywhere(ground, "mcp-cluster", "first:1", "by the first");
    second_runs();
    for registry in ["kind-registry", "other"] {
        assert_eq!(faults_of(ground, registry), [""; 0]);
    }
    let both = ground.inventory();
    let volumes = ["+ volume kind-registry-data", "+ volume other-data"];
    let changes = before.changes(&both);
    assert!(volumes.iter().all(|it| changes.iter().any(|change| change == it)), "{changes:#?}");

    // The first, which made the network and the image, goes as far as the second does not need it.
    command::run(&mut ground.wharf(["down", "--data", "--image"]));
    let gone =
        ["- container kind-registry", "- volume kind-registry-data", "- secret kind-registry-"];
    let receipts = ["~ file .local/state/wharf/setup-"];
    both.assert_same(&ground.inventory(), &[&gone[..], &receipts].concat());
    second_runs();
    // To tools a cluster names one registry: the second one's turn comes with its next run.
    let faults = faults_of(ground, "other");
    assert!(faults.len() == 1 && faults[0].contains("local-registry-hosting"), "{faults:#?}");
    command::run(&mut ground.wharf(["up", "--registry-name", "other"]));
    assert_eq!(faults_of(ground, "other"), [""; 0]);

    command::run(&mut ground.wharf(["down", "--registry-name", "other", "--data"]));
    command::run(&mut ground.wharf(["down", "--delete-cluster", "--image"]));
    but_for(&before, &ground.inventory(), &[], &NOT_OURS);
}
