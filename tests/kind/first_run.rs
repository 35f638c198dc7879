//! A new user's first run, as the README has it, word by word: what is typed, what is seen, how long it took.
//! With `WHARF_WRITE_DOCS` set it is written down in `docs/FIRST-RUN.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

use crate::Run;
use crate::command;
use crate::ground::{Ground, NODE_IMAGE};
use crate::machine;

pub(crate) fn trials() -> Vec<(&'static str, Run)> {
    vec![("a_first_run_by_the_readme", a_first_run_by_the_readme)]
}

/// The words before the transcript.
const HEAD: &str = "\
# A first run

<!-- Written by a test. To write it anew: WHARF_WRITE_DOCS=1 ./test.sh kind -->

What the README tells a new user to type once wharf is installed, what is seen, and how long each took, on
two cores: real Podman, real Kind, real containerd. Three things are not as they are elsewhere. Kind's own
node image cannot be had where this ran, so the nodes are Debian with containerd and stand-ins for Kubernetes,
which is why `--node-image` is there, why the cluster is quick to come, and why `deploy` only shows what it
would apply. So the pull and the program that a pod would start are typed by hand, on the node. And a test
takes a free port, which is written as 5000 here. Digests, times and sizes are those of one run.
";

/// A terminal whose words are kept.
struct Terminal<'a> {
    ground: &'a Ground,
    transcript: String,
}

impl Terminal<'_> {
    /// What the user reads before the next commands.
    fn heading(&mut self, words: &str) {
        write!(self.transcript, "\n## {words}\n").unwrap();
    }

    /// Types a line, which must do well; gives what is seen.
    fn types(&mut self, line: &str) -> String {
        let begun = Instant::now();
        let mut shell = self.ground.command("sh");
        let path = shell.get_envs().find(|(name, _)| *name == "PATH").unwrap().1.unwrap();
        let own = machine::wharf().parent().unwrap().display().to_string();
        let path = format!("{own}:{}", path.to_str().unwrap());
        shell.env("PATH", path).args(["-c", &format!("exec 2>&1; {line}")]);
        let output = command::output(shell.current_dir(self.ground.home().join("project")));
        let seen = command::words(&output);
        assert!(output.status.success(), "{line}:\n{seen}");
        let seconds = begun.elapsed().as_secs_f64();
        let seen = seen.trim_end();
        write!(self.transcript, "\n```console\n$ {line}\n").unwrap();
        if !seen.is_empty() {
            writeln!(self.transcript, "{seen}").unwrap();
        }
        write!(self.transcript, "```\n\n{seconds:.1} s\n").unwrap();
        seen.to_owned()
    }
}

/// A project with an image and a manifest, as someone has it already.
fn project(ground: &Ground) {
    let folder = ground.home().join("project");
    for inner in ["moon-server", "deploy"] {
        fs::create_dir_all(folder.join(inner)).unwrap();
    }
    ground.build_greeter("localhost/base:1", "hello from the moon");
    fs::write(folder.join("moon-server/Containerfile"), "FROM localhost/base:1\nLABEL of=moon\n")
        .unwrap();
    let deployment = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: moon-server
spec:
  selector:
    matchLabels: {app: moon-server}
  template:
    metadata:
      labels: {app: moon-server}
    spec:
      containers:
      - name: moon-server
        image: moon-server:v1.0.0
";
    fs::write(folder.join("deploy/moon-server.yaml"), deployment).unwrap();
}

fn a_first_run_by_the_readme(ground: &Ground) {
    project(ground);
    let port = ground.port().to_string();
    let mut terminal = Terminal { ground, transcript: String::new() };
    terminal.heading("Set up");
    terminal.types(&format!("wharf up --node-image {NODE_IMAGE} --port {port}"));
    terminal.types("wharf doctor");
    terminal.heading("The project");
    terminal.types("wharf init");
    terminal.types("wharf build");
    let pushed = terminal.types("wharf push");
    assert!(pushed.contains("kind-registry:5000/moon-server:v1.0.0"), "{pushed}");
    let shown = terminal.types("wharf deploy --dry-run");
    assert!(shown.contains("image: kind-registry:5000/moon-server@sha256:"), "{shown}");
    terminal.heading("What a pod would do");
    let pull =
        "podman exec mcp-cluster-control-plane crictl pull kind-registry:5000/moon-server:v1.0.0";
    terminal.types(pull);
    let run = "podman exec mcp-cluster-control-plane ctr -n k8s.io run --rm \
               kind-registry:5000/moon-server:v1.0.0 pod /greeter";
    assert_eq!(terminal.types(run), "hello from the moon");
    terminal.heading("Changed, and once more");
    terminal
        .types("echo 'LABEL phase=full' >>moon-server/Containerfile && wharf build && wharf push");
    terminal.heading("Where all stands, nothing is done");
    terminal.types("wharf up");
    terminal.types("wharf status");
    terminal.heading("Down");
    terminal.types("wharf down --delete-cluster --data --image");

    let text = format!("{HEAD}{}", terminal.transcript);
    let home = ground.home().display().to_string();
    let text = text.replace(&home, "~").replace(&port, "5000");
    if std::env::var_os("WHARF_WRITE_DOCS").is_some() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FIRST-RUN.md");
        fs::write(file, text).unwrap();
    }
}
