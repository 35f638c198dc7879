//! One file of credentials, as Podman, Docker and their like write it. Whatever else stands in it
//! stays when it is written.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use serde_json::{Map, Value, json};
use wharf_oci::RepositoryName;

use crate::auth_files::{DOCKER_HUB_KEY, is_docker_hub};
use crate::credential::{Credential, CredentialError};

/// The longest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

const AUTHS: &str = "auths";

/// How a file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `auths`, `credHelpers` and `credsStore`.
    Current,
    /// `~/.dockercfg`: what else stands in `auths`, alone.
    Legacy,
}

/// The content of a file. Has no `Debug` form: it holds secrets.
pub(super) struct Document {
    content: Map<String, Value>,
}

impl Document {
    /// Reads a file. One that is not there is empty.
    pub(super) fn read(path: &Path, form: Form) -> Result<Self, CredentialError> {
        let malformed =
            |what: String| Err(CredentialError::Malformed { path: path.to_path_buf(), what });
        let mut bytes = Vec::new();
        let read =
            File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
        match read {
            Ok(_) if bytes.len() as u64 > FILE_BYTES_MAX => {
                return malformed(format!("it is longer than {FILE_BYTES_MAX} bytes"));
            }
            Ok(_) => {}
            Err(error) if is_absence(&error) => {}
            Err(source) => {
                return Err(CredentialError::Read { path: path.to_path_buf(), source });
            }
        }
        if bytes.trim_ascii().is_empty() {
            return Ok(Self { content: Map::new() });
        }
        // The error's own text may show a piece of the file.
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(content)) if form == Form::Current => Ok(Self { content }),
            Ok(content @ Value::Object(_)) => {
                Ok(Self { content: Map::from_iter([(AUTHS.to_owned(), content)]) })
            }
            Ok(_) => malformed("it is no JSON object".into()),
            Err(error) => {
                malformed(format!("no JSON at line {} column {}", error.line(), error.column()))
            }
        }
    }

    /// The program that keeps the credentials of this registry alone.
    pub(super) fn helper_for(&self, registry: &str) -> Option<String> {
        let helpers = self.content.get("credHelpers")?.as_object()?;
        let exact = helpers.get(registry);
        let same = || helpers.iter().find(|(key, _)| is_key_of(key, registry)).map(|(_, it)| it);
        let name = exact.or_else(same)?.as_str()?;
        (!name.is_empty()).then(|| name.to_owned())
    }

    /// The program that keeps the credentials of every registry.
    pub(super) fn store(&self) -> Option<String> {
        let name = self.content.get("credsStore")?.as_str()?;
        (!name.is_empty()).then(|| name.to_owned())
    }

    /// The credential for a repository: the longest key counts, and the host comes last.
    pub(super) fn find(
        &self,
        registry: &str,
        repository: Option<&RepositoryName>,
    ) -> Option<Credential> {
        let auths = self.auths()?;
        let mut key = repository.map(|name| format!("{registry}/{name}"));
        while let Some(text) = key {
            if let Some(found) = auths.get(&text).and_then(credential) {
                return Some(found);
            }
            key = text.rsplit_once('/').map(|(shorter, _)| shorter.to_owned());
        }
        let exact = auths.get(registry).and_then(credential);
        let mut same = auths.iter().filter(|(key, _)| is_key_of(key, registry));
        exact.or_else(|| same.find_map(|(_, entry)| credential(entry)))
    }

    /// The keys with a credential, or an entry that stands for one in a program.
    pub(super) fn registries(&self) -> Vec<String> {
        let helpers = self.content.get("credHelpers").and_then(Value::as_object);
        let keys = self.auths().into_iter().chain(helpers).flat_map(Map::keys);
        let mut keys: Vec<_> = keys.cloned().collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// Puts a login in, in the place of one that is there under any name of the registry.
    pub(super) fn set(&mut self, registry: &str, user: &str, password: &str) {
        self.remove(registry);
        let auths = self.content.entry(AUTHS).or_insert_with(|| json!({}));
        if !auths.is_object() {
            *auths = json!({});
        }
        let auth = BASE64_STANDARD.encode(format!("{user}:{password}"));
        auths[registry] = json!({ "auth": auth });
    }

    /// Takes the login of a registry out. False: there is none.
    pub(super) fn remove(&mut self, registry: &str) -> bool {
        let Some(auths) = self.content.get_mut(AUTHS).and_then(Value::as_object_mut) else {
            return false;
        };
        let before = auths.len();
        auths.retain(|key, _| key != registry && !is_key_of(key, registry));
        auths.len() < before
    }

    /// Writes the file, at once and for its user's eyes only.
    pub(super) fn write(&self, path: &Path) -> Result<(), CredentialError> {
        // What is linked to is written, and the link stays.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let write = || -> io::Result<()> {
            let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new("."));
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            // Made with mode 0600.
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&self.to_json()?)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|source| CredentialError::Write { path: path.clone(), source })
    }

    fn to_json(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // Indented as Podman and Docker do it.
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        self.content
            .serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    fn auths(&self) -> Option<&Map<String, Value>> {
        self.content.get(AUTHS)?.as_object()
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether a key, as older versions of Docker wrote it, names the registry as a whole:
/// `https://host/v1/`, `host/v1`, or another name of Docker Hub.
fn is_key_of(key: &str, registry: &str) -> bool {
    if is_docker_hub(registry) && key == DOCKER_HUB_KEY {
        return true;
    }
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let host = match rest {
        Some(rest) => rest.split('/').next().unwrap_or_default(),
        // With a path but no scheme it names a part of the registry.
        None => key,
    };
    host == registry || is_docker_hub(host) && is_docker_hub(registry)
}

/// What an entry of `auths` holds. An empty one stands for a credential in a program.
fn credential(entry: &Value) -> Option<Credential> {
    let text = |name: &str| entry.get(name)?.as_str().filter(|text| !text.is_empty());
    if let Some(token) = text("identitytoken") {
        return Some(Credential::IdentityToken(token.to_owned()));
    }
    if let Some(token) = text("registrytoken") {
        return Some(Credential::RegistryToken(token.to_owned()));
    }
    let (user, password) = match text("auth") {
        Some(auth) => {
            let decoded = String::from_utf8(BASE64_STANDARD.decode(auth).ok()?).ok()?;
            let (user, password) = decoded.split_once(':')?;
            // Docker once padded passwords.
            (user.to_owned(), password.trim_matches('\0').to_owned())
        }
        None => (text("username")?.to_owned(), text("password")?.to_owned()),
    };
    Some(Credential::Password { user, password })
}
