//! The user's manifests, copied to where kustomize may read them: it takes no file from outside its
//! own folder. The files themselves are never touched.
//!
//! A folder that kustomize knows is copied as it is, with every folder that it builds upon, all at
//! the same distance from each other. Of other folders, the files with Kubernetes objects are.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::DeployError;
use super::kustomization::Parts;
use crate::project::discovery::{KUSTOMIZATIONS, is_left_out};
use crate::project::manifest;
use crate::setup::hand;

/// The most that is copied: manifests are small, and sources next to them may not be.
const BYTES_MAX: u64 = 64 << 20;
/// The most files.
const FILES_MAX: usize = 10_000;
/// How many folders deep.
const DEPTH_MAX: usize = 16;

/// What was copied.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Where it is, below the folder that it was copied to.
    pub parts: Parts,
    /// Files that hold no Kubernetes object.
    pub left_out: Vec<PathBuf>,
    files: usize,
    bytes: u64,
}

/// Copies manifests into a folder.
///
/// # Errors
/// There are none, or they cannot be read.
pub fn gather(manifests: &[PathBuf], to: &Path) -> Result<Gathered, DeployError> {
    let mut gathered = Gathered::default();
    let mut kustomized = Vec::new();
    for path in manifests {
        let kind = fs::metadata(path).map_err(|source| unreadable(path, source))?;
        match kind.is_dir() {
            true => gathered.survey(path, 0, to, &mut kustomized)?,
            false => gathered.take_file(path, to)?,
        }
    }
    gathered.take_folders(kustomized, to)?;
    if gathered.parts == Parts::default() {
        return Err(DeployError::NoObjects { manifests: manifests.to_vec() });
    }
    Ok(gathered)
}

fn unreadable(path: &Path, source: io::Error) -> DeployError {
    DeployError::Manifests { path: path.to_owned(), source }
}

/// The kustomization of a folder, if it has one.
fn kustomization(folder: &Path) -> Option<PathBuf> {
    KUSTOMIZATIONS.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// What is in a folder, in order, without what is hidden or others' own.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DeployError> {
    let failed = |source| unreadable(folder, source);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if !is_left_out(&path.file_name().unwrap_or_default().to_string_lossy(), path.is_dir()) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

impl Gathered {
    fn survey(
        &mut self,
        folder: &Path,
        depth: usize,
        to: &Path,
        kustomized: &mut Vec<PathBuf>,
    ) -> Result<(), DeployError> {
        if kustomization(folder).is_some() {
            kustomized.push(folder.to_owned());
            return Ok(());
        }
        for path in entries(folder)? {
            let ending = path.extension().unwrap_or_default();
            if path.is_dir() && depth < DEPTH_MAX {
                self.survey(&path, depth + 1, to, kustomized)?;
            } else if path.is_file() && ["yaml", "yml", "json"].iter().any(|it| ending == *it) {
                self.take_file(&path, to)?;
            }
        }
        Ok(())
    }

    fn take_file(&mut self, path: &Path, to: &Path) -> Result<(), DeployError> {
        let text = hand::read_text(path).map_err(|source| unreadable(path, source))?;
        let objects = manifest::read(&text);
        let objects =
            objects.map_err(|reason| DeployError::NoYaml { path: path.to_owned(), reason })?;
        if objects.is_empty() {
            self.left_out.push(path.to_owned());
            return Ok(());
        }
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let stem: String =
            stem.chars().filter(|it| it.is_ascii_alphanumeric() || *it == '-').collect();
        // The number keeps files of one name apart, and all in their order.
        let name = format!("{:04}-{stem}.{ending}", self.parts.files.len());
        self.copy(path, &to.join(&name))?;
        self.parts.files.push(name);
        Ok(())
    }

    /// Folders of kustomize, and all that they build upon.
    fn take_folders(&mut self, folders: Vec<PathBuf>, to: &Path) -> Result<(), DeployError> {
        let real = |folder: &PathBuf| folder.canonicalize().map_err(|it| unreadable(folder, it));
        let own: Vec<_> = folders.iter().map(real).collect::<Result<_, _>>()?;
        let all = needed(&own)?;
        let Some(root) = common(&all) else { return Ok(()) };
        let below = |folder: &Path| {
            let rest = folder.strip_prefix(&root).unwrap_or(folder);
            // With the folder's own name even where it is alone, as it may stand in messages.
            let name = Path::new(root.file_name().unwrap_or("root".as_ref()));
            name.join(rest).components().collect::<PathBuf>()
        };
        // A folder inside another one was copied with that.
        let mut copied: Vec<&PathBuf> = Vec::new();
        for folder in &all {
            if !copied.iter().any(|other| folder.starts_with(other)) {
                self.copy_folder(folder, &to.join(below(folder)), 0)?;
                copied.push(folder);
            }
        }
        self.parts.folders = own.iter().map(|it| below(it).display().to_string()).collect();
        Ok(())
    }

    fn copy_folder(&mut self, from: &Path, to: &Path, depth: usize) -> Result<(), DeployError> {
        for path in entries(from)? {
            let target = to.join(path.file_name().unwrap_or_default());
            if path.is_file() {
                self.copy(&path, &target)?;
            } else if path.is_dir() && depth < DEPTH_MAX {
                self.copy_folder(&path, &target, depth + 1)?;
            }
        }
        Ok(())
    }

    fn copy(&mut self, from: &Path, to: &Path) -> Result<(), DeployError> {
        let failed = |source| unreadable(from, source);
        self.files += 1;
        self.bytes += fs::metadata(from).map_err(failed)?.len();
        if self.files > FILES_MAX || self.bytes > BYTES_MAX {
            return Err(DeployError::TooMuch { path: from.to_owned() });
        }
        fs::create_dir_all(to.parent().unwrap_or(to)).map_err(failed)?;
        fs::copy(from, to).map_err(failed)?;
        Ok(())
    }
}

/// The folders, and every folder of this machine that their kustomizations name; sorted, so that a
/// folder comes before those inside it.
fn needed(folders: &[PathBuf]) -> Result<Vec<PathBuf>, DeployError> {
    let mut ahead: VecDeque<_> = folders.iter().cloned().collect();
    let mut all: Vec<PathBuf> = Vec::new();
    while let Some(folder) = ahead.pop_front() {
        if all.contains(&folder) {
            continue;
        }
        if let Some(path) = kustomization(&folder) {
            let text = hand::read_text(&path).map_err(|source| unreadable(&path, source))?;
            let parsed: Result<Value, _> = yaml_serde::from_str(&text);
            let parsed = parsed.map_err(|error| DeployError::NoYaml {
                path: path.clone(),
                reason: error.to_string(),
            })?;
            let named =
                ["resources", "bases", "components"].iter().filter_map(|it| parsed[it].as_array());
            let named = named.flatten().filter_map(Value::as_str).map(|it| folder.join(it));
            ahead.extend(named.filter(|it| it.is_dir()).filter_map(|it| it.canonicalize().ok()));
        }
        all.push(folder);
    }
    all.sort();
    Ok(all)
}

/// The folder that all are in.
fn common(folders: &[PathBuf]) -> Option<PathBuf> {
    let (first, rest) = folders.split_first()?;
    let is_above = |above: &&Path| rest.iter().all(|folder| folder.starts_with(above));
    first.ancestors().find(is_above).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n";

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn gathered(
        root: &Path,
        manifests: &[&str],
    ) -> (Result<Gathered, DeployError>, tempfile::TempDir) {
        let to = tempfile::tempdir().unwrap();
        let manifests: Vec<_> = manifests.iter().map(|it| root.join(it)).collect();
        (gather(&manifests, to.path()), to)
    }

    #[test]
    fn files_with_objects_are_copied_under_names_of_their_own() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            &[
                ("deploy/a.yaml", POD),
                ("deploy/sub/a.yaml", POD),
                ("deploy/values.yaml", "x: 1"),
                ("deploy/README.md", "# x"),
                ("deploy/.git/a.yaml", POD),
                ("one.json", "{\"apiVersion\": \"v1\", \"kind\": \"Pod\"}"),
            ],
        );
        let (done, to) = gathered(root.path(), &["deploy", "one.json"]);
        let done = done.unwrap();
        assert_eq!(done.parts.files, ["0000-a.yaml", "0001-a.yaml", "0002-one.json"]);
        assert_eq!(done.left_out, [root.path().join("deploy/values.yaml")]);
        assert_eq!(fs::read_to_string(to.path().join("0001-a.yaml")).unwrap(), POD);
    }

    #[test]
    fn a_kustomization_comes_with_what_it_builds_upon() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            &[
                ("k/base/kustomization.yaml", "resources: [a.yaml, https://example.org/x]"),
                ("k/base/a.yaml", POD),
                (
                    "k/overlays/dev/kustomization.yml",
                    "resources: [../../base]\ncomponents: [../../c]",
                ),
                ("k/overlays/dev/patch.txt", "x"),
                ("k/overlays/prod/kustomization.yaml", "resources: [../../base]"),
                ("k/c/kustomization.yaml", "kind: Component"),
            ],
        );
        let (done, to) = gathered(root.path(), &["k/overlays/dev"]);
        assert_eq!(done.unwrap().parts.folders, ["k/overlays/dev"]);
        for path in ["k/base/a.yaml", "k/overlays/dev/patch.txt", "k/c/kustomization.yaml"] {
            assert!(to.path().join(path).exists(), "{path}");
        }
        assert!(!to.path().join("k/overlays/prod").exists());
        // Below a folder of plain files, too.
        let (done, _to) = gathered(root.path(), &["k/base"]);
        assert_eq!(done.unwrap().parts.folders, ["base"]);
    }

    #[test]
    fn what_cannot_be_applied_is_told() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &[("t/a.yaml", "name: {{ x }}"), ("v/a.yaml", "x: 1")]);
        let error = |path: &str| gathered(root.path(), &[path]).0.unwrap_err();
        assert!(matches!(error("t"), DeployError::NoYaml { .. }));
        assert!(matches!(error("v"), DeployError::NoObjects { .. }));
        assert!(matches!(error("absent"), DeployError::Manifests { .. }));
    }
}
