//! Podman and its kin with a store of the test's own, which goes when the value is dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use tempfile::TempDir;
use wharf_pusher::source::SourceError;
use wharf_pusher::source::podman::PodmanSource;
use wharf_storage_reader::{Location, Lookup, Store};

/// What makes Podman work where limits cannot be raised and systemd is not in charge.
const CONTAINERS_CONF: &str = r#"
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=1000:1000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"#;

/// A store, and the programs that work with it.
pub(crate) struct Engine {
    folder: TempDir,
}

impl Engine {
    /// An engine without images.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("containers.conf"), CONTAINERS_CONF).unwrap();
        fs::write(
            folder.path().join("policy.json"),
            r#"{"default":[{"type":"insecureAcceptAnything"}]}"#,
        )
        .unwrap();
        Self { folder }
    }

    /// A folder for what the test makes.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn root(&self) -> PathBuf {
        self.folder().join("root")
    }

    /// A command of Podman or Buildah with this store.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("--root").arg(self.root()).arg("--runroot").arg(self.folder().join("run"));
        command.args(["--storage-driver", "overlay"]);
        command.env("CONTAINERS_CONF", self.folder().join("containers.conf"));
        command.current_dir(self.folder());
        command
    }

    /// Runs a command of Podman that must succeed.
    pub(crate) fn podman(&self, arguments: &[&str]) -> String {
        run(self.command("podman").args(arguments))
    }

    /// Copies with skopeo; `{store}` stands for this store.
    pub(crate) fn skopeo(&self, arguments: &[&str]) {
        let place = |path: PathBuf| path.display().to_string();
        let store = format!("overlay@{}+{}", place(self.root()), place(self.folder().join("run")));
        let mut command = Command::new("skopeo");
        command.arg("--policy").arg(self.folder().join("policy.json")).arg("copy").arg("--quiet");
        command.args(arguments.iter().map(|argument| argument.replace("{store}", &store)));
        run(command.current_dir(self.folder()));
    }

    /// The image `name`, read from the store in place.
    pub(crate) fn source(&self, name: &str) -> Result<PodmanSource, SourceError> {
        let lookup = Lookup { root: Some(self.root()), ..Lookup::default() };
        let store = Store::open(Location::find(&lookup).unwrap()).unwrap();
        PodmanSource::open(Arc::new(store), name)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Podman keeps its images' folder mounted on itself.
        let mut command = Command::new("umount");
        _ = command.arg(self.root().join("overlay")).stderr(Stdio::null()).status();
    }
}

/// Runs a command that must succeed; returns what it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let Output { status, stdout, stderr } = command
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    let said = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {said}");
    String::from_utf8(stdout).unwrap().trim().to_owned()
}
