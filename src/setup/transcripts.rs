//! `wharf up`, `doctor`, `status` and `down` on machines that are not at hand: macOS with Podman's virtual
//! machine, with and without root, and Docker as Kind's engine. What these answer before `up`, and after it,
//! is written down in `transcripts/`; what `up` and `down` would do is compared with the commands written
//! beside it, the doctor has to find what is not there yet, and `status` what is there.
//!
//! It proves that answers of these forms lead to these commands, and nothing about what the commands do.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::config::{Cluster, NewCluster, Removal};
use super::engine::{Engine, Kind};
use super::examination::examine;
use super::hand::{Hand, Manner};
use super::image::{self, OwnImage};
use super::receipt::Made;
use super::site::tests::{Ground, site_of};
use super::walk::{take_down, walk};
use super::{SetupError, Step, diagnosis, steps};
use crate::cli::status::Standing;
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

/// A line of a look into a node: `version containerd …`, `file NAME …`, with line ends written as `\n`.
fn looked(told: &str) -> String {
    let (kind, content) = told.split_once(' ').unwrap_or((told, ""));
    let (name, content) = match kind {
        "folder" | "file" => content.split_once(' ').unwrap_or((content, "")),
        _ => ("", content),
    };
    let content = content.replace("\\n", "\n");
    format!("{kind} {} {}\n", STANDARD.encode(name), STANDARD.encode(content))
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
    assert_shown(&site, &path(name, "commands"));
}

/// Compares what a hand would do with what is written down.
fn assert_shown(site: &Ground, path: &Path) {
    let shown = shown(site);
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

/// A machine that answers as transcripts say, the first first, and on which nothing is done.
fn ground(kind: Kind, name: &str, endings: &[&str], made: Vec<Made>) -> Ground {
    let read = |ending: &&str| entries(&fs::read_to_string(path(name, ending)).unwrap());
    let recorded = Arc::new(Recorded::transcript(endings.iter().flat_map(read)));
    let mut site = site_of(kind, &recorded);
    made.into_iter().for_each(|made| site.note(made).unwrap());
    let hand = Hand::new(Arc::clone(&recorded) as _, Manner::Dry, Report::new(false));
    site.engine = Engine::new(kind, hand);
    site
}

/// A machine on which `up` never was.
fn machine(kind: Kind, name: &str) -> Ground {
    let mut site = ground(kind, name, &["txt"], Vec::new());
    site.config.port = free_port();
    site.config.cluster = Cluster::Named("mcp-cluster".into(), NewCluster::default());
    (site.config.drop_in, site.config.autostart) = (true, true);
    site
}

/// The same machine when `up` has been there.
fn standing(kind: Kind, name: &str) -> Ground {
    let site = ground(kind, name, &["up.txt", "txt"], made(kind, name));
    // The file of the secret is this machine's own, and really there.
    let secret = site.places.ingest_secret();
    fs::create_dir_all(secret.parent().unwrap()).unwrap();
    fs::write(&secret, "secret").unwrap();
    if kind == Kind::Podman {
        let quiet = Hand::new(Arc::clone(site.hand().runner()), Manner::Quiet, Report::new(false));
        site.receipt.note(&quiet, Made::File { path: secret, in_machine: false }).unwrap();
    }
    site
}

/// What `up` writes down of what it makes there.
fn made(kind: Kind, name: &str) -> Vec<Made> {
    let registry = "kind-registry".to_owned();
    let mut made = vec![
        Made::Image { name: "localhost/wharf:1.0.0".into() },
        Made::Volume { name: "kind-registry-data".into() },
        Made::Port { port: 5000 },
        Made::Registry { name: registry },
        Made::Cluster { name: "mcp-cluster".into() },
        Made::ClusterNode {
            cluster: "mcp-cluster".into(),
            container: format!("1b2c3d4e5f60{}", "0".repeat(52)),
        },
        Made::NodeFile {
            node: "dev-control-plane".into(),
            container: format!("0a1b2c3d4e5f{}", "0".repeat(52)),
            path: "/etc/containerd/config.toml".into(),
            before: Some(CONFIG.into()),
            after: format!("{CONFIG}{CONFIG_PATH}"),
        },
    ];
    for cluster in ["dev", "mcp-cluster"] {
        let node = format!("{cluster}-control-plane");
        for host in ["kind-registry:5000", "localhost:5000"] {
            made.push(Made::Hosts { node: node.clone(), host: host.into() });
        }
        made.push(Made::Hosting { cluster: cluster.into(), before: None });
    }
    if kind == Kind::Podman {
        let folder = match name {
            "mac-rootless" => "~/.config/containers/registries.conf.d",
            _ => "/etc/containers/registries.conf.d",
        };
        let path = Path::new(folder).join("50-wharf-kind-registry.conf");
        made.extend([
            Made::Secret { name: "kind-registry-ingest-96c6e05b".into() },
            Made::Unit { name: "podman-restart.service".into(), in_machine: true },
            Made::File { path, in_machine: true },
        ]);
    }
    made
}

/// containerd's configuration on the user's node before `up`, and what that adds.
const CONFIG: &str = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n\
                      snapshotter = \"overlayfs\"\n";
const CONFIG_PATH: &str = "\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n\
                           config_path = \"/etc/containerd/certs.d\"\n";

/// Takes everything down without doing anything, and compares; then as `down` without a flag, which leaves
/// what is the user's to give up.
fn assert_down_leads_to(kind: Kind, own: fn() -> OwnImage, name: &str) {
    let mut site = standing(kind, name);
    site.config.removal = Removal { data: true, clusters: true, image: true };
    assert_eq!(told(take_down(&site, &steps_with(own()))), [""; 0]);
    assert_shown(&site, &path(name, "down.commands"));
    let site = standing(kind, name);
    assert_eq!(told(take_down(&site, &steps_with(own()))), [""; 0]);
    let shown = shown(&site);
    for kept in ["delete cluster", "volume rm", "image rm", "network rm"] {
        assert!(!shown.contains(kept), "{kept}: {shown}");
    }
    for gone in ["rm --force kind-registry", "hosts.toml", "config.toml"] {
        assert!(shown.contains(gone), "{gone}: {shown}");
    }
}

fn told(failures: Vec<SetupError>) -> Vec<String> {
    failures.iter().map(|failure| crate::failure::told(failure)).collect()
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

#[test]
fn down_on_a_mac_without_root() {
    assert_down_leads_to(Kind::Podman, image::tests::on_a_mac, "mac-rootless");
}

#[test]
fn down_on_a_mac_with_root() {
    assert_down_leads_to(Kind::Podman, image::tests::on_a_mac, "mac-rootful");
}

#[test]
fn down_with_docker() {
    assert_down_leads_to(Kind::Docker, image::tests::on_linux, "docker");
}

#[test]
fn down_where_nothing_was_made_does_nothing() {
    for (kind, name) in
        [(Kind::Podman, "mac-rootless"), (Kind::Podman, "mac-rootful"), (Kind::Docker, "docker")]
    {
        let mut site = machine(kind, name);
        site.config.removal = Removal { data: true, clusters: true, image: true };
        assert_eq!(told(take_down(&site, &steps())), [""; 0], "{name}");
        assert_eq!(shown(&site), "\n", "{name}");
    }
}

#[test]
fn status_tells_what_stands() {
    for (kind, name) in
        [(Kind::Podman, "mac-rootless"), (Kind::Podman, "mac-rootful"), (Kind::Docker, "docker")]
    {
        let before = Standing::read(&machine(kind, name)).unwrap();
        assert!(before.registry.is_none(), "{name}");
        let [dev] = &before.nodes[..] else { panic!("{name}: {before:?}") };
        assert_eq!((&*dev.node, dev.running, dev.wired), ("dev-control-plane", true, Some(false)));

        let site = standing(kind, name);
        let standing = Standing::read(&site).unwrap();
        let registry = standing.registry.as_ref().unwrap();
        assert_eq!(
            (&*registry.container, &*registry.image),
            ("kind-registry", "localhost/wharf:1.0.0")
        );
        assert_eq!((&*registry.host, &*registry.pods), ("localhost:5000", "kind-registry:5000"));
        assert!(registry.running && registry.ours, "{name}: {registry:?}");
        assert_eq!(registry.volume.as_deref(), Some("kind-registry-data"));
        assert_eq!(registry.usage.as_ref().unwrap().blobs, 3);
        assert_eq!(registry.ingest, kind == Kind::Podman, "{name}");
        let nodes: Vec<_> = standing.nodes.iter().map(|it| (&*it.node, it.wired)).collect();
        let wired = Some(true);
        assert_eq!(
            nodes,
            [("dev-control-plane", wired), ("mcp-cluster-control-plane", wired)],
            "{name}: {standing:?}"
        );
        assert_eq!(shown(&site), "\n", "{name}: status changes nothing");
    }
}
