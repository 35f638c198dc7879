//! A machine for the setup: Podman, kind and a home folder of the tests' own, and the program under test
//! run as a user would run it there, with nothing else in its environment.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Instant;

use crate::command;
use crate::containerd::{Containerd, Status};
use crate::containerfile;
use crate::inventory::Inventory;
use crate::machine;
use crate::podman::{NETWORK, Podman};
use crate::watched::{Call, Moment, Watched};

/// The image for `kind create cluster --image` and `wharf up --node-image`.
pub(crate) const NODE_IMAGE: &str = "localhost/kind-node:v1.36.1";

/// The programs whose calls are watched, and which [`Ground::hide`] can take away.
const WATCHED: [&str; 3] = ["podman", "kind", "kubectl"];
/// Other engines, of which a developer's machine may have one, and Kind would take it.
const OTHER_ENGINES: [&str; 2] = ["docker", "nerdctl"];

/// The machine. One for all tests, put in order again after each.
pub(crate) struct Ground {
    watched: Watched,
    port: AtomicU16,
    empty: Inventory,
    podman: Arc<Podman>,
}

impl Ground {
    /// Brings Podman and the node image.
    pub(crate) fn start() -> Self {
        let begun = Instant::now();
        fs::create_dir_all("/lib/modules").unwrap(); // Kind mounts it, there or not.
        let podman = Arc::new(Podman::new());
        let folder = podman.folder();
        let [root, run] = ["root", "run"].map(|name| folder.join(name).display().to_string());
        let storage = format!(
            "[storage]\ndriver = \"overlay\"\ngraphroot = \"{root}\"\nrunroot = \"{run}\"\n"
        );
        fs::write(folder.join("storage.conf"), storage).unwrap();
        containerfile::load(&podman);
        containerfile::build(&podman, NODE_IMAGE, "kind/images/node", &[]);
        build_greeter(&podman);

        let real = |program| match program {
            "podman" => podman.program(),
            other => machine::find(other).expect("checked before the tests began"),
        };
        let watched = Watched::new(folder.join("watched"), &WATCHED.map(|name| (name, real(name))));
        link_programs(&folder.join("programs"));
        let ground = Self {
            watched,
            port: AtomicU16::new(machine::free_port()),
            empty: Inventory::take(&podman),
            podman,
        };
        eprintln!("\nthe ground is laid after {:.0?}", begun.elapsed());
        ground
    }

    /// A command of any program, in a user's shell on this machine: the calls of podman, kind and kubectl
    /// that it makes are recorded.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let home = self.podman.home();
        let mut command = Command::new(program);
        command.env_clear().current_dir(&home).env("HOME", &home).env("PATH", self.path(&[]));
        for (name, folder) in [
            ("XDG_CONFIG_HOME", ".config"),
            ("XDG_DATA_HOME", ".local/share"),
            ("XDG_STATE_HOME", ".local/state"),
            ("XDG_CACHE_HOME", ".cache"),
            ("KUBECONFIG", ".kube/config"),
        ] {
            command.env(name, home.join(folder));
        }
        let runtime = self.podman.folder().join("runtime");
        fs::create_dir_all(&runtime).unwrap();
        fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700)).unwrap();
        command.env("XDG_RUNTIME_DIR", runtime).env("LANG", "C.UTF-8");
        // For those who look for Podman's store without asking Podman.
        command.env("CONTAINERS_STORAGE_CONF", self.podman.folder().join("storage.conf"));
        command
    }

    /// A command of the program under test.
    pub(crate) fn wharf<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut command = self.command(machine::wharf());
        command.args(arguments);
        command
    }

    /// `wharf up` of [`NODE_IMAGE`] on the test's [`port`](Self::port), with further options.
    pub(crate) fn up<const N: usize>(&self, options: [&str; N]) -> Command {
        let port = self.port().to_string();
        let mut command = self.wharf(["up", "--node-image", NODE_IMAGE, "--port", &port]);
        command.args(options);
        command
    }

    /// Packs the program under test into its own image, and loads it. Returns the image's name.
    pub(crate) fn load_wharf(&self) -> String {
        self.podman.load_wharf()
    }

    /// A command of kind's.
    pub(crate) fn kind<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut command = self.command(self.watched.path_of("kind").join("kind"));
        command.args(arguments);
        command
    }

    /// A command of Podman's; not recorded, as it is the test's own.
    pub(crate) fn podman<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut command = self.command(self.podman.program());
        command.args(arguments);
        command
    }

    /// Takes some of podman, kind and kubectl off the PATH of `command`.
    pub(crate) fn hide<'a>(&self, command: &'a mut Command, programs: &[&str]) -> &'a mut Command {
        for program in programs {
            assert!(WATCHED.contains(program), "{program} is none of {WATCHED:?}");
        }
        command.env("PATH", self.path(programs))
    }

    /// Puts a program of the test's own first on the PATH of `command`; its calls are recorded, too.
    pub(crate) fn show<'a>(&self, command: &'a mut Command, program: &Path) -> &'a mut Command {
        let name = program.file_name().and_then(OsStr::to_str).expect("a program's name");
        self.watched.watch(name, program);
        let others = self.path(&[]);
        let folders =
            std::iter::once(self.watched.path_of(name)).chain(std::env::split_paths(&others));
        command.env("PATH", std::env::join_paths(folders).unwrap())
    }

    /// A port of the loopback that is free when the test begins; the same during the whole test.
    pub(crate) fn port(&self) -> u16 {
        self.port.load(Ordering::Relaxed)
    }

    /// The registry's name on the host: `localhost:PORT`.
    pub(crate) fn registry(&self) -> String {
        format!("localhost:{}", self.port())
    }

    /// The home folder.
    pub(crate) fn home(&self) -> PathBuf {
        self.podman.home()
    }

    /// The nodes of a cluster that run a containerd, by name, running or not.
    pub(crate) fn nodes(&self, cluster: &str) -> Vec<String> {
        let filter = format!("label=io.x-k8s.kind.cluster={cluster}");
        let names = ["ps", "--all", "--filter", &filter, "--format", "{{.Names}}"];
        let printed = command::run(&mut self.podman(names));
        let mut nodes: Vec<_> = printed
            .lines()
            .filter(|name| !name.ends_with("external-load-balancer"))
            .map(str::to_owned)
            .collect();
        nodes.sort();
        nodes
    }

    /// The containerd of a node: pulls, and runs what was pulled.
    pub(crate) fn containerd(&self, node: &str) -> Containerd {
        Containerd::of(&self.podman, node)
    }

    /// Pulls `image` on a node as a kubelet does. Returns the image's ID.
    pub(crate) fn pull(&self, node: &str, image: &str) -> Result<String, Status> {
        self.containerd(node).pull(image)
    }

    /// Runs the program of a [greeter](Self::build_greeter) on a node that has the image; returns what it
    /// prints.
    pub(crate) fn greeting(&self, node: &str, image: &str) -> String {
        self.containerd(node).execute(image, &["/greeter"])
    }

    /// Runs a script of bash on a node; returns what it prints.
    pub(crate) fn on_node(&self, node: &str, script: &str) -> String {
        command::run(&mut self.podman(["exec", node, "bash", "-c", script]))
    }

    /// Builds a small image whose program prints `greeting`.
    pub(crate) fn build_greeter(&self, image: &str, greeting: &str) {
        let context = self.podman.folder().join("greeter");
        fs::write(context.join("greeting"), greeting).unwrap();
        let build = ["build", "--quiet", "--network", "none", "--tag", image];
        command::run(self.podman(build).arg(context));
    }

    /// What there is on the machine now.
    pub(crate) fn inventory(&self) -> Inventory {
        Inventory::take(&self.podman)
    }

    /// The calls of podman, kind and kubectl since [`forget_calls`](Self::forget_calls), or since the
    /// test began; those that kind makes too.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.watched.calls()
    }

    /// Those of them that change something.
    pub(crate) fn changes(&self) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.changes).collect()
    }

    /// Begins the record of calls anew.
    pub(crate) fn forget_calls(&self) {
        self.watched.forget();
    }

    /// Runs `command`, and kills it with everything that it started at `moment`. None if that came;
    /// what the command ended with if it ended before.
    pub(crate) fn interrupt(&self, command: &mut Command, moment: Moment) -> Option<Output> {
        self.watched.interrupt(command, moment)
    }

    /// Puts all in order for the next test: no container, network, volume, secret or file is left. Images
    /// stay.
    pub(crate) fn clean(&self) {
        let podman = |words: &[&str]| command::output(self.podman([]).args(words));
        podman(&["rm", "--all", "--force", "--time=0", "--volumes"]);
        // What Podman was killed at making is in its store, and not among its containers.
        let external = ["ps", "--all", "--external", "--format", "{{.ID}}"];
        let external = command::run(&mut self.podman(external));
        if !external.is_empty() {
            podman(&[&["rm", "--force"][..], &external.lines().collect::<Vec<_>>()].concat());
        }
        podman(&["volume", "rm", "--all", "--force"]);
        podman(&["network", "rm", "--force", NETWORK]);
        podman(&["network", "prune", "--force"]);
        forget_networks();
        podman(&["secret", "rm", "--all"]);
        podman(&["rmi", "--force", concat!("localhost/wharf:", env!("CARGO_PKG_VERSION"))]);
        fs::remove_dir_all(self.home()).unwrap();
        fs::create_dir(self.home()).unwrap();
        for file in self.empty.new_files_of_the_machine(&self.inventory()) {
            fs::remove_file(file).unwrap();
        }
        self.forget_calls();
        self.port.store(machine::free_port(), Ordering::Relaxed);
    }

    /// What helps to see why a test failed.
    pub(crate) fn tell(&self) {
        for call in self.calls() {
            eprintln!("{} {call}", if call.changes { "-!" } else { "--" });
        }
        for node in self.podman.run(["ps", "--format", "{{.Names}}"]).lines() {
            let log =
                command::words(&command::output(&mut self.podman(["logs", "--tail=40", node])));
            eprintln!("--- log of {node}\n{log}");
            let log = self.containerd(node).log();
            let tail = log.lines().rev().take(40).collect::<Vec<_>>();
            eprintln!("{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
    }

    /// A PATH with the watched programs, less some, and everything else of the machine but other engines.
    fn path(&self, hidden: &[&str]) -> String {
        let shown = WATCHED.iter().filter(|name| !hidden.contains(name));
        let mut folders: Vec<_> = shown.map(|name| self.watched.path_of(name)).collect();
        folders.push(self.podman.folder().join("programs"));
        std::env::join_paths(folders).unwrap().into_string().unwrap()
    }
}

/// Removes what a Podman that was killed while it set a container up leaves of a network: its links, and
/// the names and addresses below `/run`, which are kept by the network's name alone, so that the next
/// network of that name would have them.
fn forget_networks() {
    for link in fs::read_dir("/sys/class/net").unwrap().map(|entry| entry.unwrap().file_name()) {
        if link != "lo" {
            command::output(Command::new("ip").args(["link", "delete"]).arg(link));
        }
    }
    let state = Path::new("/run/containers/networks");
    // The server of names ends when it reads that there is no network left.
    let names = state.join("aardvark-dns");
    let process = fs::read_to_string(names.join("aardvark.pid")).unwrap_or_default();
    let program = fs::read_link(format!("/proc/{}/exe", process.trim()));
    drop(fs::remove_dir_all(state));
    if program.is_ok_and(|program| program.ends_with("aardvark-dns")) {
        command::output(Command::new("kill").arg(process.trim()));
    }
}

/// Links all programs of the machine's PATH into `folder`, but for those that are watched and other
/// engines.
fn link_programs(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for place in std::env::split_paths(&path) {
        let Ok(entries) = fs::read_dir(place) else { continue };
        for entry in entries.map(|entry| entry.unwrap()) {
            let name = entry.file_name();
            let is_hidden = WATCHED.iter().chain(&OTHER_ENGINES).any(|hidden| name == **hidden);
            let link = folder.join(&name);
            // The first on the PATH counts.
            if !is_hidden && link.symlink_metadata().is_err() {
                symlink(entry.path(), link).unwrap();
            }
        }
    }
}

/// Makes the folder that [`Ground::build_greeter`] builds of.
fn build_greeter(podman: &Podman) {
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kind/images/greeter");
    let context = podman.folder().join("greeter");
    fs::create_dir(&context).unwrap();
    fs::copy(format!("{sources}/Containerfile"), context.join("Containerfile")).unwrap();
    let mut rustc = Command::new("rustc");
    rustc.args(["-O", "-C", "target-feature=+crt-static", "-C", "strip=symbols", "-o"]);
    command::run(rustc.arg(context.join("greeter")).arg(format!("{sources}/greeter.rs")));
}
