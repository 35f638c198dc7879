//! A Podman of the test's own: its images, containers, volumes and networks lie below one temporary
//! folder, so that the machine's Podman never sees them, and all of it goes when the value is dropped.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::command;
use crate::machine;

/// The name of the network, as Kind gives it.
pub(crate) const NETWORK: &str = "kind";

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

/// A container engine with a root folder of its own.
pub(crate) struct Podman {
    folder: TempDir,
}

impl Podman {
    /// An engine with nothing in it.
    pub(crate) fn new() -> Self {
        let podman = Self { folder: tempfile::tempdir().unwrap() };
        let folder = podman.folder();
        for name in ["bin", "home"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        fs::write(folder.join("containers.conf"), CONTAINERS_CONF).unwrap();
        fs::write(podman.program(), podman.wrapper()).unwrap();
        fs::set_permissions(podman.program(), fs::Permissions::from_mode(0o755)).unwrap();
        podman
    }

    /// The script that is called `podman` on the tests' PATH, for programs that call Podman themselves.
    fn wrapper(&self) -> String {
        let real = machine::find("podman").expect("checked before the tests began");
        let folder = self.folder().display();
        format!(
            "#!/bin/sh\nexport CONTAINERS_CONF={folder}/containers.conf\nexec {} --root {folder}/root --runroot {folder}/run \
             --tmpdir {folder}/tmp --volumepath {folder}/volumes --network-config-dir {folder}/networks \"$@\"\n",
            real.display()
        )
    }

    /// The temporary folder; tests may keep files of theirs in it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The home folder of what is run here.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder().join("home")
    }

    /// The program `podman` that means this Podman.
    pub(crate) fn program(&self) -> PathBuf {
        self.folder().join("bin/podman")
    }

    /// A command of any program that finds this Podman, and its settings, in the place of the machine's.
    pub(crate) fn command(&self, program: impl Into<PathBuf>) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(program.into());
        command
            .env("PATH", format!("{}:{path}", self.folder().join("bin").display()))
            .env("HOME", self.home())
            .env_remove("XDG_CONFIG_HOME")
            .current_dir(self.folder());
        command
    }

    /// A command of Podman.
    pub(crate) fn podman<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut command = self.command(self.program());
        command.args(arguments);
        command
    }

    /// Runs a command of Podman that must succeed; returns what it printed.
    pub(crate) fn run<const N: usize>(&self, arguments: [&str; N]) -> String {
        command::run(&mut self.podman(arguments))
    }

    /// Packs the program under test into its own image, and hands it to Podman: the way of the README.
    /// Returns the image's name.
    pub(crate) fn load_wharf(&self) -> String {
        let name = command::run(self.command(machine::wharf()).args(["image", "--load"]));
        assert!(
            name.starts_with("localhost/wharf:"),
            "`wharf image --load` printed {name:?}, not the image's name"
        );
        name
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        for arguments in [
            ["rm", "--all", "--force", "--time=0"].as_slice(),
            &["network", "rm", "--force", NETWORK],
        ] {
            command::output(self.podman([]).args(arguments));
        }
        // Podman keeps its images' folder mounted on itself.
        command::output(Command::new("umount").arg(self.folder().join("root/overlay")));
    }
}
