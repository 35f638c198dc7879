//! How many files the kernel of the engine's machine can watch: kubelets and containerds of a few nodes
//! use up what desktops have, and then say "too many open files".

use crate::setup::{Finding, SetupError, Site, Step, node};

/// The limits as a check.
#[derive(Debug)]
pub struct Inotify;

/// What Kind advises for clusters of several nodes.
const WANTED: [(&str, u64); 2] = [("max_user_instances", 512), ("max_user_watches", 524_288)];
const FOLDER: &str = "/proc/sys/fs/inotify";

impl Step for Inotify {
    fn name(&self) -> &'static str {
        "inotify"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        Ok(limits(site)?.map(|limits| judge(&limits)).into_iter().collect())
    }

    fn apply(&self, _: &Site) -> Result<(), SetupError> {
        Ok(()) // the kernel's settings are the user's
    }
}

/// The two limits, where they can be seen: in a node, which has the kernel of the engine's machine.
fn limits(site: &Site) -> Result<Option<String>, SetupError> {
    let files = WANTED.map(|(name, _)| format!("{FOLDER}/{name}"));
    match node::running(site)?.first() {
        // A node that cannot be asked is told by other checks.
        Some(node) => Ok(site.engine.look(node.name(), &["cat", &files[0], &files[1]]).ok()),
        None => {
            let read = files.iter().map(std::fs::read_to_string).collect::<Result<String, _>>();
            Ok(read.ok().filter(|_| cfg!(target_os = "linux")))
        }
    }
}

fn judge(limits: &str) -> Finding {
    let have: Vec<u64> = limits.split_whitespace().filter_map(|it| it.parse().ok()).collect();
    let low: Vec<_> = WANTED.iter().zip(have).filter(|((_, wanted), has)| has < wanted).collect();
    if low.is_empty() {
        return Finding::ok("kernel", "enough files can be watched");
    }
    let are = low.iter().map(|((name, _), has)| format!("fs.inotify.{name} is {has}"));
    let set = low.iter().map(|((name, wanted), _)| format!("fs.inotify.{name}={wanted}"));
    let words = format!(
        "{}: with several nodes, pods may end with \"too many open files\"",
        are.collect::<Vec<_>>().join(", ")
    );
    let fix =
        format!("`sudo sysctl {}` in the engine's machine", set.collect::<Vec<_>>().join(" "));
    Finding { fix: Some(fix), ..Finding::note("kernel", words) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::Level;

    #[test]
    fn low_limits_are_told_with_the_command_that_raises_them() {
        assert_eq!(judge("512\n524288\n").level, Level::Ok);
        let found = judge("128\n524288\n");
        assert_eq!(found.level, Level::Note);
        assert!(found.words.starts_with("fs.inotify.max_user_instances is 128: "), "{found:?}");
        let fix = "`sudo sysctl fs.inotify.max_user_instances=512` in the engine's machine";
        assert_eq!(found.fix.as_deref(), Some(fix));
        assert!(judge("128\n8192\n").words.contains("128, fs.inotify.max_user_watches is 8192"));
    }
}
