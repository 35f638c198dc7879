//! The configuration of a cluster, as `kind create cluster` reads it: the nodes, and the patch with which
//! containerd reads hosts.toml. To a file of the user's that patch is added, and nothing else. Pure.

use thiserror::Error;
use yaml_serde::{Mapping, Value};

use crate::setup::config::NewCluster;
use crate::setup::node::Role;
use crate::setup::node::inside::CERTS_D;

/// What a cluster is to be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blueprint {
    /// The text for `kind create cluster --config=-`.
    pub(super) text: String,
    /// The name that the user's file has for it.
    pub(super) name: Option<String>,
    /// Its nodes, by what they are for.
    pub(super) roles: Vec<Role>,
}

/// Why there is no telling.
#[derive(Debug, Error)]
pub(super) enum BlueprintError {
    #[error("it is no YAML: {0}")]
    Yaml(#[from] yaml_serde::Error),
    #[error("it is no configuration of a cluster: it has no fields")]
    Shape,
    #[error("its {0} is no list")]
    List(&'static str),
}

/// The beginning of every configuration.
const HEAD: &str = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n";
/// The version of Kind from which on a patch is for one version of containerd's configuration alone.
const VERSIONED_PATCHES: (u32, u32) = (0, 32);

/// The configuration of a new cluster, for a version of Kind.
pub(super) fn draw(new: &NewCluster, kind: (u32, u32)) -> Blueprint {
    let mut text = format!("{HEAD}nodes:\n- role: control-plane\n");
    if let Some((host, node)) = new.port_mapping {
        text.push_str(&format!(
            "  extraPortMappings:\n  - containerPort: {node}\n    hostPort: {host}\n    \
             listenAddress: 127.0.0.1\n"
        ));
    }
    text.push_str(&"- role: worker\n".repeat(new.workers.into()));
    text.push_str("containerdConfigPatches:\n");
    for patch in patches(kind) {
        text.push_str(&format!("- |-\n  {}\n", patch.replace('\n', "\n  ")));
    }
    let workers = (0..new.workers).map(|_| Role::Worker);
    let roles = std::iter::once(Role::ControlPlane).chain(workers).collect();
    Blueprint { text, name: None, roles }
}

/// The same out of a file of the user's.
pub(super) fn complete(
    file: &str,
    new: &NewCluster,
    kind: (u32, u32),
) -> Result<Blueprint, BlueprintError> {
    let mut document: Mapping = match yaml_serde::from_str(file)? {
        Value::Mapping(document) => document,
        _ => return Err(BlueprintError::Shape),
    };
    let name = document.get("name").and_then(Value::as_str).map(str::to_owned);
    let nodes = list(&mut document, "nodes")?;
    if nodes.is_empty() {
        nodes.push(Value::Mapping(fields([("role", "control-plane".into())])));
    }
    let roles = nodes.iter().map(role).collect();
    if let Some((host, node)) = new.port_mapping {
        map_port(nodes, host, node)?;
    }
    let stated = list(&mut document, "containerdConfigPatches")?;
    let says = |word: &str| stated.iter().any(|it| it.as_str().is_some_and(|it| it.contains(word)));
    // Mirrors of the older kind and config_path together stop containerd: they are converted later.
    if !says(CERTS_D) && !says("registry.mirrors") {
        stated.extend(patches(kind).into_iter().map(Value::from));
    }
    if stated.is_empty() {
        document.remove("containerdConfigPatches");
    }
    Ok(Blueprint { text: yaml_serde::to_string(&document)?, name, roles })
}

/// What a node of the user's is for; Kind's default is a control plane.
fn role(node: &Value) -> Role {
    match node.as_mapping().and_then(|it| it.get("role")).and_then(Value::as_str) {
        Some("worker") => Role::Worker,
        _ => Role::ControlPlane,
    }
}

/// The patches that have containerd read hosts.toml.
fn patches(kind: (u32, u32)) -> Vec<String> {
    let mut patches = vec![format!(
        "[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"{CERTS_D}\""
    )];
    if kind >= VERSIONED_PATCHES {
        patches.push(format!(
            "version = 3\n[plugins.\"io.containerd.cri.v1.images\".registry]\n  \
             config_path = \"{CERTS_D}\""
        ));
    }
    patches
}

/// Leads a port of the loopback to one of the first control plane.
fn map_port(nodes: &mut [Value], host: u16, node: u16) -> Result<(), BlueprintError> {
    let mut heads = nodes.iter_mut().filter(|it| role(it) == Role::ControlPlane);
    let Some(first) = heads.find_map(Value::as_mapping_mut) else { return Ok(()) };
    let mappings = list(first, "extraPortMappings")?;
    mappings.push(Value::Mapping(fields([
        ("containerPort", node.into()),
        ("hostPort", host.into()),
        ("listenAddress", "127.0.0.1".into()),
    ])));
    Ok(())
}

fn list<'a>(
    document: &'a mut Mapping,
    name: &'static str,
) -> Result<&'a mut Vec<Value>, BlueprintError> {
    let stated = document.entry(name.into()).or_insert(Value::Null);
    if stated.is_null() {
        *stated = Value::Sequence(Vec::new());
    }
    stated.as_sequence_mut().ok_or(BlueprintError::List(name))
}

fn fields<const N: usize>(fields: [(&str, Value); N]) -> Mapping {
    fields.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: (u32, u32) = (0, 31);
    const NEW: (u32, u32) = (0, 32);

    fn parsed(text: &str) -> Value {
        yaml_serde::from_str(text).unwrap()
    }

    #[test]
    fn a_new_cluster_reads_hosts_toml() {
        let new = NewCluster { workers: 2, ..NewCluster::default() };
        let drawn = draw(&new, OLD);
        assert_eq!(drawn.roles, [Role::ControlPlane, Role::Worker, Role::Worker]);
        assert_eq!(
            drawn.text,
            r#"kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
- role: control-plane
- role: worker
- role: worker
containerdConfigPatches:
- |-
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
"#
        );
    }

    #[test]
    fn a_newer_kind_gets_a_patch_for_newer_nodes_too() {
        let new = NewCluster { port_mapping: Some((5001, 30500)), ..NewCluster::default() };
        let drawn = parsed(&draw(&new, NEW).text);
        let patches: Vec<_> =
            drawn["containerdConfigPatches"].as_sequence().unwrap().iter().collect();
        let tables: Vec<toml::Table> =
            patches.iter().map(|it| it.as_str().unwrap().parse().unwrap()).collect();
        assert_eq!(tables.len(), 2);
        assert_eq!(tables[1]["version"].as_integer(), Some(3));
        let registry = &tables[1]["plugins"]["io.containerd.cri.v1.images"]["registry"];
        assert_eq!(registry["config_path"].as_str(), Some(CERTS_D));
        let mapping = &drawn["nodes"][0]["extraPortMappings"][0];
        assert_eq!(
            (mapping["containerPort"].as_u64(), mapping["hostPort"].as_u64()),
            (Some(30500), Some(5001))
        );
        assert_eq!(mapping["listenAddress"].as_str(), Some("127.0.0.1"));
    }

    #[test]
    fn to_a_users_file_our_patch_is_added_and_no_more() {
        let file = r#"
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
name: mine
featureGates: {"A": true}
nodes:
- role: worker
- role: control-plane
  extraPortMappings: [{containerPort: 80, hostPort: 8080}]
containerdConfigPatches:
- |-
  [debug]
    level = "debug"
"#;
        let new = NewCluster { port_mapping: Some((5001, 30500)), ..NewCluster::default() };
        let completed = complete(file, &new, OLD).unwrap();
        assert_eq!((completed.roles.len(), completed.name.as_deref()), (2, Some("mine")));
        let mut document = parsed(&completed.text);
        let patches = document["containerdConfigPatches"].as_sequence_mut().unwrap();
        assert!(patches.pop().unwrap().as_str().unwrap().contains(CERTS_D));
        let ports = document["nodes"][1]["extraPortMappings"].as_sequence_mut().unwrap();
        assert_eq!(ports.pop().unwrap()["hostPort"].as_u64(), Some(5001));
        assert_eq!(document, parsed(file));
    }

    #[test]
    fn a_file_that_reads_hosts_toml_or_has_mirrors_gets_no_patch() {
        for patch in ["config_path = '/etc/containerd/certs.d'", "[a.registry.mirrors]"] {
            let file = format!("{HEAD}containerdConfigPatches:\n- \"{patch}\"\n");
            let document = parsed(&complete(&file, &NewCluster::default(), NEW).unwrap().text);
            assert_eq!(document["containerdConfigPatches"].as_sequence().unwrap().len(), 1);
        }
    }

    #[test]
    fn what_is_no_configuration_is_told() {
        for (file, words) in [
            ("a: [", "no YAML"),
            ("text", "no configuration"),
            ("nodes: 3", "nodes is no list"),
            ("containerdConfigPatches: 3", "containerdConfigPatches is no list"),
        ] {
            let error = complete(file, &NewCluster::default(), NEW).unwrap_err().to_string();
            assert!(error.contains(words), "{file}: {error}");
        }
        let alone = complete(HEAD, &NewCluster::default(), NEW).unwrap();
        assert_eq!(alone.roles, [Role::ControlPlane]);
    }
}
