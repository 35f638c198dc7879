//! The project: which images a folder makes, and which manifests name them. It stands in one small
//! file, `wharf.toml`, so that building, pushing and deploying need no names.
//!
//! A [`Project`] that exists is right: every name in it is one, every path is absolute. What can be
//! wrong with the file is told by [`ProjectError`], with the line.

pub mod containerfile;
pub mod discovery;
pub mod draft;
mod error;
pub mod manifest;
mod written;
pub mod yaml;

use std::path::{Path, PathBuf};

use wharf_client::RegistryAddress;
use wharf_oci::ImageReference;

pub use error::ProjectError;

/// The file's name.
pub const FILE: &str = "wharf.toml";

/// The images and the manifests of a folder.
#[derive(Debug, Clone)]
pub struct Project {
    /// The file that says so.
    pub file: PathBuf,
    /// The images, in the order in which they are built. At least one.
    pub images: Vec<Image>,
    /// Files and folders of Kubernetes manifests.
    pub manifests: Vec<PathBuf>,
    /// The namespace of everything that is deployed, if the manifests are not to say.
    pub namespace: Option<String>,
    /// The registry that images go to, if not the usual one.
    pub registry: Option<RegistryAddress>,
    /// What pods call that registry, if not as usual.
    pub pod_registry: Option<String>,
    /// The cluster, if not the usual one.
    pub cluster: Option<String>,
}

/// An image, and what it is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its name, with a tag.
    pub name: ImageReference,
    /// The folder that its build sees.
    pub context: PathBuf,
    /// The file of its build; none: the one in its context.
    pub containerfile: Option<PathBuf>,
    /// The stage at which its build ends, if not the last.
    pub target: Option<String>,
    /// Arguments of its build.
    pub build_args: Vec<(String, String)>,
    /// What it is built for, if not for this machine.
    pub platform: Option<String>,
}

impl Project {
    /// Reads the file that was named, or the one in `folder` or in the nearest folder above it. The
    /// search ends at the root of a repository, at `home`, or at the root of the file system.
    ///
    /// # Errors
    /// There is none, or it is wrong.
    pub fn find(
        named: Option<&Path>,
        folder: &Path,
        home: Option<&Path>,
    ) -> Result<Self, ProjectError> {
        let file = match named {
            Some(named) => folder.join(named),
            None => nearest_file(folder, home)
                .ok_or_else(|| ProjectError::Absent { folder: folder.to_owned() })?,
        };
        let text = crate::setup::hand::read_text(&file);
        let text = text.map_err(|source| ProjectError::Read { path: file.clone(), source })?;
        written::read(&file, &text)
    }

    /// The images that were typed, by their names in the file, with or without the tag; all of them
    /// if none was. In the order of the file.
    ///
    /// # Errors
    /// One of them is not in the file.
    pub fn chosen(&self, typed: &[String]) -> Result<Vec<&Image>, ProjectError> {
        for typed in typed {
            if !self.images.iter().any(|image| image.is_called(typed)) {
                return Err(self.unknown(typed));
            }
        }
        let is_chosen =
            |image: &&Image| typed.is_empty() || typed.iter().any(|typed| image.is_called(typed));
        Ok(self.images.iter().filter(is_chosen).collect())
    }

    fn unknown(&self, typed: &str) -> ProjectError {
        let names: Vec<_> = self.images.iter().map(|image| image.name.to_string()).collect();
        let nearest = written::nearest(typed, names.iter().map(String::as_str)).map(str::to_owned);
        ProjectError::UnknownImage { typed: typed.to_owned(), nearest, names }
    }
}

impl Image {
    /// Whether it is meant by what was typed: its name, its repository, or the last part of that.
    fn is_called(&self, typed: &str) -> bool {
        let repository = self.name.name.as_str();
        let tag = self.name.tag.as_ref().map(|tag| tag.as_str()).unwrap_or_default();
        let last = repository.rsplit('/').next().unwrap_or(repository);
        let typed = typed.strip_prefix("localhost/").unwrap_or(typed);
        typed == self.name.to_string()
            || [repository, last].iter().any(|name| {
                typed == *name || typed.strip_prefix(name).is_some_and(|it| it == format!(":{tag}"))
            })
    }
}

fn nearest_file(folder: &Path, home: Option<&Path>) -> Option<PathBuf> {
    for folder in folder.ancestors() {
        let file = folder.join(FILE);
        if file.is_file() {
            return Some(file);
        }
        if Some(folder) == home || folder.join(".git").exists() {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(text: &str) -> Project {
        written::read(Path::new("/project/wharf.toml"), text).unwrap()
    }

    #[test]
    fn the_nearest_file_counts_up_to_the_root_of_the_repository_or_home() {
        let folder = tempfile::tempdir().unwrap();
        let (root, deep) = (folder.path(), folder.path().join("a/b"));
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(root.join(FILE), "").unwrap();
        assert_eq!(nearest_file(&deep, None), Some(root.join(FILE)));
        assert_eq!(nearest_file(&deep, Some(&root.join("a"))), None);
        assert_eq!(nearest_file(&deep, Some(root)), Some(root.join(FILE)));
        std::fs::create_dir(root.join("a/.git")).unwrap();
        assert_eq!(nearest_file(&deep, None), None);
        std::fs::write(root.join("a").join(FILE), "").unwrap();
        assert_eq!(nearest_file(&deep, None), Some(root.join("a").join(FILE)));
    }

    #[test]
    fn images_are_chosen_by_any_of_their_names_in_the_order_of_the_file() {
        let project = project("[[image]]\nname = 'team/base:1'\n[[image]]\nname = 'app:v1'");
        let chosen = |typed: &[&str]| {
            let typed: Vec<_> = typed.iter().map(|&it| it.to_owned()).collect();
            let chosen = project.chosen(&typed).map_err(|error| error.to_string())?;
            Ok(chosen.iter().map(|image| image.name.to_string()).collect::<Vec<_>>().join(" "))
        };
        for (typed, expected) in [
            (&[][..], "team/base:1 app:v1"),
            (&["app", "base"], "team/base:1 app:v1"),
            (&["app:v1"], "app:v1"),
            (&["localhost/app:v1"], "app:v1"),
            (&["team/base"], "team/base:1"),
        ] {
            assert_eq!(chosen(typed), Ok::<_, String>(expected.into()), "{typed:?}");
        }
        for typed in ["app:v2", "ap", "team"] {
            assert!(chosen(&[typed]).unwrap_err().contains(typed), "{typed}");
        }
    }
}
