//! `wharf deploy` as a person runs it: the built program, a registry of its own, and a real kubectl,
//! against a Kubernetes API that is played (`deploy/cluster.rs`). What is applied, what is said, what
//! a script sees; and that no file of the user's is touched.

mod cluster;
mod failing;
mod hostile;
mod http;
mod inside;
mod manifests;
mod story;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::harness::{Server, has_program, program};
use crate::repository::Repository;
use crate::spoken::{failed, outcome, said};
use cluster::Cluster;
use story::Story;

/// Where the Deployment of these tests is, once it is applied.
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/default/deployments/moon-server";

const PROJECT: &str = "manifests = 'deploy'\n[[image]]\nname = 'moon-server:v1.0.0'\n\
                       context = 'moon-server'\n";

/// A Deployment and its Service, which name the image as people do.
const MANIFESTS: &str = "\
# A comment that stays.
apiVersion: apps/v1
kind: Deployment
metadata:
  name:   moon-server
spec:
  selector: {matchLabels: {app: moon}}
  template:
    metadata: {labels: {app: moon}}
    spec:
      initContainers: [{name: first, image: 'localhost:5000/moon-server'}]
      containers:
      - {name: moon, image: moon-server:v1.0.0}
      - {name: beside, image: 'ghcr.io/me/beside:1'}
---
apiVersion: v1
kind: Service
metadata: {name: moon-server}
spec: {ports: [{port: 80}]}
";

/// A project, the registry that its image is in, and the cluster that it goes to.
struct Stage {
    folder: TempDir,
    registry: Server,
    cluster: Cluster,
    digest: String,
}

impl Stage {
    /// None, and a line that says so, without a kubectl.
    fn new(story: Story, what: &str) -> Option<Self> {
        if !has_program("kubectl", what) {
            return None;
        }
        let (folder, registry) = (TempDir::new().unwrap(), Server::start());
        let digest = Repository::new(&registry, "moon-server").push_named("v1.0.0");
        let cluster = Cluster::start(story);
        cluster.kubeconfig("mcp-cluster", folder.path());
        let stage = Self { folder, registry, cluster, digest };
        stage.write("wharf.toml", PROJECT);
        stage.write("deploy/moon.yaml", MANIFESTS);
        fs::create_dir(stage.path("bin")).unwrap();
        // No engine is asked for nodes, whatever runs on this machine.
        symlink(found("kubectl"), stage.path("bin/kubectl")).unwrap();
        Some(stage)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// `wharf deploy` in the project's folder.
    fn deploy<const N: usize>(&self, words: [&str; N]) -> Command {
        let mut command = Command::new(program());
        command.arg("deploy").args(words).current_dir(self.folder.path()).env_clear();
        command.env("PATH", self.path("bin")).env("HOME", self.folder.path());
        command.env("KUBECONFIG", self.path("kubeconfig")).stdin(Stdio::null());
        command.env("WHARF_REGISTRY", self.registry.address().to_string());
        command
    }

    /// The image in the pods.
    fn pinned(&self) -> String {
        format!("kind-registry:5000/moon-server@{}", self.digest)
    }

    /// The files of the user's, byte for byte.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut ahead = vec![self.path("deploy"), self.path("wharf.toml")];
        while let Some(path) = ahead.pop() {
            if path.is_symlink() {
                let target = fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes();
                files.insert(path, target);
                continue;
            }
            match path.is_dir() {
                true => ahead.extend(fs::read_dir(path).unwrap().map(|it| it.unwrap().path())),
                false => _ = files.insert(path.clone(), fs::read(path).unwrap()),
            }
        }
        files
    }
}

/// Where a program is.
fn found(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join(name));
    found.find(|path| path.is_file()).unwrap().canonicalize().unwrap()
}

/// The images of the containers of an applied Deployment.
fn images(deployment: &serde_json::Value) -> Vec<String> {
    let spec = &deployment["spec"]["template"]["spec"];
    let lists = [&spec["initContainers"], &spec["containers"]];
    let containers = lists.into_iter().filter_map(|it| it.as_array()).flatten();
    containers.map(|it| it["image"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_was_pushed_is_what_runs() {
    let Some(stage) = Stage::new(Story::Starts, "a deployment") else { return };
    let before = stage.files();
    let (stdout, stderr) = said(&mut stage.deploy([]));
    assert_eq!(stdout, "deployment/moon-server\n");
    let applied = stage.cluster.object(DEPLOYMENT);
    assert_eq!(images(&applied), [&stage.pinned(), &stage.pinned(), "ghcr.io/me/beside:1"]);
    assert_eq!(
        stage.cluster.object("/api/v1/namespaces/default/services/moon-server")["kind"],
        "Service"
    );
    assert_eq!(stage.files(), before, "files of the user's were changed");
    for words in [
        "deployment.apps/moon-server created",
        "kind-mcp-cluster",
        &format!("moon-server:v1.0.0 is {}", stage.pinned()),
        "0 of 1 updated replicas are available",
        "successfully rolled out",
    ] {
        assert!(stderr.contains(words), "{words}: {stderr}");
    }
    // The pod of the deployment before crashes, and is none of this one's business.
    assert!(!stderr.contains("CrashLoopBackOff"), "{stderr}");

    // Once more, with another image.
    let digest = Repository::new(&stage.registry, "moon-server").push_named("other");
    stage.write("wharf.toml", &PROJECT.replace("v1.0.0", "other"));
    let (stdout, stderr) = said(stage.deploy([]).arg("--json"));
    assert!(stderr.contains("moon-server configured"), "{stderr}");
    let told: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let name = format!("kind-registry:5000/moon-server@{digest}");
    assert_eq!(told["images"][0]["pod_reference"], name);
    assert_eq!((&told["ready"], &told["context"]), (&true.into(), &"kind-mcp-cluster".into()));
    assert_eq!(told["workloads"][0]["name"], "moon-server");
    assert_eq!(images(&stage.cluster.object(DEPLOYMENT))[1], name);
}

#[test]
fn a_dry_run_shows_what_would_be_applied_and_applies_nothing() {
    let Some(stage) = Stage::new(Story::Starts, "a deployment that is only shown") else { return };
    let (stdout, _) = said(&mut stage.deploy(["--dry-run"]));
    assert!(stdout.contains(&format!("image: {}", stage.pinned())), "{stdout}");
    assert!(stdout.contains("kind: Service"), "{stdout}");
    assert!(stage.cluster.is_empty());
}

#[test]
fn the_registry_is_the_one_that_was_set_up() {
    let Some(stage) = Stage::new(Story::Starts, "a deployment from the registry of wharf up")
    else {
        return;
    };
    let port = stage.registry.address().port();
    let receipt = format!(r#"{{"version":1,"made":[{{"made":"port","port":{port}}}]}}"#);
    stage.write(".local/state/wharf/setup-kind-registry.json", &receipt);
    let mut command = stage.deploy(["--dry-run"]);
    let (shown, _) = said(command.env_remove("WHARF_REGISTRY"));
    assert!(shown.contains(&stage.pinned()), "{shown}");
}

#[test]
fn the_cluster_is_the_one_that_is_meant_and_never_the_current_one() {
    let Some(stage) = Stage::new(Story::Starts, "a deployment to one of two clusters") else {
        return;
    };
    let words = failed(&mut stage.deploy(["--cluster", "other"]), 1);
    assert!(words.contains("kind-other") && words.contains("wharf up"), "{words}");
    assert!(stage.cluster.is_empty());
    said(&mut stage.deploy(["--context", "kind-mcp-cluster", "--no-wait"]));
    assert!(!stage.cluster.is_empty());
    let words = outcome(&mut stage.deploy(["--context", "elsewhere"])).2;
    assert!(words.contains("not applied to elsewhere"), "{words}");
}

#[test]
fn without_any_kubectl_it_is_told_how_to_get_one() {
    let Some(stage) = Stage::new(Story::Starts, "a deployment without kubectl") else { return };
    fs::remove_file(stage.path("bin/kubectl")).unwrap();
    let words = failed(&mut stage.deploy([]), 1);
    assert!(words.contains("there is no kubectl"), "{words}");
    assert!(words.contains("kubernetes-client") || words.contains("brew"), "{words}");
}

/// A PATH with a folder before all others.
fn path_with(folder: &Path) -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [folder.to_owned()].into_iter().chain(std::env::split_paths(&path));
    std::env::join_paths(folders).unwrap()
}
