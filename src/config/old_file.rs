//! A configuration file of registry:2 (`config.yml`). wharf does not run on it: it says which
//! variable stands for each of its lines.
//!
//! The command lines of the old image name the file that lay in it, which is not there in wharf's:
//! a file that is absent is as good as none named.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use crate::config::registry_two::fate::{self, Fate};
use crate::config::registry_two::{PREFIX, Value};
use crate::config::{Error, Machine, yaml};

/// What to use instead of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldLine {
    /// The line, from 1.
    pub line: usize,
    /// The variable, or why there is none.
    pub instead: String,
}

impl fmt::Display for OldLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.instead)
    }
}

/// Refuses a file that the command line, or else `REGISTRY_CONFIGURATION_PATH`, names and that is
/// there.
pub fn refuse(named: Option<&Path>, machine: &Machine) -> Result<(), Error> {
    let variable = machine.variable("REGISTRY_CONFIGURATION_PATH").map(Path::new);
    let Some(path) = named.or(variable) else { return Ok(()) };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(Error::ReadFile { path: path.to_owned(), source }),
    };
    match yaml::read(&text) {
        Ok(leaves) => {
            let lines = leaves.into_iter().filter_map(instead).collect();
            Err(Error::OldFile { path: path.to_owned(), lines })
        }
        Err(not) => Err(Error::OldFileLine { path: path.to_owned(), line: not.line }),
    }
}

fn instead(leaf: yaml::Leaf) -> Option<OldLine> {
    let key = leaf.path.join(".");
    let value = Value::new("", &leaf.path, leaf.value);
    if value.is_empty_map() {
        return None;
    }
    let variable = format!("{PREFIX}{}={}", value.name, quoted(&value.text));
    let instead = match fate::of(&value.name) {
        Some(Fate::Taken(_) | Fate::Reversed(_) | Fate::Smallest(_) | Fate::Header) => variable,
        Some(Fate::OnlyAs(harmless, ..)) if value.text == *harmless => return None,
        Some(Fate::Elsewhere(_)) => return None,
        Some(Fate::LeftOut(why)) => format!("leave out {key}: {why}"),
        Some(Fate::Refused(why, instead) | Fate::OnlyAs(_, why, instead)) => {
            format!("{key} cannot be had: {why}; {}", instead.replace("unset it", "leave it out"))
        }
        None => format!("{key} is not known"),
    };
    Some(OldLine { line: leaf.line, instead })
}

/// A value as a shell takes it.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:,@%+=".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/my registry
  maintenance:
    readonly:
      enabled: true
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
auth:
  htpasswd:
    path: /auth/htpasswd
typo:
  x: 1
";

    #[test]
    fn each_line_of_a_file_is_answered_with_its_variable() {
        let path = std::env::temp_dir().join(format!("wharf-old-file-{}.yml", std::process::id()));
        fs::write(&path, FILE).unwrap();
        let refused = refuse(Some(&path), &Machine::default()).unwrap_err();
        let shown = refused.to_string();
        let by_variable = Machine::with(&[("REGISTRY_CONFIGURATION_PATH", path.to_str().unwrap())]);
        assert_eq!(refuse(None, &by_variable).unwrap_err().to_string(), shown);
        fs::remove_file(&path).unwrap();

        let lines: Vec<&str> = shown.lines().skip(1).map(str::trim).collect();
        assert_eq!(
            lines,
            [
                "line 4: leave out log.fields.service: lines of the log have fixed fields",
                "line 7: leave out storage.cache.blobdescriptor: wharf has a cache of its own",
                "line 9: REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY='/var/lib/my registry'",
                "line 12: REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED=true",
                "line 14: REGISTRY_HTTP_ADDR=:5000",
                "line 16: REGISTRY_HTTP_HEADERS_X-Content-Type-Options_0=nosniff",
                "line 19: auth.htpasswd.path cannot be had: wharf does not ask who is there yet; \
                 leave it out, and let only those reach the registry that may use it \
                 (--listen 127.0.0.1:5000)",
                "line 21: typo.x is not known",
            ]
        );
        assert!(refuse(Some(&path), &Machine::default()).is_ok(), "a file that is not there");
    }
}
