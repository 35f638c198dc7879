//! What is made of a cluster that stands, is missing or is half-made, by recorded answers.

use super::*;
use crate::process::recorded::{Answer, Recorded};
use crate::setup::site::tests::site;

const VERSION: (&str, Answer) = ("kind version", Ok(Vec::new()));

fn wanting(site: &mut Site, name: &str) {
    site.config.cluster = Cluster::Named(name.into(), NewCluster::default());
}

#[test]
fn versions_are_read() {
    assert_eq!(parsed("kind v0.32.0 go1.25.1 linux/amd64"), (0, 32));
    assert_eq!(parsed("kind v1.0.0-alpha+1 go1.25.1 linux/amd64"), (1, 0));
    assert_eq!(parsed("what"), (0, 0));
}

#[test]
fn nodes_inherit_a_proxy_that_does_not_stand_before_the_registry() {
    let environment = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    };
    let registry = "kind-registry:5000";
    assert_eq!(no_proxy(registry, &environment(&[("NO_PROXY", "a")])), None);
    let with = environment(&[("https_proxy", "http://p"), ("no_proxy", "a")]);
    assert_eq!(no_proxy(registry, &with).as_deref(), Some("a,kind-registry"));
    let covered = environment(&[("HTTP_PROXY", "http://p"), ("NO_PROXY", "kind-registry")]);
    assert_eq!(no_proxy(registry, &covered), None);
}

/// Docker, as Kind's other provider, is told by the same variable.
#[test]
fn kind_is_told_its_engine_and_network() {
    let recorded = std::sync::Arc::default();
    let mut site = crate::setup::site::tests::site_of(Kind::Docker, &recorded);
    let line = |site: &Site| kind(site, &["delete", "cluster"]).line();
    assert_eq!(line(&site), "KIND_EXPERIMENTAL_PROVIDER=docker kind delete cluster");
    site.config.network = "other".into();
    assert_eq!(
        line(&site),
        "KIND_EXPERIMENTAL_PROVIDER=docker KIND_EXPERIMENTAL_DOCKER_NETWORK=other kind delete cluster"
    );
}

#[test]
fn a_cluster_that_kind_cannot_make_leaves_nothing_in_the_books() {
    let why = "ERROR: failed to create cluster: … setting systemd property \"Delegate=yes\"";
    let (mut site, recorded) = site([
        ("podman ps", Ok(Vec::new())),
        VERSION,
        ("kind create cluster --name demo --config=-", Err(why.into())),
    ]);
    wanting(&mut site, "demo");
    let error = TheCluster.apply(&site).unwrap_err();
    assert_eq!(error.to_string(), "kind could not make the cluster demo");
    assert!(error.hint().unwrap().contains("user/rootless"));
    assert_eq!(site.receipt.made(), []);
    let inputs = recorded.inputs();
    assert!(str::from_utf8(&inputs[0]).unwrap().contains("config_path"));
}

#[test]
fn without_kind_a_cluster_stays_in_the_books_and_it_is_said_how_to_get_it() {
    const NODE: &str = r#"[{"Id": "1", "Name": "dev-control-plane", "State": {"Running": true},
        "Config": {"Labels": {"io.x-k8s.kind.cluster": "dev", "io.x-k8s.kind.role": "control-plane"}}}]"#;
    let (mut site, _) = site([
        ("podman ps", Ok("dev-control-plane\n".into())),
        ("podman container inspect", Ok(NODE.into())),
        ("kind delete cluster --name dev", Err(Recorded::ABSENT.into())),
    ]);
    let made = Made::Cluster { name: "dev".into() };
    site.note(made.clone()).unwrap();
    site.config.removal.clusters = true;
    let error = TheCluster.undo(&site).unwrap_err();
    assert_eq!(error.to_string(), "the program kind is not on the PATH");
    assert_eq!(error.hint(), how_to_get("kind"));
    assert!(site.receipt.has(&made));
}
