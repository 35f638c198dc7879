//! The volumes of nodes: under Podman, Kind makes one before each node, and a run that is killed between the
//! two leaves one of which nobody knows, as Kind looks for them by their nodes.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::setup::engine::Kind;
use crate::setup::node;
use crate::setup::{SetupError, Site};

/// A volume as `podman volume ls` shows it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Volume {
    name: String,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// Removes the volumes that were made for nodes of a cluster that are not there.
///
/// # Errors
/// The engine cannot be asked, or refuses.
pub(super) fn remove_left(site: &Site, cluster: &str) -> Result<(), SetupError> {
    if site.engine.kind() != Kind::Podman {
        return Ok(());
    }
    let said = site.hand().ask(&site.engine.program(["volume", "ls", "--format", "json"]))?;
    let nodes = node::all(site)?;
    let is_left =
        |label: &String| is_node(label, cluster) && nodes.iter().all(|node| node.name() != label);
    for Volume { name, labels } in listed(&said) {
        if labels.unwrap_or_default().keys().any(is_left) {
            site.engine.act(["volume", "rm", &name])?;
        }
    }
    Ok(())
}

fn listed(said: &[u8]) -> Vec<Volume> {
    serde_json::from_slice(said).unwrap_or_default()
}

/// Whether a label is one that Kind gives the volume of a node: the node's name.
fn is_node(label: &str, cluster: &str) -> bool {
    let role = label.strip_prefix(cluster).and_then(|rest| rest.strip_prefix('-'));
    let number =
        role.and_then(|it| it.strip_prefix("control-plane").or_else(|| it.strip_prefix("worker")));
    number.is_some_and(|it| it.bytes().all(|it| it.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::site::tests::site;

    #[test]
    fn a_volume_is_known_by_its_node() {
        for (label, is_it) in [
            ("dev-control-plane", true),
            ("dev-control-plane2", true),
            ("dev-worker10", true),
            ("dev", false),
            ("dev-data", false),
            ("dev-worker-data", false),
            ("dev2-worker", false),
        ] {
            assert_eq!(is_node(label, "dev"), is_it, "{label}");
        }
    }

    #[test]
    fn only_what_was_made_for_a_node_that_is_not_there_is_removed() {
        let volumes = r#"[{"Name":"1","Labels":{"dev-worker":"true"}},{"Name":"2","Labels":{}},
            {"Name":"3","Labels":null},{"Name":"4","Labels":{"other-worker":"true"}}]"#;
        let (site, recorded) = site([
            ("podman volume ls", Ok(volumes.into())),
            ("podman ps", Ok(Vec::new())),
            ("podman volume rm", Ok(Vec::new())),
        ]);
        remove_left(&site, "dev").unwrap();
        let lines = recorded.lines();
        let removed: Vec<_> = lines.iter().filter(|line| line.contains(" rm ")).collect();
        assert_eq!(removed, ["podman volume rm 1"]);
    }
}
