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

/// A container engine with a root folder and a `kind` network of its own.
pub(crate) struct Podman {
    folder: TempDir,
}

impl Podman {
    /// An engine with nothing in it but an empty network, for which `localhost` speaks plain HTTP.
    pub(crate) fn new() -> Self {
        let podman = Self { folder: tempfile::tempdir().unwrap() };
        let folder = podman.folder();
        for name in ["bin", "home/.config/containers"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        fs::write(folder.join("containers.conf"), CONTAINERS_CONF).unwrap();
        // Podman and skopeo both read this file of the home folder: with it they push to a registry
        // without TLS by their defaults, which is how people set it up.
        let registries = "[[registry]]\nlocation = \"localhost\"\ninsecure = true\n";
        fs::write(folder.join("home/.config/containers/registries.conf"), registries).unwrap();

        let wrapper = folder.join("bin/podman");
        fs::write(&wrapper, podman.wrapper()).unwrap();
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
        // IPv6 as well, as Kind makes it: a node then prefers the registry's IPv6 address.
        podman.run(["network", "create", "--driver", "bridge", "--ipv6", NETWORK]);
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

    /// A command of any program that finds this Podman, and its settings, in the place of the machine's.
    pub(crate) fn command(&self, program: impl Into<PathBuf>) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(program.into());
        command
            .env("PATH", format!("{}:{path}", self.folder().join("bin").display()))
            .env("HOME", self.folder().join("home"))
            .env_remove("XDG_CONFIG_HOME")
            .current_dir(self.folder());
        command
    }

    /// A command of Podman.
    pub(crate) fn podman<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut command = self.command(self.folder().join("bin/podman"));
        command.args(arguments);
        command
    }

    /// Runs a command of Podman that must succeed; returns what it printed.
    pub(crate) fn run<const N: usize>(&self, arguments: [&str; N]) -> String {
        command::run(&mut self.podman(arguments))
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
