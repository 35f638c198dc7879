//! A store of the test's own, and the programs that write it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use wharf_storage_reader::{Location, Lookup, Store};

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

/// Podman, Buildah and Skopeo with a store of their own.
pub(crate) struct Engine {
    folder: TempDir,
    driver: &'static str,
}

impl Engine {
    pub(crate) fn new(driver: &'static str) -> Self {
        Self::over(driver, &[])
    }

    /// A store that has the images of others too.
    pub(crate) fn over(driver: &'static str, additional: &[PathBuf]) -> Self {
        assert!(rustix::process::geteuid().is_root(), "this test mounts layers: run it as root");
        let engine = Self { folder: tempfile::tempdir().unwrap(), driver };
        let write = |name, text: &str| fs::write(engine.folder.path().join(name), text).unwrap();
        write("containers.conf", CONTAINERS_CONF);
        write("policy.json", POLICY);
        let storage = format!(
            "[storage]\ndriver = {driver:?}\ngraphroot = {:?}\nrunroot = {:?}\n\
             [storage.options]\nadditionalimagestores = {additional:?}\n",
            engine.root(),
            engine.folder.path().join("run"),
        );
        write("storage.conf", &storage);
        engine
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// A place for the test's files.
    pub(crate) fn scratch(&self) -> PathBuf {
        let path = self.folder.path().join("scratch");
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// Where the store is, from the settings that the programs have.
    pub(crate) fn location(&self) -> Location {
        let storage_conf = Some(self.folder.path().join("storage.conf"));
        Location::find(&Lookup { storage_conf, ..Lookup::default() }).unwrap()
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(self.location()).unwrap()
    }

    pub(crate) fn podman(&self, arguments: &[&str]) -> String {
        let mut command = self.command("podman");
        command.arg("--tmpdir").arg(self.folder.path().join("tmp"));
        text(run(command.args(arguments)))
    }

    pub(crate) fn buildah(&self, arguments: &[&str]) -> String {
        text(run(self.command("buildah").args(arguments)))
    }

    pub(crate) fn skopeo(&self, arguments: &[&str]) -> Vec<u8> {
        let mut command = self.command("skopeo");
        command.arg("--policy").arg(self.folder.path().join("policy.json")).args(arguments);
        run(&mut command)
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

    /// Makes an image out of another, or out of nothing: `change` gets the folder of its files.
    pub(crate) fn build(&self, from: &str, name: &str, change: impl FnOnce(&Path)) {
        let container = self.buildah(&["from", "--pull-never", from]);
        let folder = self.buildah(&["mount", &container]);
        change(Path::new(&folder));
        self.buildah(&["unmount", &container]);
        self.buildah(&["commit", "--quiet", "--rm", &container, name]);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The store's folder stays mounted on itself.
        let _ = Command::new("umount").arg("--lazy").arg(self.root().join(self.driver)).output();
    }
}

fn text(output: Vec<u8>) -> String {
    String::from_utf8(output).unwrap().trim().to_owned()
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| {
        let program = command.get_program().display();
        panic!("this test needs {program}, which cannot be run: {error}")
    });
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    output.stdout
}
