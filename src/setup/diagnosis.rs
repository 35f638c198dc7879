//! What `wharf doctor` knows beyond the steps: why things that look right do not work. Each is a
//! [`Step`] whose `apply` mends what it can. Nothing here makes anything: that is for the steps.

pub mod catalog;
pub mod connections;
pub mod containerd_log;
pub mod forwards;
pub mod greeting;
pub mod holdings;
pub mod inotify;
pub mod kind_version;
pub mod localhost;
pub mod node_images;
pub mod pods;
pub mod pull;
pub mod question;
pub mod reach;
pub mod rivals;
pub mod room;

use super::Step;

/// Every diagnosis, in the order in which they are told: from the machine, over the way from host and
/// nodes to the registry, to what is in it and on the nodes.
pub fn all() -> Vec<Box<dyn Step>> {
    vec![
        Box::new(connections::Connections),
        Box::new(kind_version::KindVersion),
        Box::new(inotify::Inotify),
        Box::new(rivals::Rivals),
        Box::new(localhost::Localhost),
        Box::new(forwards::Forwards),
        Box::new(reach::Reach),
        Box::new(containerd_log::ContainerdLog),
        Box::new(room::Room),
        Box::new(catalog::Catalog),
        Box::new(node_images::NodeImages),
        Box::new(pods::Pods),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::setup::steps;

    const DOCUMENT: &str = include_str!("../../docs/TROUBLESHOOTING.md");

    /// What stands between back quotes in a column of the tables that have five.
    fn quoted(column: usize) -> BTreeSet<&'static str> {
        let rows = DOCUMENT.lines().filter(|line| line.starts_with("| "));
        let cells = rows.map(|row| row.split(" | ").collect::<Vec<_>>());
        let cells = cells.filter(|cells| cells.len() == 5).map(|cells| cells[column]);
        cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
    }

    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let below = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
        entries
            .flat_map(below)
            .filter(|path| path.extension().is_some_and(|it| it == "rs"))
            .collect()
    }

    /// The sources of this crate and of its tests with Kind, as one text.
    fn tests() -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let all = ["src/setup", "tests/kind"].map(|folder| sources(&root.join(folder)));
        all.iter().flatten().map(|path| fs::read_to_string(path).unwrap()).collect()
    }

    #[test]
    fn the_document_names_every_check_and_no_other() {
        let mut checks: BTreeSet<_> = steps().iter().chain(&all()).map(|it| it.name()).collect();
        let question = question::Question { image: String::new() };
        checks.extend([pull::Pull.name(), question.name()]);
        assert_eq!(quoted(1), checks);
    }

    #[test]
    fn the_document_names_every_fault_that_is_made_and_tests_that_exist() {
        let (named, tests) = (quoted(4), tests());
        let is_there = |name: &&&str| {
            tests.contains(&format!("fn {name}(")) || tests.contains(&format!("\"{name}\""))
        };
        let missing: Vec<_> = named.iter().filter(|name| !is_there(name)).collect();
        assert!(missing.is_empty(), "no such tests: {missing:?}");
        let made = tests.split('"').filter(|word| word.strip_prefix("fault_").is_some_and(is_name));
        let unnamed: Vec<_> = made.filter(|name| !named.contains(name)).collect();
        assert!(unnamed.is_empty(), "faults that the document does not have: {unnamed:?}");
    }

    fn is_name(text: &str) -> bool {
        !text.is_empty() && text.bytes().all(|it| it.is_ascii_lowercase() || it == b'_')
    }
}
