//! hosts.toml on every running node, for both names of the registry. It is read by containerd at every
//! pull: nothing is started anew.
//!
//! A file that leads elsewhere in a folder of ours is kept beside the new one, and put back by `undo`.

pub mod file;

use super::in_cluster;
use super::node::inside::CERTS_D;
use super::node::{self, Inside, Node};
use super::receipt::Made;
use super::{Finding, SetupError, Site, Step};
use file::Verdict;

/// The step.
#[derive(Debug)]
pub struct Hosts;

impl Step for Hosts {
    fn name(&self) -> &'static str {
        "hosts-toml"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let looked = node::look_into_each(site, |node| faults(site, node))?;
        let all = looked.seen.len();
        let found = looked.seen.into_iter().flat_map(|(_, faults)| faults);
        let faults: Vec<_> = found.chain(looked.faults).collect();
        Ok(match all {
            _ if !faults.is_empty() => faults,
            0 => Vec::new(),
            count => vec![Finding::ok(
                "hosts.toml",
                format!("leads to the registry on {}", node::count(count)),
            )],
        })
    }

    fn apply(&self, site: &Site) -> Result<(), SetupError> {
        node::change_each(site, &node::running(site)?, |node| wire(site, node))
    }

    fn undo(&self, site: &Site) -> Result<(), SetupError> {
        let mut undone = Ok(());
        for made in site.receipt.made() {
            let Made::Hosts { node, host } = &made else { continue };
            // A node that cannot be changed keeps its own file, and no other.
            let of_this = take_back(site, &made, node, host);
            undone = undone.and(of_this.map_err(|error| node::unchanged(site, node, error)));
        }
        undone
    }
}

/// Takes away what was written of a name on a node, unless that stands still.
fn take_back(site: &Site, made: &Made, node: &str, host: &str) -> Result<(), SetupError> {
    match node::find(site, node)? {
        Some(found) if !found.container.is_running => {
            site.hand()
                .say(format_args!("{node} stands still: hosts.toml for {host} stays in it."));
            return Ok(());
        }
        Some(found) => unwire(site, &found, host)?,
        None => {}
    }
    site.strike(made)
}

/// The names under which nodes know the registry: the pods' own, and the host's, which tools put in
/// pods that know no other.
pub fn names(site: &Site) -> Vec<String> {
    let mut names = vec![site.config.pod_name(), site.config.host_name()];
    names.extend(in_cluster::cluster(site).map(|_| format!("localhost:{}", in_cluster::NODE_PORT)));
    names
}

/// Where a node finds the registry, as a URL.
pub fn target(site: &Site, node: &Node) -> String {
    in_cluster::target(site, node).unwrap_or_else(|| format!("http://{}", site.config.pod_name()))
}

/// What pulls of a name meet on a node.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Right,
    Missing,
    Broken(String),
    Elsewhere(String),
}

/// Judges the file for a name.
fn state(inside: &Inside, host: &str, server: &str) -> State {
    let Some(text) = inside.hosts.get(host) else { return State::Missing };
    match file::judge(text, server, inside.is_containerd((2, 2))) {
        Verdict::Right => State::Right,
        Verdict::Broken(words) => State::Broken(words),
        Verdict::Elsewhere(place) => State::Elsewhere(place),
    }
}

/// The folder that containerd looks into before the one of `host`: `localhost_5000_`.
fn shadow(host: &str) -> Option<String> {
    host.rsplit_once(':').map(|(name, port)| format!("{name}_{port}_"))
}

/// Such a folder, if it is there and does not lead to the registry itself.
fn shadowed(inside: &Inside, host: &str, server: &str) -> Option<String> {
    let shadow = shadow(host).filter(|folder| inside.folders.contains(folder))?;
    (state(inside, &shadow, server) != State::Right).then_some(shadow)
}

fn faults(site: &Site, node: &Node) -> Result<Vec<Finding>, SetupError> {
    let (inside, server) = (Inside::read(site, node)?, target(site, node));
    let mut found = Vec::new();
    let mut fault = |words: String, fix: &str| {
        found.push(Finding::fault(node.name(), words).mended_by(fix));
    };
    for host in names(site) {
        match state(&inside, &host, &server) {
            State::Right => {}
            State::Missing => fault(format!("hosts.toml for {host} is missing"), "write it"),
            State::Broken(words) => {
                fault(format!("hosts.toml for {host} {words}"), "write it anew")
            }
            State::Elsewhere(place) => fault(
                format!("hosts.toml for {host} leads to {place}"),
                "write it anew, and keep the old one beside it as hosts.toml.before-wharf",
            ),
        }
        if let Some(shadow) = shadowed(&inside, &host, &server) {
            fault(
                format!("the folder {CERTS_D}/{shadow} hides the one for {host}"),
                "rename that folder",
            );
        }
    }
    Ok(found)
}

/// Has a node find the registry by both names.
fn wire(site: &Site, node: &Node) -> Result<(), SetupError> {
    let (inside, server) = (Inside::read(site, node)?, target(site, node));
    for host in names(site) {
        if let Some(shadow) = shadowed(&inside, &host, &server) {
            note(site, node, &host)?;
            site.engine.exec(node.name(), &script(ASIDE, &[&shadow]), &[])?;
            site.hand().say(format_args!(
                "On {}, {CERTS_D}/{shadow} is {shadow}.before-wharf now: it hid hosts.toml for {host}.",
                node.name()
            ));
        }
        let keep = match state(&inside, &host, &server) {
            State::Right => continue,
            State::Elsewhere(place) => {
                site.hand().say(format_args!(
                    "On {}, {host} led to {place}: that is kept in hosts.toml.before-wharf.",
                    node.name()
                ));
                true
            }
            State::Missing | State::Broken(_) => false,
        };
        write(site, node, &host, &file::text(&server), keep)?;
    }
    Ok(())
}

/// Writes the hosts.toml of a name in one step. One that is there is kept beside it if it is to be.
///
/// # Errors
/// The receipt or the file cannot be written.
pub fn write(
    site: &Site,
    node: &Node,
    host: &str,
    text: &str,
    keep: bool,
) -> Result<(), SetupError> {
    note(site, node, host)?;
    let mut words = script(WRITE, &[host]);
    if keep {
        words.push("keep");
    }
    Ok(site.engine.exec(node.name(), &words, text.as_bytes())?)
}

fn note(site: &Site, node: &Node, host: &str) -> Result<(), SetupError> {
    site.note(Made::Hosts { node: node.name().to_owned(), host: host.to_owned() })
}

/// Takes away the file of a name, and puts back what was there. One that leads elsewhere by now is
/// not ours any more.
fn unwire(site: &Site, node: &Node, host: &str) -> Result<(), SetupError> {
    let inside = Inside::read(site, node)?;
    // Under the names of other registries are the mirrors that we turned into files.
    let is_ours = host.starts_with("localhost:") || host == site.config.pod_name();
    if is_ours && matches!(state(&inside, host, &target(site, node)), State::Elsewhere(_)) {
        return Ok(());
    }
    let shadow = shadow(host).unwrap_or_default();
    Ok(site.engine.exec(node.name(), &script(REMOVE, &[host, &shadow]), &[])?)
}

/// A shell's script with its arguments.
fn script<'a>(script: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    [&["sh", "-ec", script, "sh"], arguments].concat()
}

/// What is moved aside is never lost: where something was before, that gets a number. A folder that is a
/// link is somebody's who shares it: what it leads to is not written into.
const WRITE: &str = r#"cd /etc/containerd
mkdir -p certs.d
cd certs.d
[ ! -L "$1" ] || mv -T --backup=numbered "$1" "$1.before-wharf"
mkdir -p "$1"
cd "$1"
cat >.hosts.toml.new
[ -z "$2" ] || [ ! -e hosts.toml ] || mv -T --backup=numbered hosts.toml hosts.toml.before-wharf
mv -T .hosts.toml.new hosts.toml"#;

const ASIDE: &str = r#"cd /etc/containerd/certs.d
mv -T --backup=numbered "$1" "$1.before-wharf""#;

const REMOVE: &str = r#"cd /etc/containerd/certs.d || exit 0
if [ -d "$1" ] && [ ! -L "$1" ]; then
    rm -f "$1/hosts.toml" "$1/.hosts.toml.new"
    [ ! -e "$1/hosts.toml.before-wharf" ] || mv -T "$1/hosts.toml.before-wharf" "$1/hosts.toml"
    rmdir --ignore-fail-on-non-empty "$1"
fi
for name in "$1" "$2"; do
    if [ -n "$name" ] && [ ! -e "$name" ] && [ ! -L "$name" ] && ls -d "$name.before-wharf" >/dev/null 2>&1; then
        mv -T "$name.before-wharf" "$name"
    fi
done"#;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::process::recorded::Answer;
    use crate::setup::site::tests::site;

    /// Runs a script as a node does, with a folder in the place of /etc/containerd.
    fn run(folder: &Path, text: &str, arguments: &[&str], input: &str) {
        let text = text.replace("/etc/containerd", &folder.display().to_string());
        let mut child = Command::new("sh")
            .args(&script(&text, arguments)[1..])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        assert!(child.wait().unwrap().success(), "{text}");
    }

    /// A folder with files in it, and everything in it.
    fn ground(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join("certs.d").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn read(folder: &tempfile::TempDir, name: &str) -> String {
        fs::read_to_string(folder.path().join("certs.d").join(name)).unwrap_or_default()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn nothing_that_was_moved_aside_is_lost() {
        let folder = ground(&[("a:1/hosts.toml", "first"), ("a_1_/hosts.toml", "hidden")]);
        run(folder.path(), WRITE, &["a:1", "keep"], "ours");
        run(folder.path(), ASIDE, &["a_1_"], "");
        let certs = folder.path().join("certs.d");
        fs::write(certs.join("a:1/hosts.toml"), "second").unwrap();
        fs::create_dir(certs.join("a_1_")).unwrap();
        fs::write(certs.join("a_1_/hosts.toml"), "hidden again").unwrap();
        run(folder.path(), WRITE, &["a:1", "keep"], "ours");
        run(folder.path(), ASIDE, &["a_1_"], "");
        assert_eq!(read(&folder, "a:1/hosts.toml"), "ours");
        run(folder.path(), REMOVE, &["a:1", "a_1_"], "");
        for (name, text) in [
            ("a:1/hosts.toml", "second"),
            ("a:1/hosts.toml.before-wharf.~1~", "first"),
            ("a_1_/hosts.toml", "hidden again"),
            ("a_1_.before-wharf.~1~/hosts.toml", "hidden"),
        ] {
            assert_eq!(read(&folder, name), text, "{name}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_folder_that_is_a_link_is_not_written_into() {
        for target in ["shared", "gone"] {
            let folder = ground(&[("shared/hosts.toml", "theirs")]);
            symlink(target, folder.path().join("certs.d/a:1")).unwrap();
            run(folder.path(), WRITE, &["a:1", "keep"], "ours");
            assert_eq!(read(&folder, "a:1/hosts.toml"), "ours");
            assert_eq!(read(&folder, "shared/hosts.toml"), "theirs");
            run(folder.path(), REMOVE, &["a:1", "a_1_"], "");
            let link = fs::read_link(folder.path().join("certs.d/a:1")).unwrap();
            assert_eq!(link, Path::new(target));
            assert_eq!(read(&folder, "shared/hosts.toml"), "theirs");
            // A link that somebody made in our place since is theirs.
            run(folder.path(), REMOVE, &["a:1", ""], "");
            assert!(fs::read_link(folder.path().join("certs.d/a:1")).is_ok());
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_was_made_is_removed_to_the_last_folder() {
        let folder = ground(&[]);
        run(folder.path(), WRITE, &["a:1"], "ours");
        assert_eq!(read(&folder, "a:1/hosts.toml"), "ours");
        run(folder.path(), REMOVE, &["a:1", "a_1_"], "");
        assert_eq!(fs::read_dir(folder.path().join("certs.d")).unwrap().count(), 0);
    }

    /// A cluster of nodes by name, as Podman tells of them.
    fn listed(names: &[&str]) -> [(&'static str, Answer); 2] {
        let inspected = |name: &&str| {
            serde_json::json!({
                "Id": "1", "Name": name, "State": { "Running": true },
                "Config": { "Labels": { node::CLUSTER_LABEL: "demo", node::ROLE_LABEL: "worker" } },
            })
        };
        let all: Vec<_> = names.iter().map(inspected).collect();
        [
            ("podman ps --all", Ok(names.join("\n").into())),
            ("podman container inspect", Ok(serde_json::Value::from(all).to_string().into())),
        ]
    }

    /// A look into a node that has a file for a name.
    fn inside(host: &str, text: &str) -> Answer {
        use base64::Engine as _;
        let told = |it: &str| base64::engine::general_purpose::STANDARD.encode(it);
        let file = told(&format!("{host}/hosts.toml"));
        Ok(format!("file {file} {}\nend {} {}\n", told(text), told(""), told("")).into())
    }

    #[test]
    fn a_node_that_cannot_be_looked_into_keeps_nobody_from_the_others() {
        let [ps, inspect] = listed(&["bad", "good"]);
        let (site, recorded) = site([
            ps,
            inspect,
            ("podman exec bad sh", Err("Error: executable file `sh` not found in $PATH".into())),
            ("podman exec good sh", inside("other:1", "")),
            ("podman exec -i good sh", Ok(Vec::new())),
        ]);
        let found = Hosts.check(&site).unwrap();
        let of = |name| found.iter().filter(|it| it.about == name).collect::<Vec<_>>();
        let [bad] = of("bad")[..] else { panic!("{found:?}") };
        assert!(bad.is_fault() && !bad.mendable && bad.words.contains("`sh` not found"), "{bad:?}");
        assert!(of("good").iter().all(|it| it.mendable) && of("good").len() == 2, "{found:?}");
        Hosts.apply(&site).unwrap();
        let lines = recorded.lines();
        assert!(lines.iter().any(|it| it.starts_with("podman exec -i good sh")), "{lines:?}");
        assert!(!lines.iter().any(|it| it.starts_with("podman exec -i bad sh")), "{lines:?}");
        assert!(site.is_given_up("bad"));
    }

    #[test]
    fn a_node_that_takes_no_file_keeps_nobody_from_the_others() {
        let [ps, inspect] = listed(&["full", "good"]);
        let (site, recorded) = site([
            ps,
            inspect,
            ("podman exec full sh", inside("other:1", "")),
            ("podman exec good sh", inside("other:1", "")),
            ("podman exec -i full sh", Err("cat: write error: No space left on device".into())),
            ("podman exec -i good sh", Ok(Vec::new())),
        ]);
        let error = Hosts.apply(&site).unwrap_err();
        let told = crate::failure::told(&error);
        assert!(told.starts_with("full ") && told.ends_with("No space left on device"), "{told}");
        let written = |it: &&String| it.starts_with("podman exec -i good sh");
        assert_eq!(recorded.lines().iter().filter(written).count(), 2);
    }

    #[test]
    fn a_file_of_an_earlier_port_is_removed_only_if_it_is_still_ours() {
        for (text, is_removed) in
            [(file::text("http://kind-registry:5000"), true), (file::text("http://other:1"), false)]
        {
            let [ps, inspect] = listed(&["demo"]);
            let look = inside("localhost:5001", &text);
            let (site, recorded) = site([
                ps,
                inspect,
                ("podman exec demo sh -c", look),
                ("podman exec demo sh -ec", Ok(Vec::new())),
            ]);
            note(&site, &demo(), "localhost:5001").unwrap();
            Hosts.undo(&site).unwrap();
            let removed = |it: &String| it.starts_with("podman exec demo sh -ec");
            assert_eq!(recorded.lines().iter().any(removed), is_removed, "{text}");
            assert!(site.receipt.made().is_empty());
        }
    }

    fn demo() -> Node {
        let mut node = node::planned("x", &[node::Role::Worker]).remove(0);
        node.container.name = "demo".into();
        node
    }
}
