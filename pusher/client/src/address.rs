//! Where a registry is. An address that exists can be connected to: it has a host, it holds no
//! credentials, and it does not ask for TLS.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use http::uri::Authority;

/// The host and port of a registry that speaks plain HTTP.
///
/// Written `host:port` or `http://host:port`; without a port it is 80, as in every URL.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RegistryAddress {
    authority: Authority,
}

/// Why a text is not the address of a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The text asks for TLS.
    #[error("`{0}` asks for TLS, which this version does not speak: use http://HOST:PORT")]
    Tls(String),
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
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl FromStr for RegistryAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let rest = match text.split_once("://") {
            None => text,
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => {
                return Err(AddressError::Tls(text.into()));
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
        let authority: Authority = rest.parse().map_err(|_| malformed())?;
        // `http` takes any text after the colon; a port is a number that can be connected to.
        let port = rest.strip_prefix(authority.host()).ok_or_else(malformed)?;
        let port_is_valid = match port.strip_prefix(':') {
            None => port.is_empty(),
            Some(number) => number.parse::<u16>().is_ok_and(|number| number > 0),
        };
        if authority.host().is_empty() || !port_is_valid {
            return Err(malformed());
        }
        Ok(Self { authority })
    }
}

impl From<SocketAddr> for RegistryAddress {
    #[expect(clippy::expect_used, reason = "the display of a socket address is an authority")]
    fn from(address: SocketAddr) -> Self {
        let authority = address.to_string().parse().expect("a socket address is an authority");
        Self { authority }
    }
}

impl fmt::Display for RegistryAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.authority.fmt(formatter)
    }
}

impl fmt::Debug for RegistryAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RegistryAddress({})", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_taken_as_written() {
        for (text, shown) in [
            ("localhost:5000", "localhost:5000"),
            ("http://127.0.0.1:5000/", "127.0.0.1:5000"),
            ("HTTP://kind-registry", "kind-registry"),
            ("[::1]:5000", "[::1]:5000"),
        ] {
            assert_eq!(text.parse::<RegistryAddress>().unwrap().to_string(), shown);
        }
        let socket: SocketAddr = "[::1]:5000".parse().unwrap();
        assert_eq!(RegistryAddress::from(socket).to_string(), "[::1]:5000");
    }

    #[test]
    fn what_cannot_be_connected_to_is_refused() {
        let refusal = |text: &str| text.parse::<RegistryAddress>().unwrap_err();
        assert_eq!(refusal("https://ghcr.io"), AddressError::Tls("https://ghcr.io".into()));
        assert_eq!(refusal("me:secret@host:5000"), AddressError::Credentials);
        assert_eq!(refusal("host:5000/v2"), AddressError::Path("host:5000/v2".into()));
        for text in ["", ":5000", "host:", "host:0", "host:70000", "host:port", "ftp://host", "a b"]
        {
            assert_eq!(refusal(text), AddressError::Malformed(text.into()), "{text}");
        }
    }
}
