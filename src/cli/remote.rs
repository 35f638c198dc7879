//! The running registry that a subcommand asks: which one it is, and what its refusals mean to the
//! person who asked.

use std::future::Future;
use std::io;

use thiserror::Error;
use wharf_client::{AddressError, RegistryAddress, RegistryClient};

/// Which registry to ask.
#[derive(Debug, clap::Args)]
pub struct RemoteArgs {
    /// The registry to ask; a host in the image's name outdoes it
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "WHARF_REGISTRY",
        default_value = "localhost:5000"
    )]
    registry: RegistryAddress,
}

impl RemoteArgs {
    /// A client of the registry that an image's name begins with, or else of the one given.
    pub fn client(&self, host: Option<&str>) -> Result<RegistryClient, RemoteError> {
        let address = match host {
            Some(host) => host.parse().map_err(RemoteError::Address)?,
            None => self.registry.clone(),
        };
        Ok(RegistryClient::new(address))
    }
}

/// Why a registry could not be asked, or did not do what it was asked.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// The name begins with a host that cannot be asked.
    #[error(transparent)]
    Address(AddressError),
    /// The request failed.
    #[error(transparent)]
    Client(#[from] wharf_client::Error),
    /// The asking did not begin.
    #[error("cannot start the runtime that talks to the registry")]
    Runtime(#[source] io::Error),
}

impl RemoteError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        use wharf_client::Error;
        match self {
            Self::Client(Error::Unreachable { .. }) => {
                Some("start one with `wharf serve`, or name another with --registry HOST:PORT")
            }
            Self::Client(Error::Refused { code: Some(code), .. }) => match code.as_str() {
                "UNSUPPORTED" | "DIGEST_INVALID" => Some(
                    "deletes may be off in that registry, or it may delete by digest alone: \
                     `wharf ls REPOSITORY` shows the digests for `wharf rm REPOSITORY@DIGEST`",
                ),
                "NAME_UNKNOWN" => Some("`wharf ls` lists the repositories"),
                "MANIFEST_UNKNOWN" => Some("`wharf ls REPOSITORY` lists the tags"),
                "UNAUTHORIZED" | "DENIED" => Some("this version does not log in to registries"),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Runs what a subcommand asks of a registry, on this thread.
pub fn ask<T>(work: impl Future<Output = Result<T, RemoteError>>) -> Result<T, RemoteError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(RemoteError::Runtime)?.block_on(work)
}
