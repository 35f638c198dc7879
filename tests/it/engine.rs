//! Podman, Buildah and Skopeo with an image store of the test's own, below a temporary folder; it is
//! gone, and unmounted, when the value is dropped. Knows nothing of registries.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{has_program, left_out};

/// What makes Podman work where limits cannot be raised and systemd is not in charge.
const CONTAINERS_CONF: &str = r#"
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=1000:1000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"#;

const POLICY: &str = r#"{"default": [{"type": "insecureAcceptAnything"}]}"#;

/// An image store and the programs that write it.
pub(crate) struct Engine {
    folder: TempDir,
}

impl Engine {
    /// An empty store. None, and a line that says so, where a program is missing.
    pub(crate) fn new(what: &str) -> Option<Self> {
        if !["podman", "buildah", "skopeo"].iter().all(|name| has_program(name, what)) {
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            left_out(what, "layers are mounted, which only root may do");
            return None;
        }
        let folder = TempDir::new().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("containers.conf", CONTAINERS_CONF);
        let places = ["graphroot", "runroot"].map(|place| (place, folder.path().join(place)));
        let places = places.map(|(place, path)| format!("{place} = \"{}\"\n", path.display()));
        write("storage.conf", &format!("[storage]\ndriver = \"overlay\"\n{}", places.concat()));
        write("policy.json", POLICY);
        Some(Self { folder })
    }

    /// The store: what Podman calls its graph root.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("graphroot")
    }

    /// A file of the test's, for its owner alone.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// How Skopeo names an image of this store.
    pub(crate) fn transport(&self, name: &str) -> String {
        let (root, run) = (self.root(), self.run_root());
        format!("containers-storage:[overlay@{}+{}]{name}", root.display(), run.display())
    }

    /// Makes an image out of another, or out of nothing: `change` gets the folder of its files. Gives
    /// its id.
    pub(crate) fn build(&self, from: &str, name: &str, change: impl FnOnce(&Path)) -> String {
        let container = self.buildah(&["from", "--pull-never", from]);
        let folder = self.buildah(&["mount", &container]);
        change(Path::new(&folder));
        self.buildah(&["unmount", &container]);
        format!("sha256:{}", self.buildah(&["commit", "--quiet", "--rm", &container, name]))
    }

    /// Runs Podman; gives what it printed.
    pub(crate) fn podman(&self, arguments: &[&str]) -> String {
        let mut podman = self.with_roots("podman");
        run(podman.arg("--tmpdir").arg(self.folder.path().join("tmp")).args(arguments))
    }

    /// Runs Skopeo, which speaks plain HTTP here.
    pub(crate) fn skopeo(&self, arguments: &[&str]) -> String {
        let mut skopeo = self.command("skopeo");
        skopeo.arg("--policy").arg(self.folder.path().join("policy.json")).args(arguments);
        run(&mut skopeo)
    }

    fn buildah(&self, arguments: &[&str]) -> String {
        run(self.with_roots("buildah").args(arguments))
    }

    fn run_root(&self) -> PathBuf {
        self.folder.path().join("runroot")
    }

    fn with_roots(&self, program: &str) -> Command {
        let mut command = self.command(program);
        command.arg("--root").arg(self.root()).arg("--runroot").arg(self.run_root());
        command.args(["--storage-driver", "overlay"]);
        command
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("CONTAINERS_CONF", self.folder.path().join("containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", self.folder.path().join("storage.conf"))
            .env("HOME", self.folder.path())
            .env_remove("STORAGE_OPTS")
            .env_remove("STORAGE_DRIVER")
            .env_remove("XDG_CONFIG_HOME")
            .current_dir(self.folder.path());
        command
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The store's folder stays mounted on itself.
        let _ = Command::new("umount").arg(self.root().join("overlay")).output();
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
