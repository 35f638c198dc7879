//! The way in to a registry, for a client that is not this one: the load generator speaks HTTP by
//! itself, so that nothing is measured but the registry, and asks here only for what it cannot know.

use std::fmt;
use std::sync::Arc;

use http::uri::Scheme;
use rustls::ClientConfig;
use wharf_oci::RepositoryName;

use crate::authorize::Need;
use crate::client::RegistryClient;
use crate::error::Error;

/// How a registry is to be spoken to.
#[derive(Clone)]
pub struct Way {
    /// Host and port to connect to, the port always given.
    pub authority: String,
    /// Whether it speaks TLS.
    pub is_tls: bool,
    /// What TLS stands on, here or where the registry leads to; none where no roots are known and none
    /// are needed.
    pub tls: Option<Arc<ClientConfig>>,
    /// The value of the header `Authorization`, where the registry asks for one; tokens end after some
    /// minutes, and another call gives another.
    pub authorization: Option<String>,
}

impl fmt::Debug for Way {
    /// Without what lets requests through, which is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authority, is_tls, .. } = self;
        f.debug_struct("Way")
            .field("authority", authority)
            .field("is_tls", is_tls)
            .finish_non_exhaustive()
    }
}

impl RegistryClient {
    /// Host and port that requests go to, the port always given; without asking anybody.
    pub fn authority(&self) -> String {
        let origin = self.origin();
        let port = if origin.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
        let host = origin.host().unwrap_or_default();
        format!("{host}:{}", origin.port_u16().unwrap_or(port))
    }

    /// The way in to a repository: to read it, or also to write and delete in it.
    ///
    /// # Errors
    /// The registry does not answer, or does not let in who is asking.
    pub async fn way(&self, name: &RepositoryName, writes: bool) -> Result<Way, Error> {
        self.ping().await?;
        let need = match writes {
            true => Need::default().within(name, ["pull", "push", "delete"]),
            false => Need::default().within(name, ["pull"]),
        };
        let pass = self.pass(&need).await?;
        let authorization = pass.and_then(|pass| pass.header().to_str().map(str::to_owned).ok());
        let is_tls = self.origin().scheme() == Some(&Scheme::HTTPS);
        let tls = match is_tls || !self.address().is_local() {
            true => self.tls_config().await.ok(),
            false => None,
        };
        Ok(Way { authority: self.authority(), is_tls, tls, authorization })
    }
}
