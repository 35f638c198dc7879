//! Whether the registry is in Podman's other engine: rootful and rootless are two, each with its own
//! containers, and after `podman machine set --rootful` everything of the other seems gone.

use crate::setup::engine::Kind;
use crate::setup::machine::{self, Connection};
use crate::setup::{Finding, SetupError, Site, Step};

/// The connections as a check.
#[derive(Debug)]
pub struct Connections;

impl Step for Connections {
    fn name(&self) -> &'static str {
        "connections"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        if site.engine.kind() != Kind::Podman {
            return Ok(Vec::new());
        }
        let others: Vec<_> = machine::connections(&site.engine)?
            .into_iter()
            .filter(|connection| !connection.is_default)
            .collect();
        if others.is_empty() || site.engine.container(&site.config.registry)?.is_some() {
            return Ok(vec![Finding::ok("podman", "one engine has it all")]);
        }
        Ok(match others.iter().find(|other| has_registry(site, other)) {
            None => vec![Finding::ok("podman", "no other connection has the registry")],
            Some(other) => vec![elsewhere(site, other)],
        })
    }

    fn apply(&self, _: &Site) -> Result<(), SetupError> {
        Ok(()) // which engine is the right one, only the user knows
    }
}

fn has_registry(site: &Site, other: &Connection) -> bool {
    let words = ["--connection", &other.name, "container", "inspect", &site.config.registry];
    site.hand().ask(&site.engine.program(words)).is_ok()
}

fn elsewhere(site: &Site, other: &Connection) -> Finding {
    let (registry, name) = (&site.config.registry, &other.name);
    let rights = if other.is_rootful() { "rootful" } else { "rootless" };
    Finding::fault(
        registry,
        format!("is in another engine, the {rights} one of the connection {name}, with its images"),
    )
    .left_to_you(format!(
        "go back to it: `podman system connection default {name}`; or leave it there, and let \
         `wharf up` make one here"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::site::tests::site;

    const TWO: &str = r#"[
        {"Name":"podman-machine-default","URI":"ssh://core@127.0.0.1:53412/run/user/501/podman/podman.sock","Default":false},
        {"Name":"podman-machine-default-root","URI":"ssh://root@127.0.0.1:53412/run/podman/podman.sock","Default":true}]"#;
    const NONE: &str = "Error: no such container kind-registry";

    #[test]
    fn a_registry_in_the_other_engine_is_found() {
        let (site, _) = site([
            ("podman system connection list", Ok(TWO.into())),
            ("podman container inspect kind-registry", Err(NONE.into())),
            ("podman --connection podman-machine-default container inspect", Ok("[{}]".into())),
        ]);
        let found = Connections.check(&site).unwrap();
        assert!(found[0].is_fault() && !found[0].mendable, "{found:?}");
        assert!(
            found[0].words.contains("the rootless one of the connection podman-machine-default")
        );
    }

    #[test]
    fn one_that_is_nowhere_is_no_matter_of_connections() {
        let (site, _) = site([
            ("podman system connection list", Ok(TWO.into())),
            ("podman container inspect kind-registry", Err(NONE.into())),
            ("podman --connection podman-machine-default container inspect", Err(NONE.into())),
        ]);
        assert!(!Connections.check(&site).unwrap()[0].is_fault());
    }
}
