//! The registry that is aimed at: where it listens, whether it speaks TLS, and what lets requests
//! through. Refuses to aim away from this machine unless told to.

use std::fmt;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::{LoadError, Stop};

/// How long one of several addresses may take to answer before the next one is tried.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// Where a registry listens, and how it is spoken to.
#[derive(Clone)]
pub struct Target {
    address: SocketAddr,
    host: String,
    anywhere: bool,
    /// Whether it speaks TLS.
    is_tls: bool,
    /// How TLS is spoken, with it or with another host that it leads to.
    config: Option<Arc<ClientConfig>>,
    /// The value of the header `Authorization`.
    authorization: Option<String>,
    stop: Stop,
}

impl Target {
    /// Resolves `HOST:PORT`; of several addresses the first that takes a connection counts.
    ///
    /// # Errors
    /// When the text does not resolve, and when it is not on loopback unless `anywhere` says that this
    /// is meant.
    pub fn resolve(text: &str, anywhere: bool) -> Result<Self, LoadError> {
        let addresses: Vec<SocketAddr> = text
            .to_socket_addrs()
            .map_err(|source| LoadError::Address { text: text.to_owned(), source: Some(source) })?
            .collect();
        if let Some(&address) = addresses.iter().find(|address| !address.ip().is_loopback())
            && !anywhere
        {
            return Err(LoadError::NotLoopback { address });
        }
        let answers =
            |address: &&SocketAddr| TcpStream::connect_timeout(address, CONNECT_MAX).is_ok();
        let answering = if addresses.len() > 1 { addresses.iter().find(answers) } else { None };
        let address = *answering
            .or_else(|| addresses.first())
            .ok_or_else(|| LoadError::Address { text: text.to_owned(), source: None })?;
        Ok(Self {
            address,
            host: text.to_owned(),
            anywhere,
            is_tls: false,
            config: None,
            authorization: None,
            stop: Stop::default(),
        })
    }

    /// The same with TLS, or with what is needed to follow it to another host that has TLS.
    #[must_use]
    pub fn with_tls(self, is_tls: bool, config: Option<Arc<ClientConfig>>) -> Self {
        Self { is_tls, config, ..self }
    }

    /// The same with a value for the header `Authorization`.
    #[must_use]
    pub fn with_authorization(self, authorization: Option<String>) -> Self {
        Self { authorization, ..self }
    }

    /// The same, ended by `stop`.
    #[must_use]
    pub fn with_stop(self, stop: Stop) -> Self {
        Self { stop, ..self }
    }

    /// The host that this one leads to by an absolute `location`, and the path there. Nothing of what
    /// lets requests through here goes there.
    ///
    /// # Errors
    /// When the location is none, or leads away from loopback where that is not allowed.
    pub fn redirected(&self, location: &str) -> Result<(Self, String), LoadError> {
        let unknown = || LoadError::Address { text: location.to_owned(), source: None };
        let (scheme, rest) = location.split_once("://").ok_or_else(unknown)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_tls = scheme.eq_ignore_ascii_case("https");
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let port = if is_tls { 443 } else { 80 };
        let resolved = match has_port {
            true => Self::resolve(authority, self.anywhere)?,
            false => Self::resolve(&format!("{authority}:{port}"), self.anywhere)?,
        };
        let there = Self { host: authority.to_owned(), ..resolved }
            .with_tls(is_tls, self.config.clone())
            .with_stop(self.stop.clone());
        Ok((there, if path.is_empty() { "/".to_owned() } else { path.to_owned() }))
    }

    /// The address to connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What goes into the `Host` header.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The lines that every request has in its head, each ended by CR LF.
    #[must_use]
    pub fn headers(&self) -> String {
        let authorization = self.authorization.as_ref();
        let line = authorization.map(|value| format!("Authorization: {value}\r\n"));
        format!("{}User-Agent: wharf-load\r\n", line.unwrap_or_default())
    }

    /// What ends a measurement of it.
    #[must_use]
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Whether TLS is spoken with it.
    pub(crate) fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// How TLS is spoken, and the name that its certificate has to have; `None` when nobody said how.
    pub(crate) fn tls(&self) -> Option<(Arc<ClientConfig>, ServerName<'static>)> {
        let host = match self.host.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => host,
            _ => &self.host,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some((self.config.clone()?, ServerName::try_from(host.to_owned()).ok()?))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.host)
    }
}

impl fmt::Debug for Target {
    /// Without what lets requests through, which is a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Target")
            .field("address", &self.address)
            .field("host", &self.host)
            .field("is_tls", &self.is_tls)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_aimed_at_unasked() {
        for (text, anywhere, accepted) in [
            ("127.0.0.1:5000", false, true),
            ("[::1]:5000", false, true),
            ("192.0.2.1:5000", false, false),
            ("192.0.2.1:5000", true, true),
            ("127.0.0.1", false, false),
            ("", true, false),
        ] {
            assert_eq!(Target::resolve(text, anywhere).is_ok(), accepted, "{text} {anywhere}");
        }
    }

    #[test]
    fn a_redirection_takes_no_secret_along_and_does_not_leave_loopback() {
        let target = Target::resolve("127.0.0.1:5000", false).unwrap();
        let target = target.with_authorization(Some("Basic c2VjcmV0".to_owned()));
        assert!(target.headers().contains("Authorization: Basic c2VjcmV0\r\n"));
        assert!(!format!("{target:?}").contains("c2VjcmV0"));
        let (there, path) = target.redirected("http://127.0.0.1:5001/a?b=c").unwrap();
        assert_eq!((there.host(), path.as_str()), ("127.0.0.1:5001", "/a?b=c"));
        assert!(!there.headers().contains("Authorization"));
        let (there, path) = target.redirected("http://[::1]").unwrap();
        assert_eq!((there.address().port(), path.as_str()), (80, "/"));
        assert!(target.redirected("http://192.0.2.1/a").is_err());
    }
}
