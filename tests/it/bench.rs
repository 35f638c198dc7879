//! `wharf bench` through the program: its forms of output, and the loop against wharf and another
//! registry. What is measured is never asserted, only that it was, and that nothing stays.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::{Setup, has_program, program};
use crate::push_command::registry::Registry;

/// Runs `wharf bench` with these words.
fn bench(words: &[&str], temporary: &Path) -> Output {
    let mut command = Command::new(program());
    command.arg("bench").args(words).env_remove("WHARF_REGISTRY");
    command.env("TMPDIR", temporary).output().unwrap()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_loop_is_measured_in_every_form_and_leaves_nothing() {
    let (one, two) = (Setup::new().start(), Setup::new().start());
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (csv, plot) = (path("loop.csv"), path("loop.svg"));
    let spool = folder.path().join("spool");
    std::fs::create_dir(&spool).unwrap();
    let (first, second) = (format!("one={}", one.address()), format!("two={}", two.address()));
    let pid = one.pid().to_string();
    let sizes = ["--layer-size", "256KiB", "--image-size", "1MiB", "--rounds", "2"];
    let output = bench(
        &[
            &["loop", "--json", "--registry", &first, "--against", &second, "--server-pid", &pid],
            &sizes[..],
            &["--csv", &csv, "--plot", &plot],
        ]
        .concat(),
        &spool,
    );
    assert!(output.status.success(), "{}", words(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();

    let measurements = document["measurements"].as_array().unwrap();
    let turns: Vec<_> = measurements
        .iter()
        .map(|it| (it["server"].as_str().unwrap(), it["round"].as_u64().unwrap()))
        .collect();
    assert_eq!(turns, [("one", 1), ("two", 1), ("one", 2), ("two", 2)]);
    for measured in measurements {
        let number = |field: &str| measured[field].as_f64().unwrap();
        assert!(number("push_seconds") > 0.0 && number("pull_seconds") > 0.0, "{measured}");
        let sum = number("push_seconds") + number("pull_seconds");
        assert!((number("seconds") - sum).abs() < 1e-9, "{measured}");
    }
    let summary = document["summary"].as_array().unwrap();
    let waited = summary.iter().find(|it| it["quantity"] == "duration").unwrap();
    assert_eq!((&waited["operation"], &waited["size"]), (&"loop".into(), &(256 << 10).into()));
    assert!(waited["ratios"][0]["median"].as_f64().unwrap() > 0.0, "{waited}");

    let rows = std::fs::read_to_string(&csv).unwrap();
    assert_eq!(rows.lines().count(), 5, "{rows}");
    let svg = std::fs::read_to_string(&plot).unwrap();
    roxmltree::Document::parse(&svg).unwrap();
    assert!(svg.contains("loop 256 KiB"), "{svg}");

    for server in [&one, &two] {
        let blobs = server.root().join("docker/registry/v2/repositories/wharf-bench");
        assert_eq!(links(&blobs), Vec::<String>::new());
    }
    assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 0, "the image stays");
}

/// What of a repository is still linked: tags, manifests and layers that a reader would find.
fn links(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false if path.ends_with("link") => found.push(path.display().to_string()),
                false => {}
            }
        }
    }
    found
}

#[test]
fn a_person_gets_a_table_and_words_apart() {
    let server = Setup::new().start();
    let folder = tempfile::tempdir().unwrap();
    let address = format!("mine={}", server.address());
    let sizes = ["--layer-size", "64KiB", "--image-size", "256KiB", "--rounds", "1"];
    let output = bench(&[&["loop", "--registry", &address], &sizes[..]].concat(), folder.path());
    assert!(output.status.success(), "{}", words(&output));
    let table = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(table.starts_with("loop 64 KiB, 1 client\n"), "{table}");
    assert!(table.contains("duration, s") && table.contains("of it the pull, s"), "{table}");
    assert!(!table.contains('\u{1b}'), "{table:?}");
    assert!(words(&output).contains("is deleted"), "{}", words(&output));
}

#[test]
fn a_load_that_somebody_else_would_bear_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = bench(&["loop", "--registry", "192.0.2.1:5000"], folder.path());
    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
    assert!(words(&output).contains("--yes"), "{}", words(&output));
    assert!(output.stdout.is_empty());
}

#[test]
fn another_registry_is_measured_in_turn_and_what_stays_in_it_is_named() {
    if !has_program("docker-registry", "the loop against another registry") {
        return;
    }
    let (own, other) = (Setup::new().start(), Registry::docker(""));
    let folder = tempfile::tempdir().unwrap();
    let (first, second) =
        (format!("wharf={}", own.address()), format!("other={}", other.address()));
    let sizes = ["--layer-size", "64KiB", "--image-size", "256KiB", "--rounds", "1"];
    let aims = ["loop", "--registry", &first, "--against", &second];
    let output = bench(&[&aims[..], &sizes[..]].concat(), folder.path());
    assert!(output.status.success(), "{}", words(&output));
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(table.contains("wharf / other"), "{table}");
    // It deletes nothing unless it was set up to.
    let words = words(&output);
    assert!(
        words.lines().any(|line| line.contains("other: of the repository wharf-bench/")),
        "{words}"
    );
}
