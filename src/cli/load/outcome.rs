//! What came of a load: for a script, the name to write into a Kubernetes manifest, or all of it as
//! JSON; for a person, a line for the images and one for each node.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use wharf_oci::Digest;

use crate::cli::amount::{Bytes, Time};
use crate::demo::seconds;
use crate::load::names::{is_always_pulled, short};

/// All images and nodes of one command. Its `Display` form is the names for pods, one a line.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// The images, in the order of the command line.
    pub images: Vec<ImageOutcome>,
    /// The nodes, by name.
    pub nodes: Vec<NodeOutcome>,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// From the first question to the last answer.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub time: Duration,
}

/// An image.
#[derive(Debug, Serialize)]
pub struct ImageOutcome {
    /// As it was named.
    pub reference: String,
    /// The names that pods may call it by.
    pub pod_references: Vec<String>,
    /// The digest of its config, by which nodes tell images apart; none for an index.
    pub id: Option<Digest>,
    /// Where it came from.
    pub source: String,
}

/// A node.
#[derive(Debug, Serialize)]
pub struct NodeOutcome {
    /// Its name.
    pub node: String,
    /// Its cluster.
    pub cluster: String,
    /// Whether it had everything.
    pub unchanged: bool,
    /// Bytes that it was sent, or would be: of layers, configs and manifests.
    pub sent_bytes: u64,
    /// How many layers these were.
    pub sent_layers: usize,
    /// How many layers there are in all.
    pub layers: usize,
    /// Why it does not have the images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = |image: &ImageOutcome| image.pod_references.first().cloned();
        self.images.iter().filter_map(first).try_for_each(|name| writeln!(f, "{name}"))
    }
}

impl Outcome {
    /// The lines for a person.
    pub fn words(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.images.iter().flat_map(ImageOutcome::words).collect();
        lines.extend(self.nodes.iter().map(|node| node.words(self.dry_run)));
        let good = self.nodes.iter().filter(|node| node.error.is_none()).count();
        if !self.dry_run && good > 0 {
            let nodes = if good == 1 { "1 node".to_owned() } else { format!("{good} nodes") };
            lines.push(format!("on {nodes} in {}", Time(self.time)));
        }
        lines
    }
}

impl ImageOutcome {
    fn words(&self) -> Vec<String> {
        let written: Vec<_> =
            self.pod_references.iter().map(|name| format!("`image: {}`", short(name))).collect();
        let mut lines = vec![format!("{}: pods write {}", self.reference, written.join(" or "))];
        if self.pod_references.iter().any(|name| is_always_pulled(name)) {
            lines.push(
                "  of `:latest` they need `imagePullPolicy: IfNotPresent` too, or Kubernetes pulls it \
                 from a registry"
                    .to_owned(),
            );
        }
        lines
    }
}

impl NodeOutcome {
    fn words(&self, dry_run: bool) -> String {
        let there = self.layers - self.sent_layers.min(self.layers);
        match (&self.error, self.unchanged) {
            (Some(error), _) => format!("{}: {error}", self.node),
            (None, true) => format!("{}: there already", self.node),
            (None, false) => format!(
                "{}: {} {}, {} of {} layers{}",
                self.node,
                if dry_run { "would be sent" } else { "sent" },
                Bytes(self.sent_bytes),
                self.sent_layers,
                self.layers,
                if there > 0 { ", the others were there" } else { "" }
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, sent_layers: usize, error: Option<&str>) -> NodeOutcome {
        NodeOutcome {
            node: name.into(),
            cluster: "demo".into(),
            unchanged: sent_layers == 0,
            sent_bytes: 1_200_000,
            sent_layers,
            layers: 3,
            error: error.map(str::to_owned),
        }
    }

    fn outcome(names: &[&str], nodes: Vec<NodeOutcome>) -> Outcome {
        let image = ImageOutcome {
            reference: "app".into(),
            pod_references: names.iter().map(|name| (*name).to_owned()).collect(),
            id: None,
            source: "a test".into(),
        };
        Outcome { images: vec![image], nodes, dry_run: false, time: Duration::from_millis(210) }
    }

    #[test]
    fn a_script_gets_the_full_name_for_a_pod() {
        let outcome = outcome(&["docker.io/library/app:1", "localhost/app:1"], Vec::new());
        assert_eq!(outcome.to_string(), "docker.io/library/app:1\n");
        assert_eq!(outcome.words(), ["app: pods write `image: app:1` or `image: localhost/app:1`"]);
    }

    #[test]
    fn a_person_is_told_of_every_node() {
        let nodes = vec![
            node("a", 1, None),
            node("b", 0, None),
            node("c", 3, None),
            node("d", 0, Some("no")),
        ];
        let mut outcome = outcome(&["ghcr.io/me/app:latest"], nodes);
        let words = outcome.words();
        assert!(words[1].contains("imagePullPolicy: IfNotPresent"), "{}", words[1]);
        assert_eq!(
            words[2..],
            [
                "a: sent 1.2 MB, 1 of 3 layers, the others were there",
                "b: there already",
                "c: sent 1.2 MB, 3 of 3 layers",
                "d: no",
                "on 3 nodes in 210.0 ms"
            ]
        );
        outcome.dry_run = true;
        assert!(outcome.words()[2].starts_with("a: would be sent 1.2 MB"));
    }
}
