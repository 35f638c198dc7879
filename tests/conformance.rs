//! The distribution specification's own conformance program on the built registry: every version of the
//! specification that it knows, and how often each result must come. `OCI_CONFORMANCE` names the
//! program; without it this says in one line that it was left out. `docs/CONFORMANCE.md` tells how
//! to get one.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on ends here, and says what it left out"
)]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// How often each result must come, for a version of the specification. The others must not come.
const EXPECTED: [(&str, usize, usize); 3] = [("1.0", 850, 8), ("1.1", 860, 2), ("dev", 986, 0)];

#[test]
fn every_version_passes_in_every_check() {
    let Some(program) = conformance_program() else { return };
    for (version, pass, disabled) in EXPECTED {
        let server = Server::start(&[]);
        let results = run(&program, &server, &[("OCI_VERSION", version)]);
        println!("conformance {version}: {results:?}");
        let counts = ["Pass", "Disabled", "Skip", "FAIL", "Error"].map(|name| results.count(name));
        assert_eq!(counts, [pass, disabled, 0, 0, 0], "{version}:\n{}", results.report);
    }
}

#[test]
fn sparse_manifests_pass_where_they_are_allowed() {
    let Some(program) = conformance_program() else { return };
    let server = Server::start(&["--allow-sparse"]);
    let settings = [("OCI_VERSION", "dev"), ("OCI_DATA_SPARSE", "true")];
    let results = run(&program, &server, &settings);
    println!("conformance dev with sparse manifests: {results:?}");
    let counts = ["Skip", "FAIL", "Error"].map(|name| results.count(name));
    assert_eq!(counts, [0, 0, 0], "{}", results.report);
    assert!(results.count("Pass") > 986, "the sparse data set was left out:\n{}", results.report);
}

fn conformance_program() -> Option<OsString> {
    let program = std::env::var_os("OCI_CONFORMANCE").filter(|program| !program.is_empty());
    if program.is_none() {
        println!("left out: the conformance program of the OCI: OCI_CONFORMANCE does not name one");
    }
    program
}

/// Runs the program on an empty registry; it needs no more than its environment.
fn run(program: &OsStr, server: &Server, settings: &[(&str, &str)]) -> Results {
    let folder = TempDir::new().unwrap();
    let mut command = Command::new(program);
    command.current_dir(&folder).env("OCI_RESULTS_DIR", folder.path().join("results"));
    command.env("OCI_REGISTRY", &server.address).env("OCI_TLS", "disabled");
    command.envs(settings.iter().copied());
    let output = command.output().unwrap_or_else(|error| panic!("{program:?}: {error}"));
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, summary) = report.split_once("OCI Conformance Result:").unwrap_or_else(|| {
        panic!("no result in {report}\n{}", String::from_utf8_lossy(&output.stderr))
    });
    // One line per result, `Pass...: 860`, up to the first empty line.
    let lines = summary.lines().skip(1).take_while(|line| !line.trim().is_empty());
    let counts = lines.filter_map(|line| {
        let (name, count) = line.split_once(':')?;
        Some((name.trim().trim_end_matches('.').to_owned(), count.trim().parse().ok()?))
    });
    Results { counts: counts.collect(), report }
}

/// What the program found.
struct Results {
    counts: BTreeMap<String, usize>,
    report: String,
}

impl Results {
    fn count(&self, name: &str) -> usize {
        *self.counts.get(name).unwrap_or_else(|| panic!("no {name} in\n{}", self.report))
    }
}

impl std::fmt::Debug for Results {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.counts.fmt(f)
    }
}

/// A registry with an empty store of its own, until it is dropped.
struct Server {
    child: Child,
    address: String,
    _root: TempDir,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let program = std::env::var_os("WHARF_BINARY");
        let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_wharf").into());
        let root = TempDir::new().unwrap();
        let mut child = command(&program, root.path(), arguments).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("listening on ")).unwrap();
        let (_, address) = line.split_once("listening on ").unwrap();
        let address = address.split_whitespace().next().unwrap().to_owned();
        // What it says further on is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, _root: root }
    }
}

fn command(program: &OsStr, root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--root"]).arg(root).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
