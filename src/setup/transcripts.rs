//! `wharf up` and `wharf doctor` on machines that are not at hand: macOS with Podman's virtual machine,
//! with and without root, and Docker as Kind's engine. What these answer is written down, in `transcripts/`;
//! what `wharf up` would do is compared with the commands written beside it, and the doctor has to find
//! what is not there yet.
//!
//! It proves that answers of these forms lead to these commands, and nothing about what the commands do.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::config::{Cluster, NewCluster};
use super::engine::{Engine, Kind};
use super::examination::examine;
use super::hand::{Hand, Manner};
use super::image::{self, OwnImage};
use super::site::tests::{Ground, site_of};
use super::walk::walk;
use super::{Step, diagnosis, steps};
use crate::process::recorded::{Answer, Recorded};
use crate::report::Report;

/// The entries of a transcript: `$ command`, or its beginning, then the answer; `! words` is a failure,
/// and `@name text` a line that a look into a node gives.
fn entries(transcript: &str) -> Vec<(String, Answer)> {
    let mut entries: Vec<(String, Answer)> = Vec::new();
    // What it is stands at its head.
    for line in transcript.lines().skip_while(|line| !line.starts_with("$ ")) {
        if let Some(command) = line.strip_prefix("$ ") {
            entries.push((command.to_owned(), Ok(Vec::new())));
            continue;
        }
        let (_, answer) = entries.last_mut().expect("an answer follows its command");
        match (answer, line.strip_prefix("! "), line.strip_prefix('@')) {
            (answer, Some(words), _) => *answer = Err(words.to_owned()),
            (Ok(text), _, Some(told)) => text.extend(looked(told).into_bytes()),
            (Ok(text), ..) => text.extend(format!("{line}\n").into_bytes()),
            (Err(_), ..) => assert_eq!(line, "", "an answer after a failure"),
        }
    }
    entries
}

/// A line of a look into a node: `version containerd …`, with line ends written as `\n`.
fn looked(told: &str) -> String {
    let (kind, content) = told.split_once(' ').unwrap_or((told, ""));
    let content = content.replace("\\n", "\n");
    format!("{kind} {} {}\n", STANDARD.encode(""), STANDARD.encode(content))
}

/// A port that nothing has.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What a hand would do, with what differs from machine to machine and build to build left out.
fn shown(site: &Ground) -> String {
    let lines = site.hand().shown.lock().unwrap().join("\n");
    let home = site.places.config.display().to_string();
    let sources = crate::image::sources::tests::sources().digest().to_string();
    lines
        .replace(&home, "~/.config")
        .replace(&sources, "sha256:SOURCES")
        .replace(env!("CARGO_PKG_VERSION"), "VERSION")
        .replace(&site.config.port.to_string(), "5000")
        // A machine without IPv6 makes its networks without.
        .replace(" --ipv6 --subnet fc00:f853:ccd:e793::/64", "")
        + "\n"
}

/// Walks through all steps of a machine without doing anything, and compares. With `WHARF_WRITE_DOCS` set,
/// what would be done is written down instead.
fn assert_leads_to(kind: Kind, own: OwnImage, name: &str) {
    let site = machine(kind, name);
    let steps = steps_with(own);
    walk(&site, &steps).unwrap_or_else(|error| panic!("{error:?}\n{}", shown(&site)));
    let (shown, path) = (shown(&site), path(name, "commands"));
    if std::env::var_os("WHARF_WRITE_DOCS").is_some() {
        fs::write(path, &shown).unwrap();
        return;
    }
    let expected = fs::read_to_string(path).unwrap();
    assert!(shown == expected, "what would be done has changed:\n{shown}");
}

/// Has every check of the doctor look at such a machine: each can, and those that call something a fault
/// are these.
fn assert_doctor_faults(kind: Kind, own: OwnImage, name: &str, expected: &[&str]) {
    let site = machine(kind, name);
    let mut checks = steps_with(own);
    checks.extend(diagnosis::all());
    let all = examine(&site, &checks);
    let blind: Vec<_> = all.iter().filter(|it| !it.has_looked).collect();
    assert!(blind.is_empty(), "checks that cannot look: {blind:#?}");
    let faulty: Vec<_> = all.iter().filter(|it| it.faults().next().is_some()).collect();
    let names: Vec<_> = faulty.iter().map(|it| it.check).collect();
    assert_eq!(names, expected, "{faulty:#?}");
}

fn path(name: &str, ending: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/setup/transcripts");
    folder.join(format!("{name}.{ending}"))
}

/// A machine that answers as a transcript says, and on which nothing is done.
fn machine(kind: Kind, name: &str) -> Ground {
    let transcript = fs::read_to_string(path(name, "txt")).unwrap();
    let recorded = Arc::new(Recorded::transcript(entries(&transcript)));
    let mut site = site_of(kind, &recorded);
    let hand = Hand::new(Arc::clone(&recorded) as _, Manner::Dry, Report::new(false));
    site.engine = Engine::new(kind, hand);
    site.config.port = free_port();
    site.config.cluster = Cluster::Named("mcp-cluster".into(), NewCluster::default());
    (site.config.drop_in, site.config.autostart) = (true, true);
    site
}

/// The steps, with another's image in the place of ours.
fn steps_with(own: OwnImage) -> Vec<Box<dyn Step>> {
    let mut steps = steps();
    let at = steps.iter().position(|step| step.name() == own.name()).unwrap();
    steps[at] = Box::new(own);
    steps
}

/// What the doctor misses on a Mac before the first `up`.
const MISSED_ON_A_MAC: [&str; 10] = [
    "image",
    "ingest-secret",
    "registry",
    "autostart",
    "podman-push",
    "cluster",
    "config-path",
    "hosts-toml",
    "local-registry-hosting",
    "node-reach",
];

#[test]
fn on_a_mac_without_root() {
    assert_leads_to(Kind::Podman, image::tests::on_a_mac(), "mac-rootless");
}

#[test]
fn on_a_mac_with_root() {
    assert_leads_to(Kind::Podman, image::tests::on_a_mac(), "mac-rootful");
}

#[test]
fn with_docker() {
    assert_leads_to(Kind::Docker, image::tests::on_linux(), "docker");
}

#[test]
fn the_doctor_looks_at_a_mac() {
    for name in ["mac-rootless", "mac-rootful"] {
        assert_doctor_faults(Kind::Podman, image::tests::on_a_mac(), name, &MISSED_ON_A_MAC);
    }
}

#[test]
fn the_doctor_looks_at_docker() {
    let missed = MISSED_ON_A_MAC
        .into_iter()
        .filter(|name| !["ingest-secret", "autostart", "podman-push"].contains(name))
        .collect::<Vec<_>>();
    assert_doctor_faults(Kind::Docker, image::tests::on_linux(), "docker", &missed);
}
