//! Folders that kustomize knows, copied with all that they build upon.
//!
//! Kustomize takes no file from outside a kustomization's folder, so that a kustomization of somebody
//! else's cannot put one's keys into a ConfigMap. A copy must not undo that: a link that leads out of the
//! folders is not followed.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::{Gathered, entries, is_aside, kustomization, unreadable};
use crate::deploy::error::DeployError;
use crate::project::yaml;
use crate::setup::hand;

/// The folders of kustomizations, by their real paths.
#[derive(Debug, Default)]
struct Folders {
    /// Those that are meant, and every folder of this machine that they build upon; sorted, so that a
    /// folder comes before those inside it.
    all: Vec<PathBuf>,
    /// What the kustomizations name, which is copied though it be hidden or others' own.
    named: BTreeSet<PathBuf>,
}

impl Gathered {
    /// Folders of kustomize, and all that they build upon.
    pub(super) fn take_folders(
        &mut self,
        folders: Vec<PathBuf>,
        to: &Path,
    ) -> Result<(), DeployError> {
        let mut own = Vec::new();
        for folder in folders {
            let real = folder.canonicalize().map_err(|source| unreadable(&folder, source))?;
            if !own.contains(&real) {
                own.push(real);
            }
        }
        let folders = Folders::needed(&own)?;
        let Some(root) = common(&folders.all) else { return Ok(()) };
        // With the folder's own name even where it is alone, as it may stand in messages.
        let name = PathBuf::from(root.file_name().unwrap_or("root".as_ref()));
        let below = |folder: &Path| {
            let rest = folder.strip_prefix(&root).unwrap_or(folder);
            name.join(rest).components().collect::<PathBuf>()
        };
        // A folder inside another one was copied with that.
        let mut copied: Vec<&PathBuf> = Vec::new();
        for folder in &folders.all {
            if !copied.iter().any(|other| folder.starts_with(other)) {
                self.copy_folder(folder, &to.join(below(folder)), &folders, None)?;
                copied.push(folder);
            }
        }
        self.parts.folders = own.iter().map(|it| below(it).display().to_string()).collect();
        self.copies.push((name, root));
        Ok(())
    }

    /// Copies a folder; `aside` is the hidden one that it is in, or others' own, if it is in such a one.
    fn copy_folder(
        &mut self,
        from: &Path,
        to: &Path,
        folders: &Folders,
        aside: Option<&Path>,
    ) -> Result<(), DeployError> {
        self.count_folder(from)?;
        for path in &entries(from)? {
            let target = to.join(path.file_name().unwrap_or_default());
            let aside = aside.or_else(|| is_aside(path).then_some(path));
            if aside.is_some_and(|aside| !folders.names(path, aside)) {
                continue;
            }
            if path.is_symlink() && !folders.may_follow(path) {
                self.leave_out(
                    path,
                    "it is a link that leads out of the kustomization, or nowhere",
                );
            } else if path.is_file() {
                self.copy(path, &target)?;
            } else if path.is_dir() {
                self.copy_folder(path, &target, folders, aside)?;
            }
        }
        Ok(())
    }

    fn copy(&mut self, from: &Path, to: &Path) -> Result<(), DeployError> {
        let size = fs::metadata(from).map_err(|source| unreadable(from, source))?.len();
        self.count_file(from, size)?;
        fs::create_dir_all(to.parent().unwrap_or(to)).map_err(DeployError::Folder)?;
        fs::copy(from, to).map_err(|source| unreadable(from, source))?;
        Ok(())
    }
}

impl Folders {
    fn needed(own: &[PathBuf]) -> Result<Self, DeployError> {
        let mut folders = Self::default();
        let mut ahead: VecDeque<_> = own.iter().cloned().collect();
        while let Some(folder) = ahead.pop_front() {
            if folders.all.contains(&folder) {
                continue;
            }
            if let Some(path) = kustomization(&folder) {
                let parsed = read(&path)?;
                let bases = ["resources", "bases", "components"];
                let bases = bases.iter().filter_map(|it| parsed[it].as_array()).flatten();
                let bases = bases.filter_map(Value::as_str).map(|it| folder.join(it));
                // Kustomize builds upon nothing else, and any folder may be named.
                let bases = bases.filter(|it| kustomization(it).is_some());
                ahead.extend(bases.filter_map(|it| it.canonicalize().ok()));
                folders.take_names(&folder, &parsed);
            }
            folders.named.insert(folder.clone());
            folders.all.push(folder);
        }
        folders.all.sort();
        Ok(folders)
    }

    /// Everything in a kustomization that is a path of something there.
    fn take_names(&mut self, folder: &Path, value: &Value) {
        match value {
            Value::String(text) => {
                // A generator's file may have another name before its own: `app.env=.env`.
                let file = text.split_once('=').map(|(_, file)| file);
                let paths = [Some(text.as_str()), file].into_iter().flatten();
                let paths = paths.map(|it| plain(&folder.join(it)));
                self.named.extend(paths.filter(|it| it != folder && it.exists()));
            }
            Value::Array(items) => items.iter().for_each(|it| self.take_names(folder, it)),
            Value::Object(fields) => fields.values().for_each(|it| self.take_names(folder, it)),
            _ => {}
        }
    }

    /// Whether something in a folder that would be left out is named, or what it is in, or what is in it.
    fn names(&self, path: &Path, aside: &Path) -> bool {
        let mut named = self.named.iter().filter(|it| it.starts_with(aside));
        named.any(|it| it.starts_with(path) || path.starts_with(it))
    }

    /// Whether a link leads to what is copied anyhow, and not to a folder that it is in itself.
    fn may_follow(&self, link: &Path) -> bool {
        let (Ok(target), Some(Ok(folder))) =
            (link.canonicalize(), link.parent().map(Path::canonicalize))
        else {
            return false;
        };
        self.all.iter().any(|it| target.starts_with(it)) && !folder.starts_with(&target)
    }
}

/// What a kustomization says.
fn read(path: &Path) -> Result<Value, DeployError> {
    let text = hand::read_text(path).map_err(|source| unreadable(path, source))?;
    let documents = yaml::documents(&text);
    let documents =
        documents.map_err(|reason| DeployError::NoYaml { path: path.to_owned(), reason })?;
    Ok(documents.into_iter().next().unwrap_or_default())
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// The folder that all are in.
fn common(folders: &[PathBuf]) -> Option<PathBuf> {
    let (first, rest) = folders.split_first()?;
    let is_above = |above: &&Path| rest.iter().all(|folder| folder.starts_with(above));
    first.ancestors().find(is_above).map(Path::to_owned)
}
