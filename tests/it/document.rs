//! `docs/CONFORMANCE.md` names a test for each thing it says; a name that does not exist would be a
//! claim without proof.

use std::collections::BTreeSet;
use std::path::Path;

/// The names of all tests in this folder, as `file::function`.
fn tests() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let mut tests = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // What a subject keeps in files of its own stands in a folder of its name.
        if path.is_dir() {
            continue;
        }
        let file = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        while lines.any(|line| line.trim() == "#[test]") {
            let function = lines.next().unwrap().trim().strip_prefix("fn ").unwrap();
            let (name, _) = function.split_once('(').unwrap();
            tests.insert(format!("{file}::{name}"));
        }
    }
    tests
}

#[test]
fn every_test_named_in_the_document_exists() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CONFORMANCE.md");
    let text = std::fs::read_to_string(path).unwrap();
    let tests = tests();
    let named: BTreeSet<_> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| {
            let is_name = |part: &str| {
                part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            };
            code.split_once("::").is_some_and(|(file, name)| is_name(file) && is_name(name))
        })
        .collect();
    assert!(named.len() > 40, "few tests are named: {named:?}");
    let unknown: Vec<_> = named.iter().filter(|name| !tests.contains(**name)).collect();
    assert!(unknown.is_empty(), "named in docs/CONFORMANCE.md, and not here: {unknown:?}");
}
