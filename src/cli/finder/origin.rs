//! Where an image is to be taken from, read out of what was typed: an image of the engine, a layout,
//! an archive, or standard input. The prefixes are those of skopeo.

use std::path::{Path, PathBuf};

/// How archives are called.
const ARCHIVE_ENDINGS: [&str; 6] = [".tar", ".tar.gz", ".tgz", ".tar.zst", ".oci", ".docker"];

/// Where an image is to be taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The container engine of this machine, by a name, an id or a digest.
    Engine(String),
    /// A folder that has the form of an OCI layout.
    Layout(PathBuf, Option<String>),
    /// An archive, as `podman save` or `docker save` writes it; with the image in it that is meant.
    Archive(PathBuf, Option<String>),
    /// An archive on standard input.
    Input,
}

impl Origin {
    /// What was typed as an image. A path is known by how it begins or ends, or by the layout that
    /// lies there; everything else is an image of the engine.
    pub fn of(typed: &str) -> Self {
        if typed == "-" {
            return Self::Input;
        }
        if let Some((transport, rest)) = typed.split_once(':') {
            match transport {
                "containers-storage" => return Self::Engine(rest.to_owned()),
                "oci" | "dir" => return with_reference(rest, Self::Layout),
                "oci-archive" | "docker-archive" => return with_reference(rest, Self::Archive),
                _ => {}
            }
        }
        let path = path_of(typed);
        if is_layout(path) || begins_as_a_path(typed) && path.is_dir() {
            return with_reference(typed, Self::Layout);
        }
        let text = path.to_string_lossy();
        if begins_as_a_path(typed) || ARCHIVE_ENDINGS.iter().any(|ending| text.ends_with(ending)) {
            return with_reference(typed, Self::Archive);
        }
        Self::Engine(typed.to_owned())
    }

    /// What was typed as images, each with where it is to be taken from: out of an archive if one was
    /// named apart, whose only one is meant if none was typed.
    pub fn all(images: Vec<String>, archive: Option<&Path>) -> Vec<(String, Self)> {
        let one = |typed: String| match archive {
            Some(archive) => (typed.clone(), Self::in_archive(archive, Some(&typed))),
            None => (typed.clone(), Self::of(&typed)),
        };
        match archive {
            Some(archive) if images.is_empty() => {
                vec![(archive.display().to_string(), Self::in_archive(archive, None))]
            }
            _ => images.into_iter().map(one).collect(),
        }
    }

    /// An image in the archive that was named apart: the one typed, or its only one.
    pub fn in_archive(archive: &Path, typed: Option<&str>) -> Self {
        match archive.as_os_str().as_encoded_bytes() {
            b"-" => Self::Input,
            _ => Self::Archive(archive.to_owned(), typed.map(str::to_owned)),
        }
    }
}

/// A path, and after the first colon the image in it, unless the colon is the path's own.
fn with_reference(text: &str, origin: impl Fn(PathBuf, Option<String>) -> Origin) -> Origin {
    let path = path_of(text);
    let reference = text.strip_prefix(&*path.to_string_lossy()).and_then(|rest| rest.get(1..));
    origin(path.to_owned(), reference.filter(|rest| !rest.is_empty()).map(str::to_owned))
}

fn path_of(text: &str) -> &Path {
    let whole = Path::new(text);
    match text.split_once(':') {
        Some((path, _)) if !whole.exists() => Path::new(path),
        _ => whole,
    }
}

fn begins_as_a_path(text: &str) -> bool {
    text == "." || ["/", "./", "../"].iter().any(|start| text.starts_with(start))
}

fn is_layout(path: &Path) -> bool {
    path.join("oci-layout").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(name: &str) -> Origin {
        Origin::Engine(name.into())
    }

    #[test]
    fn names_are_images_of_the_engine() {
        for name in ["app", "app:v1", "localhost/app:v1", "ghcr.io/me/app", "0123456789ab", "src"] {
            assert_eq!(Origin::of(name), engine(name));
        }
        assert_eq!(Origin::of("containers-storage:app:v1"), engine("app:v1"));
    }

    #[test]
    fn files_and_folders_are_known_by_their_paths() {
        let archive = |path: &str, reference: Option<&str>| {
            Origin::Archive(path.into(), reference.map(str::to_owned))
        };
        for (typed, origin) in [
            ("-", Origin::Input),
            ("app.tar", archive("app.tar", None)),
            ("app.tar.gz:app:v1", archive("app.tar.gz", Some("app:v1"))),
            ("/absent", archive("/absent", None)),
            ("./absent:v1", archive("./absent", Some("v1"))),
            ("docker-archive:absent:app:v1", archive("absent", Some("app:v1"))),
            ("oci-archive:absent", archive("absent", None)),
            ("oci:absent:v1", Origin::Layout("absent".into(), Some("v1".into()))),
            ("oci:absent:", Origin::Layout("absent".into(), None)),
            ("/", Origin::Layout("/".into(), None)),
        ] {
            assert_eq!(Origin::of(typed), origin, "{typed}");
        }
        let named = Path::new("any.file");
        let expected = Origin::Archive("any.file".into(), Some("app".into()));
        assert_eq!(Origin::in_archive(named, Some("app")), expected);
        assert_eq!(Origin::in_archive(Path::new("-"), None), Origin::Input);
        let only = Origin::all(Vec::new(), Some(named));
        assert_eq!(only, [("any.file".to_owned(), Origin::Archive("any.file".into(), None))]);
        let typed = Origin::all(vec!["app".into()], None);
        assert_eq!(typed, [("app".to_owned(), engine("app"))]);
    }

    #[test]
    fn a_layout_is_known_by_its_file_and_may_have_a_colon_in_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let layout = folder.path().join("a:b");
        std::fs::create_dir(&layout).unwrap();
        std::fs::write(layout.join("oci-layout"), "{}").unwrap();
        let typed = layout.to_str().unwrap();
        assert_eq!(Origin::of(typed), Origin::Layout(layout.clone(), None));
        let explicit = format!("oci:{typed}");
        assert_eq!(Origin::of(&explicit), Origin::Layout(layout, None));
    }
}
