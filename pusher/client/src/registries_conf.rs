//! What `registries.conf` of Podman, Skopeo and their like says of a registry: that it need not prove
//! who it is, that it is somewhere else, or that it is not to be asked. Mirrors and short names are
//! for pulls, and not read.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use wharf_oci::RepositoryName;

/// The rules of all files together.
#[derive(Debug, Clone, Default)]
pub struct RegistriesConf {
    rules: Vec<RegistryRule>,
}

/// What is said of the registries, and parts of registries, that a prefix names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RegistryRule {
    #[serde(default)]
    prefix: String,
    /// Where it is, instead of where its name says: `host[:port]`, and maybe a path.
    #[serde(default)]
    pub location: Option<String>,
    /// Any certificate is good, and plain HTTP if there is no TLS.
    #[serde(default)]
    pub insecure: bool,
    /// It must not be asked.
    #[serde(default)]
    pub blocked: bool,
}

/// Why the rules cannot be known.
#[derive(Debug, thiserror::Error)]
pub enum RegistriesConfError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file, or the folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is not what Podman takes.
    #[error("{} is no file of registries", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<toml::de::Error>,
    },
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    registry: Vec<RegistryRule>,
}

impl RegistriesConf {
    /// Reads a file and then the `*.conf` of each folder, in the order of their names. What comes
    /// later counts; what is not there says nothing.
    ///
    /// # Errors
    /// A file cannot be read, or is no such file.
    pub fn read(file: &Path, folders: &[PathBuf]) -> Result<Self, RegistriesConfError> {
        let mut files = vec![file.to_path_buf()];
        for folder in folders {
            files.extend(of_folder(folder)?);
        }
        let mut texts = Vec::new();
        for path in files {
            match fs::read_to_string(&path) {
                Ok(text) => texts.push((path, text)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(RegistriesConfError::Read { path, source }),
            }
        }
        Self::parse(texts)
    }

    /// The rules in the texts of files, in the order in which they count.
    ///
    /// # Errors
    /// One is no such file.
    pub fn parse(
        texts: impl IntoIterator<Item = (PathBuf, String)>,
    ) -> Result<Self, RegistriesConfError> {
        let mut rules = Vec::new();
        for (path, text) in texts {
            let file: File = toml::from_str(&text).map_err(|source| {
                RegistriesConfError::Malformed { path, source: Box::new(source) }
            })?;
            rules.extend(file.registry);
        }
        Ok(Self { rules })
    }

    /// The rule for a repository, or for the registry as a whole: the longest prefix counts.
    pub fn find(
        &self,
        registry: &str,
        repository: Option<&RepositoryName>,
    ) -> Option<&RegistryRule> {
        let name = match repository {
            Some(repository) => format!("{registry}/{repository}"),
            None => registry.to_owned(),
        };
        let matching = self.rules.iter().filter(|rule| rule.is_for(registry, &name));
        // Of two that are equally long, the later one.
        matching.max_by_key(|rule| rule.prefix().len())
    }
}

impl RegistryRule {
    /// The name, or the beginning of names, that it is for.
    pub fn prefix(&self) -> &str {
        match (&self.location, self.prefix.as_str()) {
            (Some(location), "") => location,
            (_, prefix) => prefix,
        }
    }

    fn is_for(&self, registry: &str, name: &str) -> bool {
        let prefix = self.prefix();
        if let Some(domain) = prefix.strip_prefix('*') {
            return domain.starts_with('.') && registry.ends_with(domain);
        }
        let rest = name.strip_prefix(prefix).filter(|_| !prefix.is_empty());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn of_folder(folder: &Path) -> Result<Vec<PathBuf>, RegistriesConfError> {
    let unreadable = |source| RegistriesConfError::Read { path: folder.to_path_buf(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<io::Result<Vec<_>>>().map_err(unreadable)?;
    paths.retain(|path| path.extension() == Some(OsStr::new("conf")));
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(main: &str, later: &[(&str, &str)]) -> Result<RegistriesConf, RegistriesConfError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("registries.conf");
        fs::write(&file, main).unwrap();
        for (name, text) in later {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let absent = folder.path().join("absent");
        // The main file is in the folder too, which changes nothing.
        RegistriesConf::read(&file, &[absent, folder.path().into()])
    }

    #[test]
    fn the_longest_prefix_counts() {
        let conf = conf(
            "unqualified-search-registries = [\"docker.io\"]\n\
             [[registry]]\nlocation = \"r:5000\"\ninsecure = true\n\
             [[registry]]\nprefix = \"r:5000/team\"\nlocation = \"other:5000/x\"\n\
             [[registry.mirror]]\nlocation = \"mirror\"\n\
             [[registry]]\nprefix = \"*.corp\"\nblocked = true\n",
            &[],
        )
        .unwrap();
        let find = |registry: &str, name: &str| {
            let name = (!name.is_empty()).then(|| name.parse().unwrap());
            conf.find(registry, name.as_ref())
        };
        assert!(find("r:5000", "").unwrap().insecure);
        assert!(find("r:5000", "teams/app").unwrap().insecure);
        let moved = find("r:5000", "team/app").unwrap();
        assert_eq!((moved.location.as_deref(), moved.insecure), (Some("other:5000/x"), false));
        assert!(find("a.corp", "app").unwrap().blocked);
        for other in ["r", "r:50001", "corp", "docker.io"] {
            assert_eq!(find(other, "team/app"), None, "{other}");
        }
    }

    #[test]
    fn later_files_count() {
        let rule = |insecure| format!("[[registry]]\nlocation = \"r\"\ninsecure = {insecure}\n");
        let (yes, no) = (rule(true), rule(false));
        let later = [("20.conf", no.as_str()), ("10.conf", &yes), ("30.txt", &yes)];
        let conf = conf(&yes, &later).unwrap();
        // `registries.conf` sorts last in the folder, and says yes.
        assert!(conf.find("r", None).unwrap().insecure);
        assert!(!self::conf("", &later).unwrap().find("r", None).unwrap().insecure);
    }

    #[test]
    fn a_broken_file_is_named() {
        let error = conf("[[registry]]\ninsecure = \"yes\"\n", &[]).unwrap_err();
        assert!(error.to_string().contains("registries.conf"), "{error}");
    }
}
