//! The running registry that a subcommand asks: which one it is, whether it is trusted, who is
//! asking, and what its refusals mean to the person who asked.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;
use wharf_client::{AddressError, Denial, Options, RegistryAddress, RegistryClient, Trust};

use crate::cli::credentials::{auth_files, certificates, there};
use crate::cli::push::destination::Registries;
use crate::cli::registries::{RulesError, by_rules};
use crate::cli::setup_args::set_up;
use crate::process::Machine;

/// Which registry to ask.
#[derive(Debug, clap::Args)]
pub struct RemoteArgs {
    /// The registry to ask; a host in the image's name outdoes it
    /// [default: the one of `wharf up`, else localhost:5000]
    #[arg(long, value_name = "HOST:PORT", env = "WHARF_REGISTRY")]
    registry: Option<RegistryAddress>,

    /// The file of credentials, instead of those of Podman and Docker
    #[arg(long, value_name = "FILE", env = "REGISTRY_AUTH_FILE", value_parser = there())]
    authfile: Option<PathBuf>,

    #[command(flatten)]
    trust: TrustArgs,
}

/// Which registries are trusted.
#[derive(Debug, Clone, clap::Args)]
pub struct TrustArgs {
    /// Trust every certificate, and speak plain HTTP where there is no TLS
    #[arg(long)]
    insecure: bool,

    /// Trust the certificates in this file too
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
}

impl TrustArgs {
    /// The flags, and the folders of certificates that Podman and Docker have.
    pub fn trust(self) -> Trust {
        Trust { insecure: self.insecure, ca: self.ca, certs_d: certificates() }
    }
}

impl RemoteArgs {
    /// A client of the registry that an image's name begins with, or else of the one given.
    pub fn client(self, host: Option<&str>) -> Result<RegistryClient, RemoteError> {
        let address = match host {
            Some(host) => host.parse().map_err(RemoteError::Address)?,
            None => Registries::of(self.registry, None, None, set_up()).local,
        };
        let mut trust = self.trust.trust();
        let address = by_rules(address, &mut trust)?;
        let credentials = auth_files(self.authfile, &(Arc::new(Machine) as _));
        let options =
            Options { trust, credentials: Some(Arc::new(credentials)), ..Options::default() };
        Ok(RegistryClient::connect(address, options)?)
    }
}

/// Why a registry could not be asked, or did not do what it was asked.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// The name begins with a host that cannot be asked.
    #[error(transparent)]
    Address(AddressError),
    /// The user's own rules are in the way.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The request failed.
    #[error(transparent)]
    Client(#[from] wharf_client::Error),
    /// The asking did not begin.
    #[error("cannot start the runtime that talks to the registry")]
    Runtime(#[source] io::Error),
}

impl RemoteError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let Self::Client(error) = self else { return None };
        of_access(error).or_else(|| of_request(error).map(str::to_owned))
    }
}

/// What to do about a registry that is not trusted, or does not trust whoever asks.
pub fn of_access(error: &wharf_client::Error) -> Option<String> {
    use wharf_client::Error;
    Some(match error {
        Error::Untrusted { address, .. } => format!(
            "name the certificate of its authority by --ca FILE, or keep it as \
             ~/.config/containers/certs.d/{}/ca.crt; --insecure trusts anyone",
            address.name()
        ),
        Error::NoTls { address, .. } => {
            format!("if it speaks plain HTTP, write http://{} or --insecure", address.name())
        }
        Error::Unauthorized { address, reason } => match reason.as_ref() {
            Denial::Exposed { .. } => format!(
                "ask it by TLS: https://{}; --insecure sends them in plain text",
                address.name()
            ),
            _ => format!("log in: wharf login {}", address.name()),
        },
        Error::Refused { message: Some(message), .. } if message.contains("HTTPS server") => {
            "it speaks TLS: write https://HOST:PORT, with --ca FILE if it signed itself".to_owned()
        }
        _ => return None,
    })
}

fn of_request(error: &wharf_client::Error) -> Option<&'static str> {
    use wharf_client::Error;
    match error {
        Error::Unreachable { .. } => {
            Some("start one with `wharf serve`, or name another with --registry HOST:PORT")
        }
        Error::Refused { code: Some(code), .. } => match code.as_str() {
            "UNSUPPORTED" | "DIGEST_INVALID" => Some(
                "deletes may be off in that registry, or it may delete by digest alone: \
                 `wharf ls REPOSITORY` shows the digests for `wharf rm REPOSITORY@DIGEST`",
            ),
            "NAME_UNKNOWN" => Some("`wharf ls` lists the repositories"),
            "MANIFEST_UNKNOWN" => Some("`wharf ls REPOSITORY` lists the tags"),
            "UNAUTHORIZED" | "DENIED" => {
                Some("the login that was used does not allow this: `wharf login` takes another")
            }
            _ => None,
        },
        _ => None,
    }
}

/// Runs what a subcommand asks of a registry, on this thread.
pub fn ask<T>(work: impl Future<Output = Result<T, RemoteError>>) -> Result<T, RemoteError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(RemoteError::Runtime)?.block_on(work)
}
