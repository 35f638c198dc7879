//! How a client deals with its registry: what it waits for and takes, whom it trusts, and who it
//! says it is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::credential::Credentials;

/// Everything about a client but the address of its registry.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What it waits for and takes.
    pub limits: Limits,
    /// Which registries it believes to be what they say.
    pub trust: Trust,
    /// Who it says it is when a registry asks; none: nobody.
    pub credentials: Option<Arc<dyn Credentials>>,
    /// Whether it is going to push: it then asks for tokens that allow both from the start,
    /// instead of one to look and another one to push.
    pub pushes: bool,
}

/// Which registries are believed to be what they say. The roots of the system always are.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Every certificate is good. And a registry that is not on this machine, and whose address
    /// was written without a scheme, is asked by TLS first and then, if it does not speak that,
    /// by plain HTTP.
    pub insecure: bool,
    /// Files of certificates (PEM) that are trusted beside the system's. With one, a registry on
    /// this machine whose address was written without a scheme is asked by TLS.
    pub ca: Vec<PathBuf>,
    /// Folders like `/etc/containers/certs.d`. The first that has a folder `HOST[:PORT]` for the
    /// registry counts: `*.crt` in it are trusted, each `*.cert` with its `*.key` is shown to the
    /// registry, and, like `ca`, they make a registry on this machine one that speaks TLS.
    pub certs_d: Vec<PathBuf>,
}

/// What a client waits for and takes.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long a connection may take to come up, with TLS on it. 10 s.
    pub connect_max: Duration,
    /// How long no byte may move on a connection in use. 120 s: a registry that makes a large
    /// blob durable is silent while it does.
    pub silence_max: Duration,
    /// How long the answer to a small request may take in all, its body included unless that is a
    /// blob. 120 s: a registry that gives a byte a second is not silent.
    pub answer_max: Duration,
    /// How long an unused connection is kept. 30 s.
    pub idle_max: Duration,
    /// The largest manifest taken, in bytes. 8 MiB.
    pub manifest_bytes_max: u64,
    /// The largest page of a list taken, in bytes. 8 MiB.
    pub list_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_max: Duration::from_secs(10),
            silence_max: Duration::from_secs(120),
            answer_max: Duration::from_secs(120),
            idle_max: Duration::from_secs(30),
            manifest_bytes_max: 8 << 20,
            list_bytes_max: 8 << 20,
        }
    }
}
