//! `wharf login`: tries a user and a password on a registry, and keeps them where Podman, Skopeo and
//! `wharf push` find them.

use std::fmt;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use thiserror::Error;
use wharf_client::{Credential, CredentialError, Keeper, Options, RegistryAddress, RegistryClient};

use crate::cli::credentials::auth_files;
use crate::cli::registries::by_rules;
use crate::cli::remote::{RemoteError, TrustArgs, ask};
use crate::failure::Failure;
use crate::process::Machine;
use crate::report::Report;

/// The longest password, in bytes. Tokens of clouds are a few thousand.
const PASSWORD_BYTES_MAX: u64 = 64 << 10;

/// Where to log in, and as whom.
#[derive(Debug, clap::Args)]
pub struct LoginArgs {
    /// The registry, like ghcr.io
    #[arg(value_name = "HOST[:PORT]", env = "WHARF_REGISTRY", default_value = "localhost:5000")]
    registry: RegistryAddress,

    /// The user; asked for if it is not given
    #[arg(long, short, value_name = "USER")]
    username: Option<String>,

    /// Read the password from standard input
    #[arg(long, requires = "username")]
    password_stdin: bool,

    /// The file to keep the login in, instead of Podman's
    #[arg(long, value_name = "FILE", env = "REGISTRY_AUTH_FILE")]
    authfile: Option<PathBuf>,

    #[command(flatten)]
    trust: TrustArgs,
}

/// Why there is no login, or none that is kept any more.
#[derive(Debug, Error)]
pub enum LoginError {
    /// There is nobody to ask for the user and the password.
    #[error("cannot ask for a user and a password: standard input is no terminal")]
    NobodyToAsk,
    /// The user or the password is empty, or too long, or cannot be told to a registry.
    #[error("that is no {0}")]
    NotOne(&'static str),
    /// The user or the password cannot be read.
    #[error("cannot read the {what}")]
    Read {
        /// Which of both.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The registry did not take them.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// They cannot be kept, or what is kept cannot be taken away.
    #[error(transparent)]
    Keep(#[from] CredentialError),
}

impl LoginError {
    /// Whether the command line is at fault.
    pub const fn is_misuse(&self) -> bool {
        matches!(self, Self::NobodyToAsk | Self::NotOne(_))
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        use wharf_client::{Denial, Error};
        match self {
            Self::NobodyToAsk => {
                Some("in a script: wharf login HOST -u USER --password-stdin < FILE".to_owned())
            }
            Self::Remote(RemoteError::Client(Error::Unauthorized { reason, .. })) => {
                match reason.as_ref() {
                    Denial::Refused { .. } => Some(
                        "nothing was stored; many registries want a token in place of the password"
                            .to_owned(),
                    ),
                    Denial::Exposed { .. } => None,
                    _ => Some("nothing was stored".to_owned()),
                }
            }
            Self::Remote(error) => error.hint(),
            Self::Keep(_) => Some("name another file: --authfile FILE".to_owned()),
            Self::NotOne(_) | Self::Read { .. } => None,
        }
    }
}

/// What was done.
#[derive(Debug, Serialize)]
struct LoggedIn {
    registry: String,
    user: String,
    /// Whether the registry looked at user and password.
    checked: bool,
    #[serde(serialize_with = "shown")]
    kept: Keeper,
}

impl fmt::Display for LoggedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { registry, user, kept, .. } = self;
        write!(f, "logged in to {registry} as {user}; kept in {}", place(kept))
    }
}

/// Where a login is kept, for people.
pub(super) fn place(keeper: &Keeper) -> String {
    match keeper {
        Keeper::File(path) => path.display().to_string(),
        Keeper::Helper(name) => format!("docker-credential-{name}"),
    }
}

fn shown<S: serde::Serializer>(keeper: &Keeper, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&place(keeper))
}

/// Tries the login, and keeps it.
pub fn run(args: LoginArgs, report: &Report) -> Result<(), Failure> {
    let LoginArgs { registry, username, password_stdin, authfile, trust } = args;
    let user = match username {
        Some(user) => user,
        None => typed_user(&registry, report)?,
    };
    let password = if password_stdin { piped_password()? } else { typed_password()? };
    if user.is_empty() || user.contains(':') {
        return Err(LoginError::NotOne("user").into());
    }
    if password.is_empty() {
        return Err(LoginError::NotOne("password").into());
    }
    let credential = Credential::Password { user: user.clone(), password: password.clone() };
    let mut trust = trust.trust();
    let registry = by_rules(registry, &mut trust).map_err(RemoteError::from);
    let registry = registry.map_err(LoginError::Remote)?;
    let credentials = Some(Arc::new(credential) as _);
    let options = Options { trust, credentials, ..Options::default() };
    let login = async {
        let client = RegistryClient::connect(registry.clone(), options)?;
        Ok(client.log_in().await?)
    };
    let checked = ask(login).map_err(LoginError::Remote)?;
    let files = auth_files(authfile, &(Arc::new(Machine) as _));
    let registry = registry.name().to_owned();
    let kept = files.store(&registry, &user, &password).map_err(LoginError::Keep)?;
    if !checked {
        report.say(format_args!(
            "{registry} lets everybody in: user and password were kept, but nobody looked at them."
        ));
    }
    Ok(report.data(&LoggedIn { registry, user, checked, kept })?)
}

fn typed_user(registry: &RegistryAddress, report: &Report) -> Result<String, LoginError> {
    if !io::stdin().is_terminal() {
        return Err(LoginError::NobodyToAsk);
    }
    report.say(format_args!("Logging in to {registry}."));
    let mut line = String::new();
    let mut ask = || {
        let mut err = io::stderr().lock();
        err.write_all(b"User: ")?;
        err.flush()?;
        io::stdin().lock().read_line(&mut line)
    };
    ask().map_err(|source| LoginError::Read { what: "user", source })?;
    Ok(line.trim().to_owned())
}

fn typed_password() -> Result<String, LoginError> {
    if !io::stdin().is_terminal() {
        return Err(LoginError::NobodyToAsk);
    }
    let typed = rpassword::prompt_password("Password (not shown): ");
    typed.map_err(|source| LoginError::Read { what: "password", source })
}

/// All of standard input but for the end of its last line.
fn piped_password() -> Result<String, LoginError> {
    let mut text = String::new();
    let read = io::stdin().lock().take(PASSWORD_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|source| LoginError::Read { what: "password", source })?;
    if text.len() as u64 > PASSWORD_BYTES_MAX {
        return Err(LoginError::NotOne("password"));
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}
