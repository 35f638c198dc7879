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

/// Two addresses that cannot be listened on at once, since one covers the other. The API's addresses
/// are opened together, so that `[::]` leaves IPv4 to the others; those of the admin pages are not.
pub fn overlap(api: &[SocketAddr], admin: Option<SocketAddr>) -> Option<(SocketAddr, SocketAddr)> {
    let within_api = api.iter().enumerate().find_map(|(index, one)| {
        let other = api[index + 1..].iter().find(|other| {
            one.is_ipv4() == other.is_ipv4() && (covers(one, other) || covers(other, one))
        });
        Some((*one, *other?))
    });
    let with_admin = |admin: SocketAddr| {
        let api = api.iter().find(|api| covers(&admin, api) || covers(api, &admin));
        Some((*api?, admin))
    };
    within_api.or_else(|| with_admin(admin?))
}

/// Whether whoever listens on `one` takes the connections to `other`.
fn covers(one: &SocketAddr, other: &SocketAddr) -> bool {
    let is_everything = one.ip().is_unspecified() && (one.is_ipv6() || other.is_ipv4());
    one.port() == other.port() && one.port() != 0 && (is_everything || one.ip() == other.ip())
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

    #[test]
    fn addresses_that_cover_each_other_are_found() {
        for (api, admin, found) in [
            ("127.0.0.1:5000 [::1]:5000", "", ""),
            ("127.0.0.1:0 127.0.0.1:0", "127.0.0.1:0", ""),
            ("[::]:5000 127.0.0.1:5000", "", ""),
            ("[::]:5000 0.0.0.0:5000", "[::]:5001", ""),
            ("[::]:5000 [::1]:5000", "", "[::]:5000 [::1]:5000"),
            ("127.0.0.1:5000 0.0.0.0:5000", "", "127.0.0.1:5000 0.0.0.0:5000"),
            ("[::]:5000", "127.0.0.1:5000", "[::]:5000 127.0.0.1:5000"),
            ("127.0.0.1:5000", "[::]:5000", "127.0.0.1:5000 [::]:5000"),
            ("127.0.0.1:5000", "127.0.0.1:5000", "127.0.0.1:5000 127.0.0.1:5000"),
            ("127.0.0.1:5000", "[::1]:5000", ""),
            ("127.0.0.1:5000", "127.0.0.2:5000", ""),
        ] {
            let api: Vec<SocketAddr> = api.split(' ').map(|one| one.parse().unwrap()).collect();
            let both = overlap(&api, admin.parse().ok());
            let shown = both.map_or(String::new(), |(one, other)| format!("{one} {other}"));
            assert_eq!(shown, found, "{api:?} and {admin}");
        }
    }
}
