//! The user's manifests, copied to where kustomize may read them: it takes no file from outside its
//! own folder. The files themselves are never touched.
//!
//! A folder that kustomize knows is copied as it is, with every folder that it builds upon, all at
//! the same distance from each other: see `kustomized`. Of other folders, the files with Kubernetes
//! objects are.

mod kustomized;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::DeployError;
use super::kustomization::Parts;
use crate::project::discovery::{KUSTOMIZATIONS, is_left_out};
use crate::project::manifest::{self, Object};
use crate::setup::hand;

/// The most that is copied: manifests are small, and sources next to them may not be.
const BYTES_MAX: u64 = 64 << 20;
/// The most files.
const FILES_MAX: usize = 10_000;
/// The most folders that are looked through, each time that a link leads to it.
const FOLDERS_MAX: usize = 50_000;
/// The most letters that a copy keeps of a file's name, which may be as long as the system takes.
const STEM_MAX: usize = 64;
/// What the name of a manifest in a folder ends in.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// What was copied.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Where it is, below the folder that it was copied to.
    pub parts: Parts,
    /// What was not taken.
    pub left_out: Vec<LeftOut>,
    /// Each copy, below that folder, with what it is a copy of.
    copies: Vec<(PathBuf, PathBuf)>,
    /// The files of objects that were read, by their real paths.
    taken: BTreeSet<PathBuf>,
    files: usize,
    folders: usize,
    bytes: u64,
}

/// A file or folder that is not taken. Its `Display` form says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    path: PathBuf,
    why: &'static str,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is left out: {}", self.path.display(), self.why)
    }
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
        match folder_meant(path, kind.is_dir()) {
            Some(folder) => gathered.survey(folder, to, &mut kustomized)?,
            None if kind.is_file() => gathered.take_file(path, to)?,
            // A pipe would be waited for, and read only once.
            None => return Err(unreadable(path, io::Error::other("it is no file and no folder"))),
        }
    }
    gathered.take_folders(kustomized, to)?;
    if gathered.parts == Parts::default() {
        return Err(DeployError::NoObjects { manifests: manifests.to_vec() });
    }
    Ok(gathered)
}

/// The folder that a path means: itself, or the one whose kustomization it is.
fn folder_meant(path: &Path, is_folder: bool) -> Option<&Path> {
    let is_kustomization = || KUSTOMIZATIONS.iter().any(|name| path.ends_with(name));
    match is_folder {
        true => Some(path),
        false => path.parent().filter(|_| is_kustomization()),
    }
}

fn unreadable(path: &Path, source: io::Error) -> DeployError {
    DeployError::Manifests { path: path.to_owned(), source }
}

/// The kustomization of a folder, if it has one.
fn kustomization(folder: &Path) -> Option<PathBuf> {
    KUSTOMIZATIONS.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// The objects in a text of this path.
///
/// # Errors
/// It is no YAML, or something in it is no object.
pub fn read_objects(path: &Path, text: &str) -> Result<Vec<Object>, DeployError> {
    let read = manifest::read(text);
    match read.map_err(|reason| DeployError::NoYaml { path: path.to_owned(), reason })? {
        (objects, None) => Ok(objects),
        (_, Some(reason)) => Err(DeployError::Stray { path: path.to_owned(), reason }),
    }
}

/// What is in a folder, in order.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DeployError> {
    let failed = |source| unreadable(folder, source);
    let entries = fs::read_dir(folder).map_err(failed)?;
    let mut paths: Vec<_> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    paths.sort();
    Ok(paths)
}

/// Whether something is hidden, or others' own.
fn is_aside(path: &Path) -> bool {
    is_left_out(&path.file_name().unwrap_or_default().to_string_lossy(), path.is_dir())
}

impl Gathered {
    /// The words of kubectl, which knows the copies in the folder `at` alone, with the user's own paths.
    pub fn with_own_paths(&self, words: &str, at: &str) -> String {
        self.copies.iter().fold(words.to_owned(), |words, (copy, own)| {
            let (copy, own) = (copy.display().to_string(), own.display().to_string());
            let words = words.replace(&format!("{at}/{copy}"), &own);
            // A file's copy has a name that nothing else has; a folder's may be any word.
            if self.parts.files.contains(&copy) { words.replace(&copy, &own) } else { words }
        })
    }

    fn leave_out(&mut self, path: &Path, why: &'static str) {
        self.left_out.push(LeftOut { path: path.to_owned(), why });
    }

    fn survey(
        &mut self,
        folder: &Path,
        to: &Path,
        kustomized: &mut Vec<PathBuf>,
    ) -> Result<(), DeployError> {
        if kustomization(folder).is_some() {
            kustomized.push(folder.to_owned());
            return Ok(());
        }
        self.count_folder(folder)?;
        for path in entries(folder)?.iter().filter(|path| !is_aside(path)) {
            let ending = path.extension().unwrap_or_default();
            let is_manifest = ENDINGS.iter().any(|it| ending == *it);
            if path.is_dir() {
                // It may lead anywhere, and back here, too.
                if path.is_symlink() {
                    self.leave_out(path, "it is a link to a folder; `manifests` can name that");
                } else {
                    self.survey(path, to, kustomized)?;
                }
            } else if is_manifest && path.is_file() {
                self.take_file(path, to)?;
            } else if is_manifest {
                self.leave_out(path, "it is no file, or a link that leads nowhere");
            }
        }
        Ok(())
    }

    fn take_file(&mut self, path: &Path, to: &Path) -> Result<(), DeployError> {
        let real = path.canonicalize().map_err(|source| unreadable(path, source))?;
        // It may be named twice, by itself and by its folder.
        if !self.taken.insert(real) {
            return Ok(());
        }
        let text = hand::read_text(path).map_err(|source| unreadable(path, source))?;
        self.count_file(path, text.len() as u64)?;
        let objects = read_objects(path, &text)?;
        if objects.is_empty() {
            self.leave_out(path, "no Kubernetes object is in it");
            return Ok(());
        }
        let name = self.name_of_copy(path);
        fs::write(to.join(&name), text).map_err(DeployError::Folder)?;
        self.copies.push((PathBuf::from(&name), path.to_owned()));
        self.parts.files.push(name);
        Ok(())
    }

    /// The name of a file's copy: a number, which keeps files of one name apart, and all in their order,
    /// and as much of its own as is harmless in a kustomization.
    fn name_of_copy(&self, path: &Path) -> String {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let stem = stem.chars().filter(|it| it.is_ascii_alphanumeric() || *it == '-');
        let stem: String = stem.take(STEM_MAX).collect();
        let ending = path.extension().unwrap_or_default();
        let ending = ENDINGS.into_iter().find(|it| ending == *it).unwrap_or(ENDINGS[0]);
        format!("{:04}-{stem}.{ending}", self.parts.files.len())
    }

    /// Counts a file before it is copied.
    fn count_file(&mut self, path: &Path, bytes: u64) -> Result<(), DeployError> {
        self.files += 1;
        self.bytes += bytes;
        match self.files > FILES_MAX || self.bytes > BYTES_MAX {
            true => Err(DeployError::TooMuch { path: path.to_owned() }),
            false => Ok(()),
        }
    }

    /// Counts a folder before it is looked through.
    fn count_folder(&mut self, path: &Path) -> Result<(), DeployError> {
        self.folders += 1;
        match self.folders > FOLDERS_MAX {
            true => Err(DeployError::TooMuch { path: path.to_owned() }),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
