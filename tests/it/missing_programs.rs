//! What is said where podman, docker, kind and kubectl are not installed: the one that is missing, how to
//! get it, and the right exit code; with `--json`, too, nothing but JSON on stdout.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::program;
use crate::spoken::outcome;

const PROJECT: &str = "manifests = 'deploy'\n[[image]]\nname = 'app:v1'\ncontext = 'app'\n";
const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: app}\n\
                   spec: {containers: [{name: app, image: 'app:v1'}]}\n";

/// A project, on a machine without any program.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    for (path, text) in [
        ("wharf.toml", PROJECT),
        ("app/Containerfile", "FROM scratch\n"),
        ("deploy/pod.yaml", POD),
        // Podman's store is nowhere.
        (
            "storage.conf",
            "[storage]\ndriver = 'overlay'\ngraphroot = '/nowhere'\nrunroot = '/nowhere'\n",
        ),
    ] {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), text).unwrap();
    }
    fs::create_dir(root.join("bin")).unwrap();
    folder
}

fn wharf(root: &Path, words: &[&str], provider: Option<&str>) -> Command {
    let mut command = Command::new(program());
    command.args(words).current_dir(root).env_clear().stdin(Stdio::null());
    command.env("PATH", root.join("bin")).env("HOME", root);
    command.env("CONTAINERS_STORAGE_CONF", root.join("storage.conf"));
    command.envs(provider.map(|name| ("KIND_EXPERIMENTAL_PROVIDER", name)));
    command
}

/// Every command that needs a program, and which one.
const NEEDY: [(&[&str], &str); 8] = [
    (&["up"], "podman"),
    (&["up", "--dry-run"], "podman"),
    (&["status"], "podman"),
    (&["down"], "podman"),
    (&["load", "app:v1"], "podman"),
    (&["build"], "podman"),
    (&["push", "app:v1"], "podman"),
    (&["deploy"], "kubectl"),
];

/// How a program is got, in the words of this machine's system.
fn how_to_get(program: &str) -> String {
    let package = if program == "kubectl" { "kubernetes-client" } else { program };
    match cfg!(target_os = "macos") {
        true => format!("`brew install {program}`"),
        false => format!("`apt install {package}`"),
    }
}

#[test]
fn the_program_that_is_missing_is_named_with_how_to_get_it() {
    let folder = folder();
    for (words, needed) in NEEDY {
        for json in [false, true] {
            let mut command = wharf(folder.path(), words, None);
            if json {
                command.arg("--json");
            }
            let (code, stdout, stderr) = outcome(&mut command);
            assert_eq!((code, &*stdout), (1, ""), "{words:?}: {stderr}");
            for expected in [needed, "on the PATH", "\nhint: ", &how_to_get(needed)] {
                assert!(stderr.contains(expected), "{words:?}: no {expected:?} in {stderr}");
            }
        }
    }
}

#[test]
fn an_engine_that_was_asked_for_is_missed_by_its_name() {
    let folder = folder();
    for engine in ["podman", "docker"] {
        // A push looks for the image wherever it may be, whichever engine Kind uses.
        for (words, _) in NEEDY.iter().filter(|(words, _)| words[0] != "push") {
            let (code, stdout, stderr) = outcome(&mut wharf(folder.path(), words, Some(engine)));
            assert_eq!(code, 1, "{words:?}: {stderr}");
            // What was made is known without the engine.
            assert!(stdout.is_empty() || words[0] == "down", "{words:?}: {stdout}");
            let get = how_to_get(if engine == "docker" { "docker.io" } else { engine });
            let get = if cfg!(target_os = "macos") { how_to_get(engine) } else { get };
            assert!(stderr.contains(engine), "{words:?}: {stderr}");
            assert!(stderr.contains(&get), "{words:?}: no {get} in {stderr}");
            let said = stderr.matches("is not on the PATH").count();
            assert_eq!(said, 1, "{words:?} says it again and again: {stderr}");
        }
    }
}

#[test]
fn the_doctor_finds_that_there_is_no_engine() {
    let folder = folder();
    let (code, stdout, stderr) = outcome(&mut wharf(folder.path(), &["doctor", "--json"], None));
    assert_eq!(code, 1, "{stderr}");
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&told[0]["check"], &told[0]["level"]), (&"engine".into(), &"fault".into()));
    let fix = told[0]["findings"][0]["fix"].as_str().unwrap();
    assert!(fix.contains(&how_to_get("podman")), "{fix}");
    for provider in [None, Some("podman")] {
        let (code, stdout, stderr) = outcome(&mut wharf(folder.path(), &["doctor"], provider));
        assert_eq!(code, 1, "{stderr}");
        assert!(stdout.contains("FAULT") && stdout.contains("on the PATH"), "{stdout}");
        assert!(stdout.contains(&how_to_get("podman")), "{stdout}");
    }
}

#[test]
fn what_needs_no_program_goes_on_without() {
    let folder = folder();
    fs::remove_file(folder.path().join("wharf.toml")).unwrap();
    let (code, stdout, stderr) = outcome(&mut wharf(folder.path(), &["init", "--json"], None));
    assert_eq!(code, 0, "{stderr}");
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(told["images"][0]["name"], "app:v1");
}
