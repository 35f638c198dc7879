//! What a folder holds that a project can be made of: Containerfiles and Kubernetes manifests, in it
//! and a few folders below. Only looks, and never into what tools keep for themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::containerfile;
use super::error::ProjectError;
use super::manifest;

/// How many folders deep it looks.
const DEPTH_MAX: usize = 5;
/// How many files and folders it looks at.
const ENTRIES_MAX: usize = 50_000;
/// The largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Folders in which others keep what they made or fetched; hidden ones are left out besides.
const LEFT_OUT: [&str; 7] = [
    "node_modules",
    "target",
    "vendor",
    "venv",
    "__pycache__",
    "site-packages",
    "bower_components",
];
/// The file by which kustomize knows a folder.
pub const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// What was found, by paths from the folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    /// Containerfiles, by path.
    pub containerfiles: Vec<Containerfile>,
    /// Files with Kubernetes objects.
    pub manifests: BTreeSet<PathBuf>,
    /// Folders that kustomize knows.
    pub kustomizations: BTreeSet<PathBuf>,
    /// The images that the manifests name, as they are written.
    pub images: BTreeSet<String>,
}

/// A Containerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Containerfile {
    /// Its folder.
    pub folder: PathBuf,
    /// Its name there.
    pub file: String,
    /// The images that it is built on.
    pub bases: Vec<String>,
}

/// Looks through a folder.
///
/// # Errors
/// The folder itself cannot be read; those below are passed over then.
pub fn look(folder: &Path) -> Result<Discovery, ProjectError> {
    let mut found = Discovery::default();
    let mut entries_left = ENTRIES_MAX;
    // The nearest first, so that what is left out for its number lies deep.
    let mut ahead = std::collections::VecDeque::from([(PathBuf::new(), 0)]);
    while let Some((below, depth)) = ahead.pop_front() {
        let mut names = match names(&folder.join(&below)) {
            Err(source) if depth == 0 => {
                return Err(ProjectError::Look { path: folder.to_owned(), source });
            }
            names => names.unwrap_or_default(),
        };
        names.truncate(entries_left);
        entries_left -= names.len();
        for (name, is_folder) in names {
            match is_folder {
                true if depth < DEPTH_MAX => ahead.push_back((below.join(name), depth + 1)),
                true => {}
                false => found.take(folder, &below, &name),
            }
        }
    }
    found.containerfiles.sort_by(|a, b| (&a.folder, &a.file).cmp(&(&b.folder, &b.file)));
    Ok(found)
}

/// What is in a folder, in order, and whether it is a folder, too. Links to folders are not followed.
fn names(folder: &Path) -> std::io::Result<Vec<(String, bool)>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let is_folder = entry.file_type()?.is_dir();
        if !is_left_out(&name, is_folder) {
            names.push((name, is_folder));
        }
    }
    names.sort();
    Ok(names)
}

/// Whether something is others' own business.
pub fn is_left_out(name: &str, is_folder: bool) -> bool {
    name.starts_with('.') || is_folder && LEFT_OUT.contains(&name)
}

impl Discovery {
    fn take(&mut self, root: &Path, folder: &Path, name: &str) {
        let path = root.join(folder).join(name);
        if KUSTOMIZATIONS.contains(&name) {
            self.kustomizations.insert(folder.to_owned());
            return;
        }
        if containerfile::variant(name).is_some() {
            let Some(text) = text(&path) else { return };
            let bases = containerfile::bases(&text).into_iter().map(str::to_owned).collect();
            let (folder, file) = (folder.to_owned(), name.to_owned());
            self.containerfiles.push(Containerfile { folder, file, bases });
            return;
        }
        if !name.ends_with(".yaml") && !name.ends_with(".yml") {
            return;
        }
        let objects = text(&path).map(|text| manifest::objects(&text)).unwrap_or_default();
        if !objects.is_empty() {
            self.manifests.insert(folder.join(name));
        }
        let images = objects.iter().flat_map(|object| object.images());
        self.images.extend(images.map(str::to_owned));
    }
}

/// A file's text; none of one that is too large, or no text.
fn text(path: &Path) -> Option<String> {
    let small = fs::metadata(path).is_ok_and(|it| it.is_file() && it.len() <= FILE_BYTES_MAX);
    small.then(|| fs::read_to_string(path).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn what_tools_keep_for_themselves_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let pod = "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: 'moon:v1'}]}";
        for path in ["moon/Containerfile", "node_modules/x/Dockerfile", ".cache/Dockerfile"] {
            write(root, path, "FROM base:1");
        }
        write(root, "a/b/c/d/e/Dockerfile", "FROM base:1");
        write(root, "a/b/c/d/e/f/Dockerfile", "FROM base:1");
        write(root, "deploy/pod.yaml", pod);
        write(root, "deploy/values.yaml", "image: x");
        write(root, "target/pod.yaml", pod);
        write(root, "deploy/dev/kustomization.yaml", "resources: [../pod.yaml]");
        let found = look(root).unwrap();
        let folders: Vec<_> = found.containerfiles.iter().map(|it| it.folder.clone()).collect();
        assert_eq!(folders, [Path::new("a/b/c/d/e"), Path::new("moon")]);
        assert_eq!(found.containerfiles[1].bases, ["base:1"]);
        assert_eq!(found.manifests, BTreeSet::from(["deploy/pod.yaml".into()]));
        assert_eq!(found.kustomizations, BTreeSet::from(["deploy/dev".into()]));
        assert_eq!(found.images, BTreeSet::from(["moon:v1".to_owned()]));
        assert!(matches!(look(&root.join("absent")), Err(ProjectError::Look { .. })));
    }
}
