//! kubectl: which one, and for which cluster. The host's, told by name which context it is to use; or
//! the one inside a control plane, by the engine. Whatever context happens to be current is never
//! meant.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::error::DeployError;
use crate::process::{Program, RunError, Runner, is_on_path};
use crate::setup::config::CLUSTER;
use crate::setup::engine::{Container, Engine};
use crate::setup::node::{CLUSTER_LABEL, ROLE_LABEL};

/// What Kind puts before a cluster's name to have the context's.
const CONTEXT_PREFIX: &str = "kind-";
/// Where a node keeps the login of its cluster's owner.
const NODE_LOGIN: &str = "--kubeconfig=/etc/kubernetes/admin.conf";
/// The first minor version whose kustomize takes folders as `resources`.
const RESOURCES_MINOR: u32 = 21;

/// Which cluster is meant.
#[derive(Debug, Clone, Default)]
pub struct Aim {
    /// `--context`.
    pub context: Option<String>,
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// The cluster, as Kind calls it.
    pub cluster: Option<String>,
}

/// A kubectl for one cluster.
#[derive(Debug, Clone)]
pub struct Kubectl {
    runner: Arc<dyn Runner>,
    before: Program,
    /// What it is for, as a person knows it: `kind-mcp-cluster`.
    pub context: String,
    node: Option<Node>,
}

/// The container in which it runs.
#[derive(Debug, Clone)]
struct Node {
    name: String,
    engine: &'static str,
}

/// A folder where kubectl finds the files that it is given; it goes when this is dropped.
#[derive(Debug)]
pub struct Stage {
    path: String,
    /// What removes it, where it is in a node.
    end: Option<(Arc<dyn Runner>, Program)>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some((runner, program)) = &self.end {
            // A node's /tmp is in memory, and gone with the node at the latest.
            _ = runner.answer(program);
        }
    }
}

impl Stage {
    /// The folder, as kubectl knows it.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl Kubectl {
    /// The one to use: the host's if it knows the cluster, else the one in the cluster's control
    /// plane. `engine` is asked for nodes only where they are needed.
    ///
    /// # Errors
    /// There is neither, or it cannot be told which cluster is meant.
    pub fn find(
        aim: &Aim,
        path: Option<&OsStr>,
        engine: Option<&Engine>,
        runner: &Arc<dyn Runner>,
    ) -> Result<Self, DeployError> {
        let is_here = is_on_path(OsStr::new("kubectl"), path);
        let is_told = aim.context.is_some() || aim.kubeconfig.is_some();
        if is_told && !is_here {
            return Err(DeployError::NoKubectl { cluster: None });
        }
        let mut words = Vec::new();
        if let Some(file) = &aim.kubeconfig {
            words.extend([OsString::from("--kubeconfig"), file.into()]);
        }
        let mut before = Program::new("kubectl", words);
        if is_here && let Some(context) = aim.context_meant(&before, runner)? {
            before.arguments.extend([OsString::from("--context"), OsString::from(&context)]);
            return Ok(Self { runner: Arc::clone(runner), before, context, node: None });
        }
        if aim.kubeconfig.is_some() {
            return Err(DeployError::NoCluster { cluster: aim.cluster.clone() });
        }
        Self::in_node(aim, is_here, engine, runner)
    }

    fn in_node(
        aim: &Aim,
        is_here: bool,
        engine: Option<&Engine>,
        runner: &Arc<dyn Runner>,
    ) -> Result<Self, DeployError> {
        let planes = engine.map(control_planes).transpose()?.unwrap_or_default();
        let clusters: Vec<_> = planes.iter().filter_map(|it| it.label(CLUSTER_LABEL)).collect();
        let cluster = chosen(aim.cluster.as_deref(), clusters)?;
        let plane = planes.iter().find(|it| it.label(CLUSTER_LABEL) == cluster.as_deref());
        match (engine, plane) {
            (Some(engine), Some(plane)) => {
                let kubectl = ["exec", &plane.name, "kubectl", NODE_LOGIN];
                Ok(Self {
                    runner: Arc::clone(runner),
                    before: engine.program(kubectl),
                    context: format!("{CONTEXT_PREFIX}{}", cluster.unwrap_or_default()),
                    node: Some(Node { name: plane.name.clone(), engine: engine.kind().program() }),
                })
            }
            _ if is_here => Err(DeployError::NoCluster { cluster: aim.cluster.clone() }),
            _ => Err(DeployError::NoKubectl { cluster: aim.cluster.clone() }),
        }
    }

    /// Where it runs, for a person: nothing if on this machine.
    pub fn node(&self) -> Option<&str> {
        self.node.as_ref().map(|node| node.name.as_str())
    }

    /// A command line of it.
    pub fn program<A: Into<OsString>>(&self, words: impl IntoIterator<Item = A>) -> Program {
        let mut program = self.before.clone();
        program.arguments.extend(words.into_iter().map(Into::into));
        program
    }

    /// What starts it.
    pub fn runner(&self) -> &dyn Runner {
        &*self.runner
    }

    /// What it answers, which must change nothing.
    ///
    /// # Errors
    /// It does not run, or refuses.
    pub fn ask(&self, words: &[&str]) -> Result<Vec<u8>, RunError> {
        self.runner.answer(&self.program(words.iter().copied()))
    }

    /// The same as JSON; null where it is none.
    ///
    /// # Errors
    /// It does not run, or refuses.
    pub fn ask_json(&self, words: &[&str]) -> Result<Value, RunError> {
        Ok(serde_json::from_slice(&self.ask(words)?).unwrap_or_default())
    }

    /// Whether its kustomize takes a folder among `resources`, which it calls `bases` otherwise.
    ///
    /// # Errors
    /// It does not run.
    pub fn takes_folders_as_resources(&self) -> Result<bool, DeployError> {
        let version = self.ask_json(&["version", "--client", "--output", "json"])?;
        let minor = version["clientVersion"]["minor"].as_str().unwrap_or_default();
        let digits: String = minor.chars().take_while(char::is_ascii_digit).collect();
        Ok(digits.parse().map_or(true, |minor: u32| minor >= RESOURCES_MINOR))
    }

    /// Brings a folder to where it can read it.
    ///
    /// # Errors
    /// The node does not take it.
    pub fn stage(&self, folder: &Path) -> Result<Stage, DeployError> {
        let Some(Node { name, engine }) = &self.node else {
            return Ok(Stage { path: folder.display().to_string(), end: None });
        };
        let make = Program::new(*engine, ["exec", name, "mktemp", "-d", "/tmp/wharf-XXXXXX"]);
        let path = String::from_utf8_lossy(&self.runner.answer(&make)?).trim().to_owned();
        let end = Program::new(*engine, ["exec", name, "rm", "-rf", &path]);
        let stage = Stage { path, end: Some((Arc::clone(&self.runner), end)) };
        let words = ["exec", "-i", name, "tar", "-x", "-f", "-", "-C", &stage.path];
        self.runner.feed(&Program::new(*engine, words), &mut |out| {
            let mut archive = tar::Builder::new(out);
            archive.append_dir_all(".", folder)?;
            archive.into_inner().and_then(io::Write::flush)
        })?;
        Ok(stage)
    }
}

impl Aim {
    /// The context of the host's kubectl that is meant; none if it does not know the cluster.
    fn context_meant(
        &self,
        before: &Program,
        runner: &Arc<dyn Runner>,
    ) -> Result<Option<String>, DeployError> {
        let mut ask = before.clone();
        if let Some(context) = &self.context {
            return Ok(Some(context.clone()));
        }
        if self.kubeconfig.is_some() && self.cluster.is_none() {
            // The file was made for this: what is current in it is meant.
            ask.arguments.extend(["config".into(), "current-context".into()]);
            let current = runner.answer(&ask)?;
            return Ok(Some(String::from_utf8_lossy(&current).trim().to_owned()));
        }
        ask.arguments.extend(["config", "get-contexts", "--output", "name"].map(OsString::from));
        let contexts = runner.answer(&ask)?;
        let contexts = String::from_utf8_lossy(&contexts);
        let clusters = contexts.lines().filter_map(|it| it.trim().strip_prefix(CONTEXT_PREFIX));
        let cluster = chosen(self.cluster.as_deref(), clusters.collect())?;
        Ok(cluster.map(|cluster| format!("{CONTEXT_PREFIX}{cluster}")))
    }
}

/// The cluster of that name, or the usual one, or the only one there is.
fn chosen(named: Option<&str>, clusters: Vec<&str>) -> Result<Option<String>, DeployError> {
    let is_there = |name: &&str| clusters.contains(name);
    if let Some(named) = named {
        return Ok(Some(named).filter(is_there).map(str::to_owned));
    }
    match (&clusters[..], is_there(&CLUSTER)) {
        (_, true) => Ok(Some(CLUSTER.to_owned())),
        ([], _) => Ok(None),
        ([one], _) => Ok(Some((*one).to_owned())),
        (several, _) => Err(DeployError::ManyClusters {
            clusters: several.iter().map(|&name| name.to_owned()).collect(),
        }),
    }
}

/// The first control plane of each cluster that runs.
fn control_planes(engine: &Engine) -> Result<Vec<Container>, DeployError> {
    let mut planes: Vec<Container> = Vec::new();
    for container in engine.labelled(CLUSTER_LABEL)? {
        let is_plane = container.is_running && container.label(ROLE_LABEL) == Some("control-plane");
        let cluster = container.label(CLUSTER_LABEL);
        if is_plane && !planes.iter().any(|other| other.label(CLUSTER_LABEL) == cluster) {
            planes.push(container);
        }
    }
    Ok(planes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::recorded::Recorded;
    use crate::report::Report;
    use crate::setup::engine;
    use crate::setup::hand::{Hand, Manner};

    const NODE: &str = r#"[{"Id": "1", "Name": "NAME-control-plane", "State": {"Running": true},
        "Config": {"Labels": {"io.x-k8s.kind.cluster": "NAME", "io.x-k8s.kind.role": "control-plane"}}}]"#;

    /// A kubectl that is found on a machine with contexts and a running cluster of some name; the line
    /// with which it asks for something, or why there is none.
    fn found(cluster: Option<&str>, contexts: Option<&str>, node: &str) -> Result<String, String> {
        let bin = tempfile::tempdir().unwrap();
        if contexts.is_some() {
            std::fs::write(bin.path().join("kubectl"), "").unwrap();
        }
        let answers = [
            ("kubectl config get-contexts", contexts.unwrap_or_default().to_owned()),
            ("podman ps", node.to_owned()),
            ("podman container inspect", NODE.replace("NAME", node)),
        ];
        let answers = answers.map(|(line, answer)| (line, Ok(answer.into_bytes())));
        let runner: Arc<dyn Runner> = Arc::new(Recorded::transcript(answers));
        let hand = Hand::new(Arc::clone(&runner), Manner::Quiet, Report::new(false));
        let engine = Engine::new(engine::Kind::Podman, hand);
        let aim = Aim { cluster: cluster.map(str::to_owned), ..Aim::default() };
        let path = Some(bin.path().as_os_str());
        let kubectl = Kubectl::find(&aim, path, Some(&engine), &runner);
        kubectl.map(|it| it.program(["get"]).to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_context_is_that_of_the_cluster_that_is_meant() {
        for (cluster, contexts, expected) in [
            (None, "elsewhere\nkind-mcp-cluster\nkind-other\n", "kind-mcp-cluster"),
            (None, "elsewhere\nkind-other\n", "kind-other"),
            (Some("b"), "kind-a\nkind-b\n", "kind-b"),
        ] {
            let line = found(cluster, Some(contexts), "").unwrap();
            assert_eq!(line, format!("kubectl --context {expected} get"));
        }
        let several = found(None, Some("kind-a\nkind-b"), "").unwrap_err();
        assert!(several.contains("a, b"), "{several}");
    }

    #[test]
    fn the_node_is_asked_where_the_host_cannot() {
        let line = "podman exec kind-2-control-plane kubectl \
                    --kubeconfig=/etc/kubernetes/admin.conf get";
        assert_eq!(found(None, None, "kind-2").unwrap(), line);
        assert_eq!(found(None, Some("elsewhere"), "kind-2").unwrap(), line);
        assert_eq!(found(Some("kind-2"), Some("kind-a"), "kind-2").unwrap(), line);
        assert!(found(Some("b"), None, "kind-2").unwrap_err().contains("no kubectl on the PATH"));
        assert!(found(Some("b"), Some(""), "kind-2").unwrap_err().contains("no cluster b"));
    }
}
