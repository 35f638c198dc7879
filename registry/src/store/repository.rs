//! Repositories: folders that hold manifests, at any depth.

use std::fs;
use std::path::Path;

use wharf_oci::{Algorithm, NAME_LENGTH_MAX, RepositoryName};

use super::Store;
use super::error::{StoreError, present};
use super::readers::read_each;

impl Store {
    /// Every repository with at least one manifest revision, in byte order of its name.
    ///
    /// registry:2 2.x lists by `_layers` and 3.x by `_manifests`; wharf lists what can be pulled.
    pub(crate) fn repositories(&self) -> Result<Vec<RepositoryName>, StoreError> {
        let names = self.repository_names()?;
        let hold = read_each(&names, |name| self.has_revisions(name))?;
        Ok(names.into_iter().zip(hold).filter_map(|(name, holds)| holds.then_some(name)).collect())
    }

    /// Whether anything can be pulled from the repository.
    pub(crate) fn has_revisions(&self, name: &RepositoryName) -> Result<bool, StoreError> {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            for hex in self.entries(&self.layout.revisions(name, algorithm))? {
                let Ok(digest) = format!("{algorithm}:{hex}").parse() else { continue };
                if self.revision(name, &digest)?.is_some() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Whether the repository has ever been pushed to.
    pub(crate) fn knows_repository(&self, name: &RepositoryName) -> bool {
        let folder = self.layout.repository(name);
        ["_manifests", "_layers", "_uploads"].iter().any(|part| folder.join(part).is_dir())
    }

    /// Every name that holds anything of a repository: manifests, layers or upload sessions.
    pub(crate) fn repository_names(&self) -> Result<Vec<RepositoryName>, StoreError> {
        let mut found = Vec::new();
        let mut open = vec![String::new()];
        let root = self.layout.repositories();
        while let Some(prefix) = open.pop() {
            if prefix.len() > NAME_LENGTH_MAX {
                continue;
            }
            let mut holds_repository = false;
            for entry in self.entries(&root.join(&prefix))? {
                // Parts of a name never begin with `_`: those are a repository's own folders.
                if entry.starts_with('_') {
                    holds_repository = true;
                } else if prefix.is_empty() {
                    open.push(entry);
                } else {
                    open.push(format!("{prefix}/{entry}"));
                }
            }
            if holds_repository && let Ok(name) = prefix.parse() {
                found.push(name);
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// The names of the folders in a folder; none where it is not there. Links are not followed: they
    /// may lead in circles. Names that are not UTF-8 are no names of ours.
    pub(super) fn entries(&self, folder: &Path) -> Result<Vec<String>, StoreError> {
        let Some(listing) = present(fs::read_dir(folder), "list", folder)? else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        for entry in listing {
            let entry = entry.map_err(|error| StoreError::io("list", folder, error))?;
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && let Ok(name) = entry.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }
}
