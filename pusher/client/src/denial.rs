//! Why a registry does not let a request pass. Tells who asked and of whom, never with what secret.

use std::sync::Arc;

use crate::credential::CredentialError;

/// Why a registry that wants to know who is asking did not let a request pass.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Denial {
    /// There is no credential for it.
    #[error("it wants a login, and no credentials for it were found")]
    Nobody,
    /// There may be a credential for it, but it could not be had.
    #[error("it wants a login, and credentials for it could not be looked up")]
    Lookup {
        /// What stood in the way.
        #[source]
        source: Arc<CredentialError>,
    },
    /// The credential is wrong, or not good any more.
    #[error(
        "the credentials{} were refused{}{}",
        after(" of ", user.as_deref()),
        after(" by ", by.as_deref()),
        after(": ", words.as_deref())
    )]
    Refused {
        /// Whose they are.
        user: Option<String>,
        /// The server of tokens that refused them; none: the registry itself.
        by: Option<String>,
        /// What it said.
        words: Option<String>,
    },
    /// The credential is good, but not for this.
    #[error("the login{} does not allow this ({scopes})", after(" of ", user.as_deref()))]
    NotAllowed {
        /// Whose it is.
        user: Option<String>,
        /// What was needed, like `repository:team/app:pull,push`.
        scopes: String,
    },
    /// Credentials would have gone over the network in plain text, and did not.
    #[error("the credentials were kept back, as they would go to {to} in plain text")]
    Exposed {
        /// Who would have heard them.
        to: String,
    },
    /// The registry takes no credentials of the kind that there is.
    #[error("the credentials that were found are of a kind that it does not take")]
    OtherKind,
    /// The server of tokens answered with something else.
    #[error("{realm} gave no token that could be used")]
    NoToken {
        /// Its address.
        realm: String,
    },
}

impl Denial {
    pub(crate) fn of(error: &Arc<CredentialError>) -> Self {
        Self::Lookup { source: Arc::clone(error) }
    }
}

fn after(separator: &str, text: Option<&str>) -> String {
    text.map(|text| format!("{separator}{text}")).unwrap_or_default()
}
