//! The promises, one function each.

use std::time::{Duration, Instant};

use crate::client::{self, Client};
use crate::cluster::Cluster;
use crate::command;
use crate::image;
use crate::ingest;
use crate::registry::Registry;
use crate::tree;

type Run = fn(&Cluster);

/// Every test with its name.
pub(crate) fn all() -> Vec<(&'static str, Run)> {
    vec![
        ("podman_pushes_and_a_node_runs_it", |cluster| {
            travels(cluster, Client::Podman, "by-podman")
        }),
        ("skopeo_pushes_and_a_node_runs_it", |cluster| {
            travels(cluster, Client::Skopeo, "by-skopeo")
        }),
        ("crane_pushes_and_a_node_runs_it", |cluster| travels(cluster, Client::Crane, "by-crane")),
        ("oras_pushes_and_a_node_runs_it", |cluster| travels(cluster, Client::Oras, "by-oras")),
        ("regctl_pushes_and_a_node_runs_it", |cluster| {
            travels(cluster, Client::Regctl, "by-regctl")
        }),
        ("a_node_pulls_by_the_name_on_the_host", a_node_pulls_by_the_name_on_the_host),
        ("a_missing_tag_is_not_found_to_a_node", a_missing_tag_is_not_found_to_a_node),
        ("the_registry_is_reached_over_ipv6_too", the_registry_is_reached_over_ipv6_too),
        ("the_image_checks_its_own_health", the_image_checks_its_own_health),
        ("a_restart_keeps_what_was_pushed", a_restart_keeps_what_was_pushed),
        ("podman_stop_ends_it_in_time_with_exit_0", podman_stop_ends_it_in_time_with_exit_0),
        ("registry_2_and_wharf_change_places", registry_2_and_wharf_change_places),
        (
            "ingest_brings_an_image_and_a_node_runs_it",
            ingest::ingest_brings_an_image_and_a_node_runs_it,
        ),
        ("ingest_works_while_podman_builds", ingest::ingest_works_while_podman_builds),
        (
            "ingest_of_an_image_that_is_removed_is_whole_or_nothing",
            ingest::ingest_of_an_image_that_is_removed_is_whole_or_nothing,
        ),
        ("ingest_needs_the_secret", ingest::ingest_needs_the_secret),
        (
            "ingest_has_mounts_that_cannot_be_written",
            ingest::ingest_has_mounts_that_cannot_be_written,
        ),
        ("an_awkward_tree_arrives_as_it_was_built", tree::an_awkward_tree_arrives_as_it_was_built),
        ("the_containerfile_builds_the_same_image", the_containerfile_builds_the_same_image),
    ]
}

/// The whole road of one client's push: every reader sees the digest that the client reported, every
/// layer is what its digest says, and a node pulls the image and runs the program in it.
fn travels(cluster: &Cluster, client: Client, repository: &str) {
    let host = cluster.registry().host();
    let pushed = client.push(cluster, &format!("{host}/{repository}:1"));

    let outside = format!("{host}/{repository}:1");
    assert_eq!(client::digest(cluster, &outside), pushed, "the digest of {outside}");
    client::validate(cluster, &outside);
    let configuration = format!("sha256:{}", cluster.podman().run(["pull", "--quiet", &outside]));

    let inside = format!("kind-registry:5000/{repository}:1");
    let node = cluster.node();
    let id = node.pull(&inside).unwrap();
    assert_eq!(id, configuration, "the node's ID of {inside}");
    assert_eq!(
        node.repository_digest(&format!("kind-registry:5000/{repository}"), &inside).as_deref(),
        Some(pushed.as_str()),
        "the node's digest of {inside}"
    );
    let printed = node.execute(&inside, &["/usr/local/bin/program", "--version"]);
    assert!(printed.starts_with("wharf "), "the program in {inside} printed {printed:?}");
    node.remove(&inside);
}

fn a_node_pulls_by_the_name_on_the_host(cluster: &Cluster) {
    let image = format!("{}/host-name:1", cluster.registry().host());
    let pushed = Client::Oras.push(cluster, &image);
    cluster.node().pull(&image).unwrap();
    let repository = format!("{}/host-name", cluster.registry().host());
    assert_eq!(cluster.node().repository_digest(&repository, &image), Some(pushed));
}

fn a_missing_tag_is_not_found_to_a_node(cluster: &Cluster) {
    let failed = cluster.node().pull("kind-registry:5000/nobody/pushed-this:1").unwrap_err();
    assert_eq!(failed.code, 5, "{failed:?}");
    assert!(failed.message.ends_with("not found"), "{failed:?}");
}

/// Kind's network has both families, and containers prefer IPv6.
fn the_registry_is_reached_over_ipv6_too(cluster: &Cluster) {
    for family in ["-4", "-6"] {
        let answer = cluster.podman().run([
            "exec",
            "wharf-control-plane",
            "curl",
            family,
            "-sS",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "http://kind-registry:5000/v2/",
        ]);
        assert_eq!(answer, "200", "curl {family}");
    }
}

/// The image has no shell and no curl; the program answers for itself.
fn the_image_checks_its_own_health(cluster: &Cluster) {
    cluster.podman().run(["exec", cluster.registry().name(), "/wharf", "healthcheck"]);

    // Where no registry listens it says so, by its exit code too.
    let arguments = ["run", "--rm", "--network", "none", cluster.wharf(), "healthcheck"];
    let output = command::output(&mut cluster.podman().podman(arguments));
    assert_eq!(output.status.code(), Some(1), "{}", command::words(&output));
}

fn a_restart_keeps_what_was_pushed(cluster: &Cluster) {
    let podman = cluster.podman();
    let registry = Registry::start(podman, cluster.wharf(), "restarted");
    let image = format!("{}/kept:1", registry.host());
    let pushed = Client::Oras.push(cluster, &image);

    podman.run(["restart", registry.name()]);
    registry.wait_until_ready();
    assert_eq!(client::digest(cluster, &image), pushed);
    client::validate(cluster, &image);
}

fn podman_stop_ends_it_in_time_with_exit_0(cluster: &Cluster) {
    let podman = cluster.podman();
    let registry = Registry::start(podman, cluster.wharf(), "stopped");
    let begun = Instant::now();
    podman.run(["stop", registry.name()]);
    // Podman kills what still runs after 10 s.
    assert!(begun.elapsed() < Duration::from_secs(8), "stopping took {:?}", begun.elapsed());
    let code = podman.run(["inspect", "--format", "{{.State.ExitCode}}", registry.name()]);
    assert_eq!(code, "0", "{}", registry.log());
}

/// One volume, one command line; only the image's name changes, there and back.
fn registry_2_and_wharf_change_places(cluster: &Cluster) {
    let registry = Registry::start(cluster.podman(), image::REGISTRY_2, "changing");
    let first = format!("{}/first:1", registry.host());
    let second = format!("{}/second:1", registry.host());

    let first_pushed = Client::Oras.push(cluster, &first);
    registry.change_image(cluster.wharf());
    assert_eq!(client::digest(cluster, &first), first_pushed);
    let second_pushed = Client::Regctl.push(cluster, &second);

    registry.change_image(image::REGISTRY_2);
    for (image, pushed) in [(first, first_pushed), (second, second_pushed)] {
        assert_eq!(client::digest(cluster, &image), pushed);
        client::validate(cluster, &image);
    }
}

/// The program is another build of it; everything around it is the same.
fn the_containerfile_builds_the_same_image(cluster: &Cluster) {
    let podman = cluster.podman();
    let built = image::build_wharf(podman);
    let of = |image: &str, field: &str| {
        let field = format!("{{{{json .Config.{field}}}}}");
        // Podman puts a PATH into every image that it builds.
        let path = "\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",";
        podman.run(["image", "inspect", "--format", &field, image]).replace(path, "")
    };
    for field in ["Entrypoint", "Cmd", "Env", "ExposedPorts", "Volumes", "WorkingDir", "StopSignal"]
    {
        assert_eq!(of(built, field), of(cluster.wharf(), field), "{field}");
    }
    let registry = Registry::start(podman, built, "built");
    podman.run(["exec", registry.name(), "/wharf", "healthcheck"]);
}
