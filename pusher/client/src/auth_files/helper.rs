//! The programs `docker-credential-*` that keep credentials in a keychain, and what is said to them
//! and by them (<https://github.com/docker/docker-credential-helpers>).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::auth_files::server;
use crate::credential::{Credential, CredentialError};
use crate::error::BoxError;

/// What programs answer when they know nothing of a registry.
const NOT_FOUND: &[&str] =
    &["credentials not found", "no credentials server URL", "no credentials username"];
/// The name that stands for a token instead of a user.
const TOKEN_USER: &str = "<token>";

/// The way to the programs that keep credentials.
pub trait Helper: fmt::Debug + Send + Sync {
    /// Starts `docker-credential-NAME VERB`, gives it the input, and waits for its end, but not for
    /// ever. `name` is one word: letters, digits, `-`, `_` and `.`.
    ///
    /// # Errors
    /// It could not be started, or did not end.
    fn ask(&self, name: &str, verb: &str, input: &[u8]) -> Result<HelperAnswer, BoxError>;
}

/// How a program ended. Its `Debug` form does not show what it wrote.
pub struct HelperAnswer {
    /// Whether it ended well.
    pub is_success: bool,
    /// What it wrote to its standard output.
    pub output: Vec<u8>,
}

impl fmt::Debug for HelperAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("HelperAnswer");
        shown.field("is_success", &self.is_success).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Kept {
    username: String,
    secret: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Keep<'a> {
    #[serde(rename = "ServerURL")]
    server_url: &'a str,
    username: &'a str,
    secret: &'a str,
}

/// The credential for a registry, if the program knows one.
pub(super) fn get(
    helper: &dyn Helper,
    name: &str,
    registry: &str,
) -> Result<Option<Credential>, CredentialError> {
    let Some(output) = ask(helper, name, "get", server(registry).as_bytes())? else {
        return Ok(None);
    };
    // The error of the JSON could show a piece of it.
    let kept: Kept = serde_json::from_slice(&output)
        .map_err(|_| failed(name, "it answered with something else than a login".into()))?;
    Ok(match kept {
        Kept { secret, .. } if secret.is_empty() => None,
        Kept { username, secret } if username == TOKEN_USER => {
            Some(Credential::IdentityToken(secret))
        }
        Kept { username, secret } => {
            Some(Credential::Password { user: username, password: secret })
        }
    })
}

/// Gives a login to the program to keep.
pub(super) fn store(
    helper: &dyn Helper,
    name: &str,
    server: &str,
    user: &str,
    password: &str,
) -> Result<(), CredentialError> {
    let keep = Keep { server_url: server, username: user, secret: password };
    let input = serde_json::to_vec(&keep).map_err(|error| failed(name, error.into()))?;
    let refused = || failed(name, "it did not take the login".into());
    match ask(helper, name, "store", &input) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(refused()),
        // Some repeat what they were given.
        Err(CredentialError::Helper { source, .. }) if tells(source.as_ref(), password) => {
            Err(refused())
        }
        Err(error) => Err(error),
    }
}

/// Takes a login away from the program. False: it had none.
pub(super) fn erase(
    helper: &dyn Helper,
    name: &str,
    server: &str,
) -> Result<bool, CredentialError> {
    // Some say that they erased what they never had.
    let is_kept = ask(helper, name, "get", server.as_bytes())?.is_some();
    Ok(is_kept && ask(helper, name, "erase", server.as_bytes())?.is_some())
}

/// What the program wrote; none if it knows nothing of the registry.
fn ask(
    helper: &dyn Helper,
    name: &str,
    verb: &str,
    input: &[u8],
) -> Result<Option<Vec<u8>>, CredentialError> {
    // The name comes from a file, and becomes part of the name of a program.
    let is_word = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
    if name.is_empty() || !name.chars().all(is_word) {
        return Err(failed(&name.escape_debug().to_string(), "that is not the name of one".into()));
    }
    let answer = helper.ask(name, verb, input).map_err(|source| failed(name, source))?;
    if answer.is_success {
        return Ok(Some(answer.output));
    }
    let words = String::from_utf8_lossy(&answer.output);
    if NOT_FOUND.iter().any(|text| words.contains(text)) {
        return Ok(None);
    }
    let line = words.lines().next().unwrap_or_default();
    let line: String = line.chars().filter(|it| !it.is_control()).take(200).collect();
    let reason = if line.is_empty() { "it gave no reason".to_owned() } else { line };
    Err(failed(name, reason.into()))
}

/// Whether an error has the password in its words, as it is or as JSON has it.
fn tells(error: &dyn std::error::Error, password: &str) -> bool {
    let (words, json) = (error.to_string(), serde_json::Value::from(password).to_string());
    words.contains(password) || words.contains(json.trim_matches('"'))
}

fn failed(name: &str, source: BoxError) -> CredentialError {
    CredentialError::Helper { name: name.to_owned(), source }
}
