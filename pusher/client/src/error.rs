//! What can go wrong between a client and a registry, with what was asked and of whom.
//!
//! It refuses to guess: what the registry said is kept as it was said, and what broke on the way
//! is a cause, not part of the text.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use wharf_oci::{Digest, ManifestError};

use crate::address::RegistryAddress;
use crate::connect::Silence;
use crate::denial::Denial;

pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// A request that did not succeed. `request` is its method and path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connection could be made.
    #[error("cannot reach a registry at {address}: is it running, and is the port right?")]
    Unreachable {
        /// Where it was looked for.
        address: RegistryAddress,
        /// What the system said.
        #[source]
        source: BoxError,
    },
    /// Whoever answers there does not speak TLS.
    #[error("the registry at {address} does not speak TLS")]
    NoTls {
        /// Where TLS was tried.
        address: RegistryAddress,
        /// How it failed.
        #[source]
        source: BoxError,
    },
    /// Whoever answers there cannot show to be the one who was asked for.
    #[error("the certificate of the registry at {address} is not good")]
    Untrusted {
        /// The registry.
        address: RegistryAddress,
        /// What is wrong with it.
        #[source]
        source: BoxError,
    },
    /// A file of certificates is of no use.
    #[error("cannot use the certificates in {}", path.display())]
    Certificate {
        /// The file, or the folder.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: BoxError,
    },
    /// The registry wants to know who is asking, and did not let the request pass.
    #[error("the registry at {address} does not let this pass")]
    Unauthorized {
        /// The registry.
        address: RegistryAddress,
        /// Why.
        #[source]
        reason: Box<Denial>,
    },
    /// The token of a request ended while the request was on its way, and its body cannot be sent
    /// a second time from here: another try gets another token.
    #[error("the registry at {address} stopped taking the token of {request}")]
    TokenEnded {
        /// The registry.
        address: RegistryAddress,
        /// What was asked.
        request: String,
    },
    /// The connection broke before the answer was whole.
    #[error("the connection to the registry at {address} broke during {request}")]
    Interrupted {
        /// The registry.
        address: RegistryAddress,
        /// What was asked.
        request: String,
        /// How it broke.
        #[source]
        source: BoxError,
    },
    /// An answer came, but did not come to its end.
    #[error("the registry at {address} did not answer {request} within {} s", .limit.as_secs_f32())]
    Slow {
        /// The registry.
        address: RegistryAddress,
        /// What was asked.
        request: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The connection stood, but nothing moved on it.
    #[error("the registry at {address} went silent during {request}")]
    Silent {
        /// The registry.
        address: RegistryAddress,
        /// What was asked.
        request: String,
        /// For how long.
        #[source]
        source: Silence,
    },
    /// The registry answered with another status than success.
    #[error(
        "the registry at {address} answered {request} with {status}{}{}",
        after(" ", code.as_deref()),
        after(": ", message.as_deref())
    )]
    Refused {
        /// The registry.
        address: RegistryAddress,
        /// What was asked.
        request: String,
        /// The status.
        status: StatusCode,
        /// The first error code of the answer, like `MANIFEST_UNKNOWN`.
        code: Option<String>,
        /// Its message, or the first line of an answer that is no error body.
        message: Option<String>,
        /// How long to wait before the next try, if it says so.
        retry_after: Option<Duration>,
    },
    /// The bytes are not those of the digest.
    #[error("{request}: the bytes have the digest {found}, not {expected}")]
    DigestMismatch {
        /// What was asked.
        request: String,
        /// The digest that was asked for, or that the registry gave.
        expected: Box<Digest>,
        /// The digest of the bytes.
        found: Box<Digest>,
    },
    /// The answer is longer than this client takes.
    #[error("{request}: the answer is longer than {limit} bytes")]
    TooLarge {
        /// What was asked.
        request: String,
        /// The most it may be, in bytes.
        limit: u64,
    },
    /// The answer lacks what the distribution spec requires of it.
    #[error("the registry at {address} answered {request} {lack}")]
    Incomplete {
        /// The registry.
        address: RegistryAddress,
        /// What was asked.
        request: String,
        /// What is missing, like `without a Location`.
        lack: &'static str,
    },
    /// The answer is not the JSON that the distribution spec gives it.
    #[error("the registry at {address} answered {request} with something else than a list")]
    ListMalformed {
        /// The registry.
        address: RegistryAddress,
        /// What was asked.
        request: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The bytes that came as a manifest are none.
    #[error("the registry at {address} answered {request} with no valid manifest")]
    ManifestMalformed {
        /// The registry.
        address: RegistryAddress,
        /// What was asked.
        request: String,
        /// What is wrong with it.
        #[source]
        source: Box<ManifestError>,
    },
    /// What was to be sent could not be read.
    #[error("cannot read what was to be sent")]
    Source {
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
}

impl Error {
    /// Whether the registry said that the thing asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: StatusCode::NOT_FOUND, .. })
    }

    /// Whether the registry does not let the one who is asking do this; with a login or another one
    /// it may.
    pub fn is_denied(&self) -> bool {
        match self {
            Self::Unauthorized { .. } => true,
            Self::Refused { status, .. } => {
                matches!(*status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            }
            _ => false,
        }
    }

    /// A failure to connect.
    pub(crate) fn unreachable(address: &RegistryAddress, source: BoxError) -> Self {
        if let Some(tls) = causes(source.as_ref()).find_map(|cause| within(cause)) {
            return Self::of_tls(address, tls.clone());
        }
        // The layers above the system's own words ("client error (Connect)") add nothing to it.
        let code = causes(source.as_ref())
            .find_map(|cause| cause.downcast_ref::<io::Error>()?.raw_os_error());
        let source = code.map_or(source, |code| io::Error::from_raw_os_error(code).into());
        Self::Unreachable { address: address.clone(), source }
    }

    fn of_tls(address: &RegistryAddress, error: rustls::Error) -> Self {
        let address = address.clone();
        let source = Box::new(error);
        match *source {
            rustls::Error::InvalidCertificate(_) => Self::Untrusted { address, source },
            rustls::Error::InvalidMessage(_) => Self::NoTls { address, source },
            // Alerts and the like: the registry has something against this client.
            _ => Self::Unreachable { address, source },
        }
    }

    /// A failure while a request was sent or its answer read.
    pub(crate) fn on_the_way(address: &RegistryAddress, request: &str, source: BoxError) -> Self {
        let (address, request) = (address.clone(), request.to_owned());
        for cause in causes(source.as_ref()) {
            if let Some(SourceFailure(source)) = cause.downcast_ref() {
                return Self::Source { source: Arc::clone(source) };
            }
            let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(silence) = inner.and_then(|inner| inner.downcast_ref::<Silence>()) {
                return Self::Silent { address, request, source: *silence };
            }
        }
        Self::Interrupted { address, request, source }
    }
}

/// A body that could not be read from its source, on its way through the HTTP library.
#[derive(Debug, thiserror::Error)]
#[error("the source of the body failed")]
pub(crate) struct SourceFailure(#[source] pub(crate) Arc<io::Error>);

fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// An error of TLS, however deep it lies in errors of the system, which hide what they hold.
fn within<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    match error.downcast_ref::<io::Error>() {
        Some(error) => within(error.get_ref()?),
        None => error.downcast_ref(),
    }
}

fn after(separator: &str, text: Option<&str>) -> String {
    text.map(|text| format!("{separator}{text}")).unwrap_or_default()
}
