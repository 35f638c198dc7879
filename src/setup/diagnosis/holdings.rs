//! What the registry holds, asked from this machine as any client would ask. Looks, and sends nothing.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use wharf_client::{Error, Limits, RegistryClient};
use wharf_oci::{Digest, ManifestKind, Platform, Reference, RepositoryName, Tag};

/// How long an answer may take: it is a registry of this machine.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// The most names that are read of a list.
const LIST_MAX: usize = 1000;
/// The largest configuration of an image that is read, in bytes.
const CONFIG_BYTES_MAX: u64 = 4 << 20;

/// A registry of this machine.
#[derive(Debug)]
pub struct Holdings {
    client: RegistryClient,
    runtime: Runtime,
}

/// An image that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What its tag points at.
    pub digest: Digest,
    /// The processors that it is for, as `amd64`; none where it does not say.
    pub architectures: Vec<String>,
}

impl Holdings {
    /// The registry on a port of the loopback. Nothing is asked yet.
    ///
    /// # Errors
    /// The threads that ask cannot be started.
    pub fn on(port: u16) -> io::Result<Self> {
        let limits = Limits {
            connect_max: ANSWER_MAX,
            silence_max: ANSWER_MAX,
            answer_max: ANSWER_MAX,
            ..Limits::default()
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { client: RegistryClient::with_limits(address, limits), runtime })
    }

    /// The repositories, a thousand of them at most.
    ///
    /// # Errors
    /// The registry does not answer, or not as one.
    pub fn repositories(&self) -> Result<Vec<RepositoryName>, Error> {
        self.ask(async { Ok(self.client.catalog(LIST_MAX).await?.items) })
    }

    /// The tags of a repository; none if there is no such repository.
    ///
    /// # Errors
    /// The registry does not answer, or not as one.
    pub fn tags(&self, name: &RepositoryName) -> Result<Vec<Tag>, Error> {
        self.ask(async {
            match self.client.tags(name, LIST_MAX).await {
                Ok(listing) => Ok(listing.items),
                Err(error) if error.is_not_found() => Ok(Vec::new()),
                Err(error) => Err(error),
            }
        })
    }

    /// What a tag points at, if it exists.
    ///
    /// # Errors
    /// The registry does not answer, or not as one.
    pub fn digest(&self, name: &RepositoryName, at: &Reference) -> Result<Option<Digest>, Error> {
        self.ask(async { Ok(self.client.head_manifest(name, at).await?.map(|it| it.digest)) })
    }

    /// An image, if it exists.
    ///
    /// # Errors
    /// The registry does not answer, or not as one.
    pub fn image(&self, name: &RepositoryName, at: &Reference) -> Result<Option<Held>, Error> {
        self.ask(async {
            let pulled = match self.client.manifest(name, at).await {
                Err(error) if error.is_not_found() => return Ok(None),
                pulled => pulled?,
            };
            let platforms: Vec<Platform> = match pulled.manifest.kind() {
                ManifestKind::Index => {
                    let children = pulled.manifest.children().iter();
                    children.filter_map(|child| child.platform.clone()).collect()
                }
                ManifestKind::Image => match pulled.manifest.config() {
                    Some(config) if config.size <= CONFIG_BYTES_MAX => {
                        let blob = self.client.blob(name, &config.digest).await?;
                        let bytes = blob.bytes(CONFIG_BYTES_MAX).await?;
                        serde_json::from_slice(&bytes).into_iter().collect()
                    }
                    _ => Vec::new(),
                },
            };
            let known = platforms.into_iter().map(|it| it.architecture);
            let known = known.filter(|it| !it.is_empty() && it != "unknown").collect();
            Ok(Some(Held { digest: pulled.digest, architectures: known }))
        })
    }

    fn ask<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.runtime.block_on(work)
    }
}
