//! The last word: a real pull on every node. Done where it is asked for, and after something was mended,
//! as it pushes a tiny image into the registry and removes it again.

use crate::setup::{Finding, SetupError, Site, Step, in_cluster, node, proof};

/// The pull as a check.
#[derive(Debug)]
pub struct Pull;

impl Step for Pull {
    fn name(&self) -> &'static str {
        "pull"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let nodes = node::running(site)?;
        if nodes.is_empty() {
            return Ok(Vec::new());
        }
        if in_cluster::is_out_of_reach(site)? {
            let words =
                "was not tried: no port of this machine leads to the registry in the cluster";
            return Ok(vec![Finding::note("a tiny image", words)]);
        }
        let proof = proof::prove(site)?;
        let failed = proof.pulls.iter().filter_map(|pull| {
            let words = format!("cannot pull from {}: {}", pull.registry, pull.failure.as_ref()?);
            Some(Finding::fault(&pull.node, words).left_to_you("see what the other checks say"))
        });
        let failed: Vec<_> = failed.collect();
        Ok(match failed.is_empty() {
            true => vec![Finding::ok(
                "a tiny image",
                format!("was pulled by {}", node::count(nodes.len())),
            )],
            false => failed,
        })
    }

    fn apply(&self, _: &Site) -> Result<(), SetupError> {
        Ok(()) // it is a proof, and mends nothing
    }
}
