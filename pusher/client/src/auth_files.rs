//! Credentials where Podman, Docker and the programs that keep them for both have put them, looked
//! for in the order of containers/image; and a login of our own put where both find it.
//!
//! It reads no environment and starts no program: places and the way to a program are handed in.
//! What cannot be read, or fails, does not end the search: it is told if the search finds nothing.

mod document;
mod helper;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wharf_oci::RepositoryName;

use crate::credential::{Credential, CredentialError, Credentials};
use document::{Document, Form};
pub use helper::{Helper, HelperAnswer};

/// The name under which Docker keeps the login of Docker Hub.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// Where files of credentials may be: values of the environment, as they are.
#[derive(Debug, Clone, Default)]
pub struct AuthPlaces {
    /// The only file, where one was named (`--authfile`, `REGISTRY_AUTH_FILE`).
    pub authfile: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub xdg_runtime_dir: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`.
    pub xdg_config_home: Option<PathBuf>,
    /// `DOCKER_CONFIG`: a folder.
    pub docker_config: Option<PathBuf>,
    /// The user's own folder.
    pub home: Option<PathBuf>,
    /// The user's number.
    pub uid: u32,
}

/// Where a login was stored, or taken away from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeper {
    /// A file.
    File(PathBuf),
    /// The program `docker-credential-NAME`.
    Helper(String),
}

/// The credentials in the files of Podman and Docker.
#[derive(Debug)]
pub struct AuthFiles {
    places: AuthPlaces,
    helper: Arc<dyn Helper>,
}

impl AuthPlaces {
    /// The file in which a login is stored: Podman's. None: there is no home for it.
    pub fn own(&self) -> Option<PathBuf> {
        if let Some(file) = &self.authfile {
            return Some(file.clone());
        }
        if cfg!(target_os = "linux") {
            // Both are gone when the machine is switched off, as Podman wants it.
            let by_uid = || PathBuf::from(format!("/run/containers/{}", self.uid));
            let folder = self.xdg_runtime_dir.as_ref().map(|it| it.join("containers"));
            return Some(folder.unwrap_or_else(by_uid).join("auth.json"));
        }
        Some(self.home.as_ref()?.join(".config/containers/auth.json"))
    }

    /// Every file to look into, the first that knows a registry counts.
    fn all(&self) -> Vec<(PathBuf, Form)> {
        let mut files = Vec::from_iter(self.own().map(|file| (file, Form::Current)));
        if self.authfile.is_some() {
            return files;
        }
        let of_home = |folder: &str| self.home.as_ref().map(|home| home.join(folder));
        let config = self.xdg_config_home.clone().or_else(|| of_home(".config"));
        let docker = self.docker_config.clone().or_else(|| of_home(".docker"));
        files.extend(config.map(|it| (it.join("containers/auth.json"), Form::Current)));
        files.extend(docker.map(|it| (it.join("config.json"), Form::Current)));
        files.extend(of_home(".dockercfg").map(|it| (it, Form::Legacy)));
        files.dedup();
        files
    }
}

impl AuthFiles {
    /// The files at these places, and a way to the programs that they name.
    pub fn new(places: AuthPlaces, helper: Arc<dyn Helper>) -> Self {
        Self { places, helper }
    }

    /// Stores the login of a user at a registry, in the program that the file names for it or else
    /// in the file. Everything else in the file stays; nobody but the user can read it.
    ///
    /// # Errors
    /// There is no home for the file, or it or the program does not take it.
    pub fn store(
        &self,
        registry: &str,
        user: &str,
        password: &str,
    ) -> Result<Keeper, CredentialError> {
        let path = self.own()?;
        let mut document = Document::read(&path, Form::Current)?;
        if let Some(name) = document.helper_for(registry).or_else(|| document.store()) {
            helper::store(self.helper.as_ref(), &name, server(registry), user, password)?;
            // A password of before must not be found first.
            if document.remove(registry) {
                document.write(&path)?;
            }
            return Ok(Keeper::Helper(name));
        }
        document.set(registry, user, password);
        document.write(&path)?;
        Ok(Keeper::File(path))
    }

    /// Takes the login at a registry away from where [`store`](Self::store) puts it. Gives from
    /// where it was taken; nothing if there was none.
    ///
    /// # Errors
    /// The file or the program does not let it go.
    pub fn erase(&self, registry: &str) -> Result<Vec<Keeper>, CredentialError> {
        let path = self.own()?;
        let mut document = Document::read(&path, Form::Current)?;
        let mut gone = Vec::new();
        if let Some(name) = document.helper_for(registry).or_else(|| document.store())
            && helper::erase(self.helper.as_ref(), &name, server(registry))?
        {
            gone.push(Keeper::Helper(name));
        }
        if document.remove(registry) {
            document.write(&path)?;
            gone.push(Keeper::File(path));
        }
        Ok(gone)
    }

    /// The registries with a login where [`store`](Self::store) puts it, in order.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn registries(&self) -> Result<Vec<String>, CredentialError> {
        Ok(Document::read(&self.own()?, Form::Current)?.registries())
    }

    /// The file that still knows a registry, of all that are looked into.
    pub fn known_by(&self, registry: &str) -> Option<PathBuf> {
        let mut files = self.places.all().into_iter();
        let knows = |path: &Path, form| self.in_file(path, form, registry, None);
        files.find(|(path, form)| matches!(knows(path, *form), Ok(Some(_)))).map(|(path, _)| path)
    }

    fn own(&self) -> Result<PathBuf, CredentialError> {
        self.places.own().ok_or(CredentialError::Homeless)
    }

    fn in_file(
        &self,
        path: &Path,
        form: Form,
        registry: &str,
        repository: Option<&RepositoryName>,
    ) -> Result<Option<Credential>, CredentialError> {
        let document = Document::read(path, form)?;
        let mut failure = None;
        let mut ask = |name: Option<String>| {
            let found = name.map(|name| helper::get(self.helper.as_ref(), &name, registry));
            match found.unwrap_or(Ok(None)) {
                Ok(found) => found,
                Err(error) => {
                    failure.get_or_insert(error);
                    None
                }
            }
        };
        let found = ask(document.helper_for(registry))
            .or_else(|| document.find(registry, repository))
            .or_else(|| ask(document.store()));
        match (found, failure) {
            (Some(found), _) => Ok(Some(found)),
            (None, Some(failure)) => Err(failure),
            (None, None) => Ok(None),
        }
    }
}

impl Credentials for AuthFiles {
    fn find(
        &self,
        registry: &str,
        repository: Option<&RepositoryName>,
    ) -> Result<Option<Credential>, CredentialError> {
        let mut failure = None;
        for (path, form) in self.places.all() {
            match self.in_file(&path, form, registry, repository) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(None), Err)
    }
}

/// How a registry is called in the programs that keep credentials.
fn server(registry: &str) -> &str {
    if is_docker_hub(registry) { DOCKER_HUB_KEY } else { registry }
}

fn is_docker_hub(host: &str) -> bool {
    matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io")
}
