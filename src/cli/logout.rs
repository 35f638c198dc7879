//! `wharf logout`: takes a login away from where `wharf login` and `podman login` keep it. Files that
//! only others write are left alone, and named.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use wharf_client::RegistryAddress;

use crate::cli::credentials::auth_files;
use crate::cli::login::{LoginError, place};
use crate::failure::Failure;
use crate::process::Machine;
use crate::report::Report;

/// Where to log out.
#[derive(Debug, clap::Args)]
pub struct LogoutArgs {
    /// The registry
    #[arg(value_name = "HOST[:PORT]", env = "WHARF_REGISTRY", default_value = "localhost:5000")]
    registry: RegistryAddress,

    /// Every registry
    #[arg(long, short)]
    all: bool,

    /// The file in which the login is kept, instead of Podman's
    #[arg(long, value_name = "FILE", env = "REGISTRY_AUTH_FILE")]
    authfile: Option<PathBuf>,
}

/// What was done.
#[derive(Debug, Serialize)]
struct LoggedOut {
    logins: Vec<Gone>,
}

/// A login that is gone, and from where.
#[derive(Debug, Serialize)]
struct Gone {
    registry: String,
    kept: Vec<String>,
}

impl fmt::Display for LoggedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Gone { registry, kept } in &self.logins {
            writeln!(f, "logged out of {registry}: gone from {}", kept.join(" and "))?;
        }
        Ok(())
    }
}

/// Takes the logins away.
pub fn run(args: LogoutArgs, report: &Report) -> Result<(), Failure> {
    let files = auth_files(args.authfile, &(Arc::new(Machine) as _));
    let registries = match args.all {
        true => files.registries().map_err(LoginError::Keep)?,
        false => vec![args.registry.name().to_owned()],
    };
    let mut logins = Vec::new();
    for registry in registries {
        let kept = files.erase(&registry).map_err(LoginError::Keep)?;
        if !kept.is_empty() {
            let kept = kept.iter().map(place).collect();
            logins.push(Gone { registry: registry.clone(), kept });
        }
        if let Some(path) = files.known_by(&registry) {
            report.say(format_args!("{} still knows a login for {registry}.", path.display()));
        }
    }
    if logins.is_empty() {
        report.say("There was no login to take away.");
    }
    Ok(report.data(&LoggedOut { logins })?)
}
