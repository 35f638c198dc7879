//! The order of a commit as the kernel sees it: data synced, renamed, folders synced, and only then
//! the 201.

use crate::content::{Algorithm, image, sha256};
use crate::harness::{PATIENCE, Server, Setup, has_program};
use crate::repository::Repository;
use std::path::Path;
use std::time::Instant;

const CALLS: &str = "trace=fsync,fdatasync,sync,syncfs,rename,renameat,renameat2,link,linkat,\
                     write,writev,sendto,sendmsg";

/// One call that has returned, in the order of returning.
#[derive(Debug)]
struct Call {
    name: String,
    /// Arguments and result, file descriptors written as `3</path>`.
    text: String,
}

/// The calls in strace's output; a call that was interrupted by others counts where it ends.
fn calls(trace: &str) -> Vec<Call> {
    let mut begun = std::collections::HashMap::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.trim_start().split_once(char::is_whitespace) else {
            continue;
        };
        let rest = rest.trim_start();
        if let Some(start) = rest.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, start.to_owned());
            continue;
        }
        let whole = match rest.strip_prefix("<... ").and_then(|r| r.split_once(" resumed>")) {
            Some((_, end)) => begun.remove(thread).unwrap_or_default() + end,
            None => rest.to_owned(),
        };
        if let Some((name, text)) = whole.split_once('(') {
            calls.push(Call { name: name.to_owned(), text: text.to_owned() });
        }
    }
    calls
}

impl Call {
    fn is_sync_of(&self, path: &str) -> bool {
        let is_sync = matches!(self.name.as_str(), "fsync" | "fdatasync") && self.succeeded();
        is_sync && self.text.contains(&format!("<{path}>"))
    }

    fn is_sync_of_everything(&self) -> bool {
        matches!(self.name.as_str(), "sync" | "syncfs") && self.succeeded()
    }

    fn succeeded(&self) -> bool {
        self.text.trim_end().ends_with("= 0")
    }

    /// Source and target of a rename or link.
    fn renamed(&self) -> Option<(String, String)> {
        let is_rename = self.name.starts_with("rename") || self.name.starts_with("link");
        let mut paths = self.text.split('"').skip(1).step_by(2);
        let folders: Vec<_> =
            self.text.split(['<', '>']).filter(|part| part.starts_with('/')).collect();
        let absolute = |path: &str, folder: Option<&&str>| match (path.starts_with('/'), folder) {
            (false, Some(folder)) => format!("{folder}/{path}"),
            _ => path.to_owned(),
        };
        let (source, target) = (paths.next()?, paths.next()?);
        (is_rename && self.succeeded())
            .then(|| (absolute(source, folders.first()), absolute(target, folders.last())))
    }

    fn is_created(&self) -> bool {
        self.text.contains("HTTP/1.1 201")
    }
}

/// Runs `work` against a traced server and gives the calls of the time from its start to its end.
fn traced(prepare: impl FnOnce(&Server), work: impl FnOnce(&Server)) -> Option<Vec<Call>> {
    if !has_program("strace", "the order of a commit") {
        return None;
    }
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("trace");
    let setup = Setup::new().wrapper([
        "strace",
        "-D",
        "-f",
        "-y",
        "-qq",
        "-s",
        "64",
        "-e",
        CALLS,
        "-o",
        file.to_str().unwrap(),
    ]);
    let mut server = setup.start();
    prepare(&server);
    let before = std::fs::read_to_string(&file).unwrap().len();
    work(&server);
    server.terminate();
    assert_eq!(server.exit_code(), 0);
    let deadline = Instant::now() + PATIENCE;
    loop {
        // The tracer ends a little after the traced.
        let calls = calls(&std::fs::read_to_string(&file).unwrap()[before..]);
        if calls.iter().any(Call::is_created) {
            return Some(calls);
        }
        assert!(Instant::now() < deadline, "no 201 in the trace");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Checks that `target` is on disk before the first 201: its data, then its name, then the folder
/// that holds the name.
#[track_caller]
fn check_order(calls: &[Call], target: &Path) {
    let target = target.to_str().unwrap();
    let answer = calls.iter().position(Call::is_created).unwrap();
    let rename =
        calls[..answer].iter().position(|call| call.renamed().is_some_and(|(_, to)| to == target));
    let rename = rename.unwrap_or_else(|| panic!("{target} is not renamed into place: {calls:#?}"));
    let (source, _) = calls[rename].renamed().unwrap();
    let synced = calls[..rename].iter().any(|c| c.is_sync_of(&source) || c.is_sync_of_everything());
    assert!(synced, "{source} is not synced before it is renamed: {calls:#?}");
    let folder = Path::new(target).parent().unwrap().to_str().unwrap();
    let after = &calls[rename..answer];
    let synced = after.iter().any(|c| c.is_sync_of(folder) || c.is_sync_of_everything());
    assert!(synced, "{folder} is not synced before the answer: {calls:#?}");
}

#[test]
fn a_blob_is_on_disk_before_its_201() {
    let bytes = crate::content::blob("traced", 300_000);
    let digest = sha256(&bytes);
    let mut root = std::path::PathBuf::new();
    let prepare = |server: &Server| {
        root = server.root().to_owned();
        // The first push after a start may sync more than its own.
        Repository::new(server, "library/traced").push(b"first");
    };
    let calls = traced(prepare, |server| {
        let repository = Repository::new(server, "library/traced");
        repository.push_as(crate::repository::Push::PostPut, &bytes, &digest).expect("push", 201);
    });
    let Some(calls) = calls else { return };
    let hex = digest.strip_prefix("sha256:").unwrap();
    let registry = root.join("docker/registry/v2");
    check_order(&calls, &registry.join(format!("blobs/sha256/{}/{hex}/data", &hex[..2])));
    check_order(
        &calls,
        &registry.join(format!("repositories/library/traced/_layers/sha256/{hex}/link")),
    );
}

#[test]
fn a_tag_is_on_disk_before_its_201() {
    let (blobs, manifest) = image(Algorithm::Sha256, "traced");
    let mut root = std::path::PathBuf::new();
    let prepare = |server: &Server| {
        root = server.root().to_owned();
        let repository = Repository::new(server, "library/traced");
        blobs.iter().for_each(|blob| drop(repository.push(blob)));
    };
    let calls = traced(prepare, |server| {
        Repository::new(server, "library/traced").put("v1", &manifest).expect(201);
    });
    let Some(calls) = calls else { return };
    let digest = manifest.digest();
    let hex = digest.strip_prefix("sha256:").unwrap();
    let registry = root.join("docker/registry/v2");
    let manifests = registry.join("repositories/library/traced/_manifests");
    check_order(&calls, &registry.join(format!("blobs/sha256/{}/{hex}/data", &hex[..2])));
    check_order(&calls, &manifests.join(format!("revisions/sha256/{hex}/link")));
    check_order(&calls, &manifests.join("tags/v1/current/link"));
}
