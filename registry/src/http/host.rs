//! `Host`: the `host[:port]` of a request's `Host` field and of a page's origin (RFC 3986, section
//! 3.2). Nothing else fits into it: no user, no path, and nothing after an address in brackets.

use std::net::{IpAddr, Ipv6Addr};

/// A host and perhaps a port, as they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Host<'a> {
    /// A name or an address; one of IPv6 without its brackets.
    pub(super) name: &'a str,
    /// Decimal digits of a number below 65536, or nothing at all after the colon.
    pub(super) port: Option<&'a str>,
}

impl<'a> Host<'a> {
    /// Reads `text`; `None` for everything that is not exactly of this form.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest.split_once(']')?;
                address.parse::<Ipv6Addr>().ok()?;
                let port = after.strip_prefix(':');
                (address, if after.is_empty() { None } else { Some(port?) })
            }
            None => match text.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (text, None),
            },
        };
        let is_name = text.starts_with('[') || name.bytes().all(is_of_a_name);
        let is_port = |port: &str| {
            let digits = port.bytes().all(|byte| byte.is_ascii_digit());
            digits && (port.is_empty() || port.parse::<u16>().is_ok())
        };
        (is_name && port.is_none_or(is_port)).then_some(Self { name, port })
    }

    /// Whether it is this machine, whatever the port.
    pub(super) fn is_loopback(&self) -> bool {
        let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
        self.name.eq_ignore_ascii_case("localhost") || self.name.parse().is_ok_and(is_loopback)
    }
}

/// What a registered name is made of, escapes included.
fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_to_its_last_character() {
        let table = [
            ("localhost", Some(("localhost", None))),
            ("kind-registry:5000", Some(("kind-registry", Some("5000")))),
            ("my_registry.local:65535", Some(("my_registry.local", Some("65535")))),
            ("127.0.0.1:80", Some(("127.0.0.1", Some("80")))),
            ("[::1]", Some(("::1", None))),
            ("[::1]:5000", Some(("::1", Some("5000")))),
            ("a:", Some(("a", Some("")))),
            ("", Some(("", None))),
            ("[::1]evil.com", None),
            ("[::1]5000", None),
            ("[::1", None),
            ("[localhost]", None),
            ("::1", None),
            ("a:65536", None),
            ("a:+1", None),
            ("a:1:2", None),
            ("user@a", None),
            ("a/b", None),
            ("a b", None),
            ("a?b", None),
            ("é", None),
        ];
        for (text, expected) in table {
            let host = Host::parse(text);
            assert_eq!(host.map(|host| (host.name, host.port)), expected, "{text}");
        }
    }
}
