//! The rules of the house that a compiler does not know: which part may import which, what every
//! file begins with, how long it may be, where `unsafe` may stand. ARCHITECTURE.md gives the reasons.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the source ends here")]

use std::fs;
use std::path::{Path, PathBuf};

/// A file longer than this is asked whether it is two nouns.
const LINES_MAX: usize = 450;

/// Files that may be longer, each a single matter that would be harder to read in pieces.
const LONG: &[&str] = &[];

/// The only files in which `unsafe` may be allowed.
const UNSAFE: &[&str] = &[
    "registry/src/server/memory.rs",
    "registry/src/store/mapping.rs",
    "registry/src/store/writeout.rs",
    "benches/load/src/receive.rs",
    "benches/load/src/send.rs",
];

/// Drawers: names for what has no home.
const DRAWERS: &[&str] =
    &["utils", "util", "common", "helpers", "misc", "types", "core", "manager"];

/// Which files may not speak of what: a floor knows the one below it and nothing else.
const WALLS: &[Wall] = &[
    Wall {
        files: &["registry/oci/src"],
        forbidden: &["std::fs", "TcpStream", "tokio", "hyper", "axum", "async fn"],
    },
    Wall {
        files: &["pusher/client/src"],
        forbidden: &["wharf_registry", "println!", "env::var", "Command::new"],
    },
    Wall {
        files: &["pusher/storage/src"],
        forbidden: &["tokio", "hyper", "async fn", "env::var", "Command::new", "File::create"],
    },
    Wall {
        files: &["pusher/src"],
        forbidden: &["wharf_registry", "println!", "eprintln!", "env::var", "Command::new"],
    },
    Wall {
        files: &["registry/src/http", "registry/src/http.rs"],
        forbidden: &["crate::store", "std::fs"],
    },
    Wall {
        files: &[
            "registry/src/blob.rs",
            "registry/src/cache.rs",
            "registry/src/catalog.rs",
            "registry/src/index.rs",
            "registry/src/ingest",
            "registry/src/ingest.rs",
            "registry/src/manifest.rs",
            "registry/src/purge.rs",
            "registry/src/receive.rs",
            "registry/src/referrers.rs",
            "registry/src/registry.rs",
            "registry/src/tag.rs",
            "registry/src/upload.rs",
        ],
        forbidden: &["crate::http", "crate::server", "hyper", "axum", "StatusCode", "HeaderName"],
    },
    Wall {
        files: &["registry/src/store", "registry/src/store.rs"],
        forbidden: &[
            "crate::http",
            "crate::server",
            "crate::registry",
            "crate::cache",
            "crate::config",
            "crate::error",
            "tokio",
            "hyper",
            "axum",
        ],
    },
    Wall { files: &["registry/src"], forbidden: &["env::var", "println!", "eprintln!"] },
];

struct Wall {
    files: &'static [&'static str],
    forbidden: &'static [&'static str],
}

#[test]
fn a_floor_knows_only_the_one_below() {
    let mut broken = Vec::new();
    for wall in WALLS {
        let files = wall.files.iter().flat_map(|place| sources(&root().join(place)));
        for file in files {
            for (number, line) in code_lines(&file) {
                for word in wall.forbidden.iter().filter(|word| line.contains(**word)) {
                    broken.push(format!("{}:{number}: {word}", shown(&file)));
                }
            }
        }
    }
    assert!(broken.is_empty(), "the road goes one way:\n{}", broken.join("\n"));
}

#[test]
fn every_file_says_first_why_it_exists() {
    let silent: Vec<_> = all_sources()
        .into_iter()
        .filter(|file| !fs::read_to_string(file).unwrap().starts_with("//!"))
        .map(|file| shown(&file))
        .collect();
    assert!(silent.is_empty(), "no `//!` at the head of:\n{}", silent.join("\n"));
}

#[test]
fn a_file_is_one_noun() {
    let mut found = Vec::new();
    for file in all_sources() {
        let name = shown(&file);
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        if lines > LINES_MAX && !LONG.contains(&name.as_str()) {
            found.push(format!("{name}: {lines} lines"));
        }
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        if DRAWERS.contains(&stem.as_str()) || stem == "mod" {
            found.push(format!("{name}: a name that says nothing"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn unsafe_stands_where_it_is_explained() {
    let found: Vec<_> = all_sources()
        .into_iter()
        .filter(|file| !shown(file).starts_with("tests/"))
        .filter(|file| code_lines(file).iter().any(|(_, line)| line.contains("unsafe {")))
        .map(|file| shown(&file))
        .collect();
    assert_eq!(found, UNSAFE);
}

#[test]
fn documents_point_at_what_is_there() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            if !document.parent().unwrap().join(path).exists() {
                broken.push(format!("{}: {target}", shown(&document)));
            }
        }
    }
    assert!(broken.is_empty(), "links to nothing:\n{}", broken.join("\n"));
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

fn all_sources() -> Vec<PathBuf> {
    let places = ["src", "registry", "pusher", "benches", "tests"];
    places.iter().flat_map(|place| sources(&root().join(place))).collect()
}

/// The Rust files at or below `place`, in order.
fn sources(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_path_buf()];
    }
    let Ok(folder) = fs::read_dir(place) else { return Vec::new() };
    let mut entries: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let is_source = |path: &Path| path.extension().is_some_and(|extension| extension == "rs");
    entries
        .into_iter()
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| is_source(path))
        .collect()
}

/// The lines that are neither comments nor tests, with their numbers.
fn code_lines(file: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap();
    code.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(number, line)| (number + 1, line.to_owned()))
        .collect()
}

fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in [root(), root().join("docs")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found
}
