//! The nodes run, and containerd on them: Kind has the engine start none again after a reboot.

use super::config::Cluster;
use super::node::{self, CLUSTER_LABEL, Inside, Node, ROLE_LABEL, containerd};
use super::{Finding, SetupError, Site, Step};
use crate::setup::engine::Container;

/// The step.
#[derive(Debug)]
pub struct RunningNodes;

/// The role of what Kind puts before several control planes. It is no node, but nothing goes without.
const LOAD_BALANCER: &str = "external-load-balancer";

impl Step for RunningNodes {
    fn name(&self) -> &'static str {
        "nodes"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let mut found = Vec::new();
        for container in standing(site)? {
            found.push(match is_wanted(site, &container) {
                true if container.is_paused => {
                    Finding::fault(&container.name, "is paused").mended_by("go on with it")
                }
                true => Finding::fault(&container.name, "stands still").mended_by("start it"),
                false => Finding::note(
                    &container.name,
                    "stands still, and is of another cluster than the one asked for: it is not wired",
                ),
            });
        }
        let looked = node::look_into_each(site, |node| Ok(Inside::read(site, node)?))?;
        for (node, _) in looked.seen.iter().filter(|(_, inside)| !inside.is_containerd_running) {
            found.push(
                Finding::fault(node.name(), "runs no containerd").mended_by("start containerd"),
            );
        }
        found.extend(looked.faults);
        if found.is_empty() && !looked.seen.is_empty() {
            let words = format!("all run: {}", node::count(looked.seen.len()));
            found.push(Finding::ok("nodes", words));
        }
        Ok(found)
    }

    fn apply(&self, site: &Site) -> Result<(), SetupError> {
        let standing: Vec<_> =
            standing(site)?.into_iter().filter(|it| is_wanted(site, it)).collect();
        let mut failure = None;
        for container in &standing {
            if let Err(error) = site.engine.start(container) {
                let error = node::unchanged(site, &container.name, error.into());
                failure = failure.or(Some(error));
            }
        }
        let was_standing = |node: &Node| standing.iter().any(|it| it.name == node.name());
        let changed =
            node::change_each(site, &node::running(site)?, |node| match was_standing(node) {
                true => containerd::wait(site, node),
                false if Inside::read(site, node)?.is_containerd_running => Ok(()),
                false => containerd::reload(site, node),
            });
        // What was seen while they started is old.
        site.hand().forget();
        failure.map_or(changed, Err)
    }
}

/// What belongs to a cluster and does not run.
fn standing(site: &Site) -> Result<Vec<Container>, SetupError> {
    let of_cluster = site.engine.labelled(CLUSTER_LABEL)?;
    let counts = |it: &Container| {
        matches!(it.label(ROLE_LABEL), Some("control-plane" | "worker" | LOAD_BALANCER))
    };
    Ok(of_cluster.into_iter().filter(|it| !it.is_running && counts(it)).collect())
}

/// Whether a node is to run: where one cluster is named, others may have been stopped on purpose.
fn is_wanted(site: &Site, container: &Container) -> bool {
    match &site.config.cluster {
        Cluster::Named(name, _) => container.label(CLUSTER_LABEL) == Some(name),
        Cluster::Any(_) | Cluster::Existing => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::setup::Level;
    use crate::setup::config::NewCluster;
    use crate::setup::engine::Kind;
    use crate::setup::site::tests::site;

    /// A container as Podman's `inspect` tells of it.
    fn inspected(name: &str, role: &str) -> Value {
        json!({
            "Id": "1", "Name": name, "State": { "Running": false },
            "Config": { "Labels": { CLUSTER_LABEL: "demo", ROLE_LABEL: role } },
        })
    }

    fn stopped() -> [(&'static str, crate::process::recorded::Answer); 3] {
        let containers = json!([
            inspected("demo-control-plane", "control-plane"),
            inspected("demo-external-load-balancer", LOAD_BALANCER),
            inspected("demo-worker", "worker"),
        ]);
        let names = "demo-control-plane\ndemo-external-load-balancer\ndemo-worker\n";
        [
            ("podman ps --all", Ok(names.into())),
            ("podman container inspect", Ok(containers.to_string().into())),
            ("podman start", Ok(Vec::new())),
        ]
    }

    #[test]
    fn a_load_balancer_is_no_node_and_is_started_all_the_same() {
        let (site, recorded) = site(stopped());
        let nodes = node::all(&site).unwrap();
        let names: Vec<_> = nodes.iter().map(Node::name).collect();
        assert_eq!(names, ["demo-control-plane", "demo-worker"]);
        assert_eq!(RunningNodes.check(&site).unwrap().iter().filter(|it| it.is_fault()).count(), 3);
        RunningNodes.apply(&site).unwrap();
        let lines = recorded.lines();
        let started = lines.iter().filter_map(|line| line.strip_prefix("podman start "));
        assert_eq!(
            started.collect::<Vec<_>>(),
            ["demo-control-plane", "demo-external-load-balancer", "demo-worker"]
        );
    }

    #[test]
    fn a_paused_node_goes_on() {
        // Podman says of it that it does not run, and Docker that it does.
        for running in [false, true] {
            let mut node = inspected("demo-worker", "worker");
            node["State"] = json!({ "Running": running, "Paused": true });
            let (site, recorded) = site([
                ("podman ps --all", Ok("demo-worker\n".into())),
                ("podman container inspect", Ok(json!([node]).to_string().into())),
                ("podman unpause", Ok(Vec::new())),
            ]);
            let found = RunningNodes.check(&site).unwrap();
            assert_eq!((&*found[0].words, found[0].mendable), ("is paused", true));
            RunningNodes.apply(&site).unwrap();
            assert!(recorded.lines().contains(&"podman unpause demo-worker".to_owned()));
        }
    }

    #[test]
    fn a_node_that_does_not_start_keeps_nobody_from_the_others() {
        let [ps, inspect, start] = stopped();
        let stuck = ("podman start demo-control-plane", Err("Error: no space left".to_owned()));
        let (site, recorded) = site([ps, inspect, stuck, start]);
        let error = RunningNodes.apply(&site).unwrap_err();
        assert!(matches!(&error, SetupError::OfNode { node, .. } if node == "demo-control-plane"));
        assert!(recorded.lines().contains(&"podman start demo-worker".to_owned()));
        assert!(site.is_given_up("demo-control-plane") && !site.is_given_up("demo-worker"));
    }

    #[test]
    fn a_container_that_has_gone_since_hides_no_other() {
        let gone = || Err("Error: no such container demo-worker".to_owned());
        let head = json!([inspected("demo-control-plane", "control-plane")]);
        let (site, _) = site([
            ("podman ps --all", Ok("demo-control-plane\ndemo-worker\n".into())),
            ("podman container inspect demo-control-plane demo-worker", gone()),
            ("podman container inspect demo-control-plane", Ok(head.to_string().into())),
            ("podman container inspect demo-worker", gone()),
        ]);
        let nodes = node::all(&site).unwrap();
        assert_eq!(nodes.iter().map(Node::name).collect::<Vec<_>>(), ["demo-control-plane"]);
    }

    #[test]
    fn what_stands_still_of_another_cluster_is_left_so() {
        let (mut site, recorded) = site(stopped());
        site.config.cluster = Cluster::Named("other".into(), NewCluster::default());
        let found = RunningNodes.check(&site).unwrap();
        assert!(found.iter().all(|it| it.level == Level::Note), "{found:?}");
        RunningNodes.apply(&site).unwrap();
        assert!(!recorded.lines().iter().any(|line| line.contains("start")));
    }

    /// Docker writes names as paths, and asks for the same words otherwise.
    #[test]
    fn dockers_nodes_are_found_as_podmans_are() {
        let answers = stopped().map(|(line, answer)| {
            let answer =
                answer.map(|it| String::from_utf8_lossy(&it).replace("\"demo-", "\"/demo-"));
            (line.replace("podman", "docker"), answer.map(Into::into))
        });
        let recorded = crate::process::recorded::Recorded::transcript(answers);
        let site = crate::setup::site::tests::site_of(Kind::Docker, &std::sync::Arc::new(recorded));
        let nodes = node::all(&site).unwrap();
        assert_eq!(
            nodes.iter().map(Node::name).collect::<Vec<_>>(),
            ["demo-control-plane", "demo-worker"]
        );
        assert_eq!(nodes[0].cluster, "demo");
    }
}
