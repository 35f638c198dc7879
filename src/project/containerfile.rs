//! Containerfiles: how they are called, and which images their builds begin with. Nothing in them is
//! understood beyond `FROM`.

use std::path::{Path, PathBuf};

/// Their names, the first preferred.
pub const NAMES: [&str; 2] = ["Containerfile", "Dockerfile"];

/// The one in a folder, if there is one.
pub fn of_folder(folder: &Path) -> Option<PathBuf> {
    NAMES.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// Whether a file is one, and what its name adds to the folder's: nothing, or `worker` where it is
/// called `Dockerfile.worker` or `worker.Dockerfile`.
pub fn variant(name: &str) -> Option<&str> {
    NAMES.iter().find_map(|own| {
        let rest = name.strip_prefix(own).map(|rest| (rest, rest.strip_prefix('.')));
        match rest {
            Some(("", _)) => return Some(""),
            Some((_, Some(variant))) if !is_aside(variant) => return Some(variant),
            _ => {}
        }
        let before = name.strip_suffix(own).or_else(|| name.strip_suffix(&own.to_lowercase()));
        before.and_then(|it| it.strip_suffix('.')).filter(|it| !it.is_empty())
    })
}

/// What lies beside a Containerfile and is none: `Dockerfile.dockerignore`, backups.
fn is_aside(variant: &str) -> bool {
    variant.is_empty() || ["dockerignore", "bak", "orig", "swp", "md"].contains(&variant)
}

/// The images that its stages are built on, as they are written.
pub fn bases(text: &str) -> Vec<&str> {
    let is_from = |line: &&str| {
        let first = line.split_whitespace().next();
        first.is_some_and(|word| word.eq_ignore_ascii_case("from"))
    };
    text.lines()
        .filter(is_from)
        .filter_map(|line| line.split_whitespace().skip(1).find(|word| !word.starts_with("--")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containerfiles_are_known_by_their_names() {
        for (name, expected) in [
            ("Containerfile", Some("")),
            ("Dockerfile", Some("")),
            ("Dockerfile.worker", Some("worker")),
            ("worker.Dockerfile", Some("worker")),
            ("worker.dockerfile", Some("worker")),
            ("Dockerfile.dockerignore", None),
            ("Dockerfile~", None),
            ("Dockerfiles", None),
            (".Dockerfile", None),
            ("dockerfile.go", None),
        ] {
            assert_eq!(variant(name), expected, "{name}");
        }
    }

    #[test]
    fn every_stage_tells_its_base() {
        let text = "# FROM no\nFROM --platform=linux/amd64 base:1 AS build\n from\tscratch\nRUN from x\nFROMAGE y";
        assert_eq!(bases(text), ["base:1", "scratch"]);
    }
}
