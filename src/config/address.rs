//! Addresses to listen on, as people and registry:2 write them: `127.0.0.1:5000`, `:5000`,
//! `localhost:5001`.
//!
//! Resolves names, since registry:2 does; opens nothing.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use crate::config::Machine;

/// What an address may look like, as a person is told.
pub const FORM: &str = "an address with a port, such as 127.0.0.1:5000, [::1]:5000 or :5000";

/// The addresses that a text stands for; `None` if it stands for none.
///
/// No host means every address of the machine, and `localhost` means loopback, with that of IPv6
/// where there is IPv6.
pub fn addresses(text: &str, machine: &Machine) -> Option<Vec<SocketAddr>> {
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Some(vec![address]);
    }
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    match host {
        // The server takes IPv4 with it, and makes do with IPv4 where there is no IPv6.
        "" => Some(vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))]),
        "localhost" => Some(loopback(machine, port)),
        _ => {
            let found: Vec<SocketAddr> = (host, port).to_socket_addrs().ok()?.collect();
            (!found.is_empty()).then_some(found)
        }
    }
}

/// The loopback addresses of this machine with a port.
pub fn loopback(machine: &Machine, port: u16) -> Vec<SocketAddr> {
    let mut addresses = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))];
    // A free port is asked for once: two sockets would get two different ones.
    if machine.ipv6 && port != 0 {
        addresses.push(SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, ipv6: bool) -> Option<String> {
        let found = addresses(text, &Machine { ipv6, ..Machine::default() })?;
        Some(found.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn addresses_are_read() {
        for (text, with_ipv6, without) in [
            ("127.0.0.1:5000", Some("127.0.0.1:5000"), Some("127.0.0.1:5000")),
            ("0.0.0.0:5000", Some("0.0.0.0:5000"), Some("0.0.0.0:5000")),
            ("[::1]:5000", Some("[::1]:5000"), Some("[::1]:5000")),
            (":5000", Some("[::]:5000"), Some("[::]:5000")),
            ("localhost:5001", Some("127.0.0.1:5001 [::1]:5001"), Some("127.0.0.1:5001")),
            ("localhost:0", Some("127.0.0.1:0"), Some("127.0.0.1:0")),
            ("5000", None, None),
            ("127.0.0.1", None, None),
            ("127.0.0.1:70000", None, None),
            ("localhost:http", None, None),
            ("", None, None),
        ] {
            assert_eq!(read(text, true).as_deref(), with_ipv6, "{text}");
            assert_eq!(read(text, false).as_deref(), without, "{text}");
        }
    }
}
