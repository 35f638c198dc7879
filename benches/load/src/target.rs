//! The registry that is aimed at. Refuses to aim away from this machine unless told to.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};

use crate::LoadError;

/// Where a registry listens.
#[derive(Debug, Clone)]
pub struct Target {
    address: SocketAddr,
    host: String,
}

impl Target {
    /// Resolves `HOST:PORT`; the first address counts.
    ///
    /// # Errors
    /// When the text does not resolve, and when it is not on loopback unless `anywhere` says that this
    /// is meant.
    pub fn resolve(text: &str, anywhere: bool) -> Result<Self, LoadError> {
        let mut addresses = text
            .to_socket_addrs()
            .map_err(|source| LoadError::Address { text: text.to_owned(), source: Some(source) })?;
        let address = addresses
            .next()
            .ok_or_else(|| LoadError::Address { text: text.to_owned(), source: None })?;
        if !anywhere && !address.ip().is_loopback() {
            return Err(LoadError::NotLoopback { address });
        }
        Ok(Self { address, host: text.to_owned() })
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
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.host)
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
}
