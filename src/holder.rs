//! Who listens on an address that wharf wants: on Linux, the socket is looked up in `/proc/net` and
//! its owner among the processes that may be looked at.
//!
//! Only makes a message clearer: whatever cannot be read is passed over.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// The state of a listening socket in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// The process that holds `address`, as `podman (process 1234)`.
pub fn of(address: SocketAddr) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listeners(&table, address))
        .collect();
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let process = entry.file_name().to_str()?.parse::<u32>().ok()?;
        holds(&entry.path(), &inodes)?;
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        Some(format!("{} (process {process})", name.trim()))
    })
}

/// The inodes of the sockets in a table of `/proc/net` that are in the way of `address`.
fn listeners(table: &str, address: SocketAddr) -> Vec<String> {
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines = table.lines().skip(1).map(fields);
    let taken = lines.filter(|line| {
        let local = line.get(1).and_then(|local| local.split_once(':'));
        line.get(3).is_some_and(|state| state == LISTENING)
            && local.is_some_and(|(host, port)| {
                u16::from_str_radix(port, 16).is_ok_and(|port| port == address.port())
                    && in_the_way(host, address)
            })
    });
    taken.filter_map(|line| line.get(9).cloned()).collect()
}

/// Whether a socket on `host`, as `/proc/net` writes it, keeps `address` from being listened on:
/// either is everywhere, or they are the same.
fn in_the_way(host: &str, address: SocketAddr) -> bool {
    let is_everywhere = host.bytes().all(|byte| byte == b'0') || address.ip().is_unspecified();
    let same = match address {
        SocketAddr::V4(v4) => host == kernel_words(&v4.ip().octets()),
        SocketAddr::V6(v6) => host == kernel_words(&v6.ip().octets()),
    };
    is_everywhere || same
}

/// An address as `/proc/net` writes it: words of four bytes, each in the machine's order.
fn kernel_words(octets: &[u8]) -> String {
    let word = |four: &[u8]| match <[u8; 4]>::try_from(four) {
        Ok(four) => format!("{:08X}", u32::from_ne_bytes(four)),
        Err(_) => String::new(),
    };
    octets.chunks(4).map(word).collect()
}

/// Whether a process has one of the sockets open.
fn holds(process: &Path, inodes: &[String]) -> Option<()> {
    let links = fs::read_dir(process.join("fd")).ok()?.flatten();
    let mut targets = links.filter_map(|link| fs::read_link(link.path()).ok());
    let is_one = |target: &Path| {
        let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
        inodes.iter().any(|known| known == inode).then_some(())
    };
    targets.find_map(|target| is_one(&target))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_found_as_the_holder_of_its_socket() {
        for host in [Ipv4Addr::LOCALHOST.into(), std::net::IpAddr::from(Ipv6Addr::LOCALHOST)] {
            let Ok(socket) = std::net::TcpListener::bind((host, 0)) else { continue };
            let address = socket.local_addr().unwrap();
            let here = format!("(process {})", std::process::id());
            assert!(of(address).unwrap().ends_with(&here), "{address}");
            let everywhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
            assert!(of(everywhere).unwrap().ends_with(&here), "{everywhere}");
        }
    }

    #[test]
    fn a_socket_that_is_not_in_the_way_is_passed_over() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 11 1 0\n\
            1: 0200007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 12 1 0\n\
            2: 0100007F:1388 0100007F:9999 01 00000000:00000000 00:00000000 00000000  0 0 13 1 0\n\
            3: 0100007F:1389 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 14 1 0\n\
            4: 00000000:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 15 1 0\n";
        if cfg!(target_endian = "little") {
            assert_eq!(listeners(table, "127.0.0.1:5000".parse().unwrap()), ["11", "15"]);
            assert_eq!(listeners(table, "127.0.0.1:5002".parse().unwrap()), [""; 0]);
        }
    }
}
