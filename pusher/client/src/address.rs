//! Where a registry is, and whether it speaks plain HTTP or TLS. An address that exists can be
//! connected to: it has a host, and it holds no credentials.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, Scheme};

/// The names of a registry on this machine: its own, and the one that a Kind cluster has for it.
const LOCAL_NAMES: &[&str] = &["localhost", "kind-registry"];
/// The names of Docker Hub.
const DOCKER_HUB_NAMES: &[&str] = &["docker.io", "index.docker.io", "registry-1.docker.io"];
/// The host that answers Docker Hub's API.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// The host and port of a registry.
///
/// Written `http://host:port` or `https://host:port`, or `host:port` alone: then a registry on
/// this machine (a loopback address, `localhost`, `kind-registry`) speaks plain HTTP, and every
/// other TLS. Without a port it is 80 or 443, as in every URL.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RegistryAddress {
    written: Authority,
    // None: the host decides.
    scheme: Option<Scheme>,
}

/// Why a text is not the address of a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The text holds a user name or a password.
    #[error("a registry address holds no user name or password")]
    Credentials,
    /// The text goes on after host and port.
    #[error("`{0}` has a path: a registry address is HOST:PORT, the API is always at /v2/")]
    Path(String),
    /// The text is no host and port.
    #[error("`{0}` is not a registry address: write HOST:PORT, like localhost:5000")]
    Malformed(String),
}

impl RegistryAddress {
    /// Host and port as they were written: the name under which credentials and certificates
    /// of this registry are kept.
    pub fn name(&self) -> &str {
        match self.written.as_str() {
            name if DOCKER_HUB_NAMES.contains(&name) => DOCKER_HUB_NAMES[0],
            name => name,
        }
    }

    /// Whether the registry is on this machine: a loopback address, `localhost`, or the name
    /// that a Kind cluster has for it.
    pub fn is_local(&self) -> bool {
        is_loopback(self.written.host()) || LOCAL_NAMES.contains(&self.written.host())
    }

    /// The address that a URL begins with.
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        Some(Self { written: uri.authority()?.clone(), scheme: uri.scheme().cloned() })
    }

    /// The scheme that was written, if one was.
    pub(crate) fn written_scheme(&self) -> Option<&Scheme> {
        self.scheme.as_ref()
    }

    /// The scheme of requests, where nothing but the address decides.
    pub(crate) fn scheme(&self) -> Scheme {
        let default = || if self.is_local() { Scheme::HTTP } else { Scheme::HTTPS };
        self.scheme.clone().unwrap_or_else(default)
    }

    /// The host and port that requests go to.
    pub(crate) fn authority(&self) -> Authority {
        if self.name() == DOCKER_HUB_NAMES[0] {
            Authority::from_static(DOCKER_HUB_HOST)
        } else {
            self.written.clone()
        }
    }
}

/// Whether a host is this machine and no other.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match address.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

impl FromStr for RegistryAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = match text.split_once("://") {
            None => (None, text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
                (Some(Scheme::HTTP), rest)
            }
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => {
                (Some(Scheme::HTTPS), rest)
            }
            Some(_) => return Err(AddressError::Malformed(text.into())),
        };
        if rest.contains('@') {
            return Err(AddressError::Credentials);
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(AddressError::Path(text.into()));
        }
        let malformed = || AddressError::Malformed(text.into());
        // Hosts are compared, here and in files of credentials: they have one form.
        let rest = rest.to_ascii_lowercase();
        let written: Authority = rest.parse().map_err(|_| malformed())?;
        // `http` takes any text after the colon; a port is a number that can be connected to.
        let port = rest.strip_prefix(written.host()).ok_or_else(malformed)?;
        let port_is_valid = match port.strip_prefix(':') {
            None => port.is_empty(),
            Some(number) => number.parse::<u16>().is_ok_and(|number| number > 0),
        };
        if written.host().is_empty() || !port_is_valid {
            return Err(malformed());
        }
        Ok(Self { written, scheme })
    }
}

impl From<SocketAddr> for RegistryAddress {
    /// The address of a registry that speaks plain HTTP.
    #[expect(clippy::expect_used, reason = "the display of a socket address is an authority")]
    fn from(address: SocketAddr) -> Self {
        let written = address.to_string().parse().expect("a socket address is an authority");
        Self { written, scheme: Some(Scheme::HTTP) }
    }
}

/// Host and port, after the scheme where that is not the one that the host speaks by itself.
impl fmt::Display for RegistryAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = Self { written: self.written.clone(), scheme: None };
        if self.scheme() != bare.scheme() {
            write!(formatter, "{}://", self.scheme())?;
        }
        self.written.fmt(formatter)
    }
}

impl fmt::Debug for RegistryAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RegistryAddress({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_decides_what_was_not_written() {
        for (text, shown, scheme, host) in [
            ("localhost:5000", "localhost:5000", "http", "localhost:5000"),
            ("http://127.0.0.1:5000/", "127.0.0.1:5000", "http", "127.0.0.1:5000"),
            ("127.8.9.1", "127.8.9.1", "http", "127.8.9.1"),
            ("HTTP://kind-registry", "kind-registry", "http", "kind-registry"),
            ("kind-registry:5000", "kind-registry:5000", "http", "kind-registry:5000"),
            ("[::1]:5000", "[::1]:5000", "http", "[::1]:5000"),
            ("https://localhost:5000", "https://localhost:5000", "https", "localhost:5000"),
            ("GHCR.io", "ghcr.io", "https", "ghcr.io"),
            ("https://ghcr.io", "ghcr.io", "https", "ghcr.io"),
            ("http://ghcr.io:80", "http://ghcr.io:80", "http", "ghcr.io:80"),
            ("localhost.evil.example", "localhost.evil.example", "https", "localhost.evil.example"),
            ("docker.io", "docker.io", "https", "registry-1.docker.io"),
            ("index.docker.io", "index.docker.io", "https", "registry-1.docker.io"),
        ] {
            let address: RegistryAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!((address.scheme().as_str(), address.authority().as_str()), (scheme, host));
        }
        let socket: SocketAddr = "[::1]:5000".parse().unwrap();
        assert_eq!(RegistryAddress::from(socket).to_string(), "[::1]:5000");
        let socket: SocketAddr = "10.0.0.1:5000".parse().unwrap();
        assert_eq!(RegistryAddress::from(socket).to_string(), "http://10.0.0.1:5000");
    }

    #[test]
    fn what_cannot_be_connected_to_is_refused() {
        let refusal = |text: &str| text.parse::<RegistryAddress>().unwrap_err();
        assert_eq!(refusal("me:secret@host:5000"), AddressError::Credentials);
        assert_eq!(refusal("host:5000/v2"), AddressError::Path("host:5000/v2".into()));
        for text in ["", ":5000", "host:", "host:0", "host:70000", "host:port", "ftp://host", "a b"]
        {
            assert_eq!(refusal(text), AddressError::Malformed(text.into()), "{text}");
        }
    }
}
