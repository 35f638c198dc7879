//! The text of a new `wharf.toml`, out of what was found in a folder. Writes nothing.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use wharf_oci::{ImageReference, RepositoryName};

use super::containerfile;
use super::discovery::{Containerfile, Discovery};

/// The tag of an image that no manifest names.
const TAG: &str = "dev";
/// What an image is called whose folder's name holds no letter that a name may have.
const NAMELESS: &str = "app";

/// What would stand in the file.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Draft {
    /// The images, those first upon which others are built.
    pub images: Vec<DraftImage>,
    /// Folders and files of manifests.
    pub manifests: Vec<String>,
    /// Folders of manifests that were left out for those, since kustomize knows them, too.
    pub left_out: Vec<String>,
}

/// An image of it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct DraftImage {
    /// Its name, with a tag.
    pub name: String,
    /// Its folder.
    pub context: String,
    /// Its Containerfile, where that is not called as in every folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub containerfile: Option<String>,
    #[serde(skip)]
    bases: Vec<String>,
}

impl Draft {
    /// What would stand in the file of a folder of this name.
    pub fn of(found: &Discovery, folder: &str) -> Self {
        let mut images: Vec<DraftImage> = Vec::new();
        for file in &found.containerfiles {
            // Of two in a folder that mean the same, the engine takes the first.
            let is_second = file.file == containerfile::NAMES[1]
                && found.containerfiles.iter().any(|other| {
                    other.folder == file.folder && other.file == containerfile::NAMES[0]
                });
            if !is_second {
                let name = name(file, folder, found, &images);
                images.push(DraftImage::of(file, name));
            }
        }
        let (manifests, left_out) = manifests(found);
        Self { images: by_need(images), manifests, left_out }
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let mut text = String::from(
            "# What this project is made of: `wharf build` builds it, `wharf push` sends it to the registry,\n\
             # `wharf deploy` applies it. Paths begin at the folder of this file.\n\n\
             # Kubernetes manifests: a folder (all of it, or what its kustomization.yaml says), a file, or a\n\
             # list of them. They may name the images as below; deploy puts in the pushed ones.\n",
        );
        for other in &self.left_out {
            _ = writeln!(text, "# There is a kustomization in {} too.", quoted(other));
        }
        match &self.manifests[..] {
            [] => text.push_str("# manifests = \"deploy\"\n"),
            [one] => _ = writeln!(text, "manifests = {}", quoted(one)),
            several => {
                let several: Vec<_> = several.iter().map(|it| quoted(it)).collect();
                _ = writeln!(text, "manifests = [{}]", several.join(", "));
            }
        }
        text.push_str(
            "# Puts everything into one namespace, which has to be there.\n# namespace = \"demo\"\n\n\
             # The images, in the order in which they are built. Further keys of each, if they are needed:\n\
             # target = \"stage\", platform = \"linux/arm64\", build-args = { VERSION = \"1.0\" }\n",
        );
        for image in &self.images {
            _ = writeln!(text, "[[image]]\nname = {}", quoted(&image.name));
            _ = writeln!(text, "context = {}", quoted(&image.context));
            if let Some(file) = &image.containerfile {
                _ = writeln!(text, "containerfile = {}", quoted(file));
            }
            text.push('\n');
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }
}

fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

impl DraftImage {
    fn of(file: &Containerfile, name: String) -> Self {
        let is_usual = containerfile::NAMES.contains(&file.file.as_str());
        Self {
            name,
            context: shown(&file.folder),
            containerfile: (!is_usual).then(|| shown(&file.folder.join(&file.file))),
            bases: file.bases.clone(),
        }
    }

    /// Whether it is built on another.
    fn needs(&self, other: &Self) -> bool {
        let own = repository(&other.name);
        self.bases.iter().any(|base| repository(base) == own)
    }
}

/// The repository of a name of the local registry; none of one elsewhere, or of no name.
fn repository(name: &str) -> Option<RepositoryName> {
    let name: ImageReference = name.parse().ok()?;
    is_local(&name).then_some(name.name)
}

/// Whether a name can mean an image that is made here.
fn is_local(name: &ImageReference) -> bool {
    let host = name.registry.as_deref().unwrap_or("localhost");
    let host = host.split(':').next().unwrap_or(host);
    ["localhost", "127.0.0.1", "kind-registry"].contains(&host)
}

/// Every image before those that are built on it.
fn by_need(mut images: Vec<DraftImage>) -> Vec<DraftImage> {
    let mut sorted: Vec<DraftImage> = Vec::new();
    while !images.is_empty() {
        let is_free = |it: &DraftImage| !images.iter().any(|other| other != it && it.needs(other));
        // In a circle nothing is free: its build will tell.
        let next = images.iter().position(is_free).unwrap_or(0);
        sorted.push(images.remove(next));
    }
    sorted
}

/// A name that is not taken: the one by which the manifests call it, or else its folder's.
fn name(file: &Containerfile, root: &str, found: &Discovery, taken: &[DraftImage]) -> String {
    let variant = containerfile::variant(&file.file).unwrap_or_default();
    let mut folders: Vec<_> = file.folder.iter().filter_map(|it| it.to_str()).collect();
    folders.insert(0, root);
    let mut candidates = Vec::new();
    if !variant.is_empty() {
        candidates.push(word(variant));
    }
    // From the folder's own name outwards: server, a-server, shop-a-server.
    let longer = (1..=folders.len()).map(|count| {
        let mut words = folders[folders.len() - count..].to_vec();
        words.extend((!variant.is_empty()).then_some(variant));
        word(&words.join("-"))
    });
    let own = candidates.len();
    candidates.extend(longer);
    let is_taken = |name: &str| taken.iter().any(|it| repository(&it.name) == repository(name));
    let named = candidates.iter().find_map(|it| by_manifests(it, found)).filter(|it| !is_taken(it));
    named.unwrap_or_else(|| {
        let free = candidates[own..].iter().find(|it| !is_taken(&format!("{it}:{TAG}")));
        format!("{}:{TAG}", free.map_or(NAMELESS, String::as_str))
    })
}

/// How the manifests call an image whose repository ends in this word.
fn by_manifests(word: &str, found: &Discovery) -> Option<String> {
    let named = found.images.iter().filter_map(|image| image.parse::<ImageReference>().ok());
    let mut meant =
        named.filter(|it| is_local(it) && it.name.as_str().rsplit('/').next() == Some(word));
    let image = meant.next()?;
    let tag = image.tag.as_ref().map_or(TAG, |tag| tag.as_str());
    Some(format!("{}:{tag}", image.name))
}

/// A folder's name as a repository's.
fn word(name: &str) -> String {
    let letter = |it: char| if it.is_ascii_alphanumeric() { it.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(letter).collect();
    let parts: Vec<_> = name.split('-').filter(|part| !part.is_empty()).collect();
    match parts.is_empty() {
        true => NAMELESS.to_owned(),
        false => parts.join("-"),
    }
}

/// Which manifests to apply, and which folders of kustomize to leave out for them.
fn manifests(found: &Discovery) -> (Vec<String>, Vec<String>) {
    if let Some(best) = found.kustomizations.iter().min_by_key(|folder| rank(folder)) {
        let others = found.kustomizations.iter().filter(|it| *it != best).map(|it| shown(it));
        return (vec![shown(best)], others.collect());
    }
    let root = Path::new("");
    let folder = |file: &PathBuf| file.parent().unwrap_or(root).to_owned();
    let folders: BTreeSet<_> = found.manifests.iter().map(folder).collect();
    let is_outermost = |it: &&PathBuf| {
        let mut above = it.ancestors().skip(1).filter(|above| *above != root);
        **it != root && !above.any(|above| folders.contains(above))
    };
    let files = found.manifests.iter().filter(|file| folder(file) == root);
    let all = files.chain(folders.iter().filter(is_outermost));
    (all.map(|path| shown(path)).collect(), Vec::new())
}

/// Which of several kustomizations is for a cluster like this: the lowest.
fn rank(folder: &Path) -> usize {
    let last = folder.file_name().unwrap_or_default().to_string_lossy();
    match &*last {
        "kind" | "local" => 0,
        "dev" | "development" => 1,
        "base" => 3,
        _ if folder.iter().any(|part| part == "overlays") => 4,
        _ => 2,
    }
}

fn shown(path: &Path) -> String {
    match path.as_os_str().is_empty() {
        true => ".".to_owned(),
        false => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &str, file: &str, bases: &[&str]) -> Containerfile {
        let bases = bases.iter().map(|&it| it.to_owned()).collect();
        Containerfile { folder: folder.into(), file: file.into(), bases }
    }

    fn found(files: Vec<Containerfile>, manifests: &[&str], images: &[&str]) -> Discovery {
        Discovery {
            containerfiles: files,
            manifests: manifests.iter().map(PathBuf::from).collect(),
            images: images.iter().map(|&it| it.to_owned()).collect(),
            ..Discovery::default()
        }
    }

    fn names(found: &Discovery) -> Vec<String> {
        Draft::of(found, "My Shop").images.into_iter().map(|image| image.name).collect()
    }

    #[test]
    fn an_image_is_called_as_the_manifests_call_it_else_as_its_folder() {
        let files = vec![
            file("", "Dockerfile", &[]),
            file("", "Dockerfile.worker", &[]),
            file("moon_server", "Containerfile", &[]),
            file("moon_server", "Dockerfile", &[]),
            file("web", "Dockerfile", &[]),
        ];
        let images =
            ["kind-registry:5000/team/web:v2", "ghcr.io/me/my-shop:v9", "moon-server:v1.0.0"];
        let expected = ["my-shop:dev", "my-shop-worker:dev", "moon-server:v1.0.0", "team/web:v2"];
        assert_eq!(names(&found(files, &[], &images)), expected);
        let worker = vec![file("", "worker.Dockerfile", &[])];
        assert_eq!(names(&found(worker, &[], &["worker"])), ["worker:dev"]);
    }

    #[test]
    fn folders_of_one_name_are_told_apart() {
        let files = vec![file("a/server", "Dockerfile", &[]), file("b/server", "Dockerfile", &[])];
        assert_eq!(names(&found(files, &[], &[])), ["server:dev", "b-server:dev"]);
        let odd = vec![file("--", "Dockerfile", &[])];
        assert_eq!(names(&found(odd, &[], &[])), ["app:dev"]);
    }

    #[test]
    fn what_others_are_built_on_comes_first() {
        let files = vec![
            file("app", "Dockerfile", &["localhost/lib:dev", "debian"]),
            file("base", "Dockerfile", &["scratch"]),
            file("lib", "Dockerfile", &["base:dev"]),
        ];
        assert_eq!(names(&found(files, &[], &[])), ["base:dev", "lib:dev", "app:dev"]);
        let circle = vec![file("a", "Dockerfile", &["b"]), file("b", "Dockerfile", &["a"])];
        assert_eq!(names(&found(circle, &[], &[])), ["a:dev", "b:dev"]);
    }

    #[test]
    fn manifests_are_named_by_the_outermost_folders() {
        let all = |manifests: &[&str]| Draft::of(&found(Vec::new(), manifests, &[]), "x").manifests;
        assert_eq!(all(&["deploy/a.yaml", "deploy/b/c.yaml", "other/d.yaml"]), ["deploy", "other"]);
        assert_eq!(all(&["a.yaml", "x/y/b.yaml"]), ["a.yaml", "x/y"]);
        let mut overlays = found(Vec::new(), &["k/base/a.yaml"], &[]);
        overlays.kustomizations =
            ["k/base", "k/overlays/prod", "k/overlays/dev"].map(PathBuf::from).into();
        let draft = Draft::of(&overlays, "x");
        assert_eq!(draft.manifests, ["k/overlays/dev"]);
        assert_eq!(draft.left_out, ["k/base", "k/overlays/prod"]);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let files = vec![file("b", "Dockerfile.x", &[]), file("it's \"odd\"", "Dockerfile", &[])];
        let draft = Draft::of(&found(files, &["a.yaml", "d/b.yaml"], &[]), "x");
        let path = Path::new("/p/wharf.toml");
        let project = super::super::written::read(path, &draft.text()).unwrap();
        assert_eq!(project.images[0].name.to_string(), draft.images[0].name);
        assert_eq!(project.images[0].context, Path::new("/p/b"));
        assert_eq!(
            project.images[0].containerfile.as_deref(),
            Some(Path::new("/p/b/Dockerfile.x"))
        );
        assert_eq!(project.images[1].context, Path::new("/p/it's \"odd\""));
        assert_eq!(project.manifests, [Path::new("/p/a.yaml"), Path::new("/p/d")]);
        let nothing = Draft::of(&found(vec![file("b", "Dockerfile", &[])], &[], &[]), "x");
        assert!(super::super::written::read(path, &nothing.text()).unwrap().manifests.is_empty());
    }
}
