//! What a node's scripts do to its folders, run for real in a folder of the test's own; and what becomes
//! of the other nodes where one fails. Refuses to judge texts: see `file`.

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
