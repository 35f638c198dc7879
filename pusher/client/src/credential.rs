//! Who someone is to a registry, and the face of whatever knows it.
//!
//! A secret leaves a [`Credential`] only into a request: it is never shown, logged, or part of an
//! error.

use std::fmt;
use std::io;
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use wharf_oci::RepositoryName;

use crate::error::BoxError;

/// What proves to a registry who is asking. Its `Debug` form shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user's name and password, or a token in the place of one.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A token of a login that was made before, to be exchanged for one that lets requests pass
    /// (`identitytoken` in the files of Docker, user `<token>` in the answers of its helpers).
    IdentityToken(String),
    /// A token that goes with requests as it is (`registrytoken` in the files of Docker).
    RegistryToken(String),
}

impl Credential {
    /// The user, where the credential names one.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Password { user, .. } => Some(user),
            Self::IdentityToken(_) | Self::RegistryToken(_) => None,
        }
    }

    /// Whether a text tells the secret.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        let (Self::Password { password: secret, .. }
        | Self::IdentityToken(secret)
        | Self::RegistryToken(secret)) = self;
        text.contains(secret.as_str())
    }
}

/// Whether a text tells the secret in an `Authorization` header, as it is there or as it was before.
pub(crate) fn is_told(header: &HeaderValue, text: &str) -> bool {
    let Some((_, shown)) = header.to_str().ok().and_then(|it| it.split_once(' ')) else {
        return false;
    };
    let basic = BASE64_STANDARD.decode(shown).ok().and_then(|it| String::from_utf8(it).ok());
    let password = basic.as_deref().and_then(|it| it.split_once(':')).map(|(_, password)| password);
    [Some(shown), password].into_iter().flatten().any(|it| !it.is_empty() && text.contains(it))
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => write!(formatter, "Password({user:?})"),
            Self::IdentityToken(_) => formatter.write_str("IdentityToken"),
            Self::RegistryToken(_) => formatter.write_str("RegistryToken"),
        }
    }
}

/// What knows the credentials of registries. It may block: it is asked on a blocking thread, and
/// only once a registry wants to know who is asking.
pub trait Credentials: fmt::Debug + Send + Sync {
    /// The credential for a repository of a registry, or for the registry as a whole; none if there
    /// is none, and requests go out without one.
    ///
    /// `registry` is the host, with the port if one was written.
    fn find(
        &self,
        registry: &str,
        repository: Option<&RepositoryName>,
    ) -> Result<Option<Credential>, CredentialError>;
}

/// One credential, whoever asks: what a person has just typed.
impl Credentials for Credential {
    fn find(
        &self,
        _registry: &str,
        _repository: Option<&RepositoryName>,
    ) -> Result<Option<Credential>, CredentialError> {
        Ok(Some(self.clone()))
    }
}

/// Why credentials that may be there could not be had. Holds nothing of them.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A file of credentials cannot be read.
    #[error("cannot read the credentials in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file of credentials is not what Podman and Docker write.
    #[error("{} is not a file of credentials: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where. Nothing of its content.
        what: String,
    },
    /// A file of credentials cannot be written.
    #[error("cannot write the credentials to {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no folder for a file of credentials.
    #[error("there is no place for credentials: no HOME is set")]
    Homeless,
    /// A program that keeps credentials did not do what it was asked.
    #[error("docker-credential-{name}, which keeps credentials, failed")]
    Helper {
        /// Its name, without `docker-credential-`.
        name: String,
        /// How.
        #[source]
        source: BoxError,
    },
}
