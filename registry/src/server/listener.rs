//! Listening sockets, for IPv4 and IPv6: `[::]` takes both where the system allows it, and is joined
//! by `0.0.0.0` where it does not.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use rustix::net::sockopt::set_ipv6_v6only;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::ServeError;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Listens on all of `addresses`.
///
/// # Errors
/// [`ServeError::AddressInUse`], [`ServeError::Listen`].
pub(super) fn listen_all(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, ServeError> {
    let mut listeners = Vec::new();
    for address in addresses {
        let beside = |other: &SocketAddr| other.is_ipv4() && other.port() == address.port();
        let takes_both = is_every_ipv6(address) && !addresses.iter().any(beside);
        match listen(*address, takes_both) {
            Ok((listener, true)) if takes_both => listeners.push(listener),
            Ok((listener, _)) => {
                let port = listener.local_addr().map_or(address.port(), |bound| bound.port());
                listeners.push(listener);
                if takes_both {
                    listeners.push(listen_on((Ipv4Addr::UNSPECIFIED, port).into())?);
                }
            }
            // A system without IPv6 still has all IPv4 addresses.
            Err(error) if takes_both && is_unsupported(&error) => {
                listeners.push(listen_on((Ipv4Addr::UNSPECIFIED, address.port()).into())?);
            }
            Err(error) => return Err(failure(*address, error)),
        }
    }
    Ok(listeners)
}

fn listen_on(address: SocketAddr) -> Result<TcpListener, ServeError> {
    listen(address, false).map(|(listener, _)| listener).map_err(|error| failure(address, error))
}

/// Listens; says whether the socket takes IPv4 beside IPv6, as it should if `both`.
fn listen(address: SocketAddr, both: bool) -> io::Result<(TcpListener, bool)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    let takes_both = address.is_ipv6() && set_ipv6_v6only(&socket, !both).is_ok() && both;
    socket.bind(address)?;
    Ok((socket.listen(BACKLOG)?, takes_both))
}

/// The connections that wait to be accepted. Nobody listens any more once it is dropped.
pub(super) fn waiting(listener: TcpListener) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
    // The socket itself is asked, which never waits; tokio would answer by what it has heard so far.
    let listener = listener.into_std().ok();
    let next = move || {
        let (stream, address) = listener.as_ref()?.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?, address))
    };
    // Those that come meanwhile may not keep it going for ever.
    std::iter::from_fn(next).take(BACKLOG as usize)
}

fn is_every_ipv6(address: &SocketAddr) -> bool {
    address.is_ipv6() && address.ip().is_unspecified()
}

fn is_unsupported(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, Unsupported};
    let family = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    matches!(error.kind(), AddrNotAvailable | Unsupported) || error.raw_os_error() == Some(family)
}

fn failure(address: SocketAddr, source: io::Error) -> ServeError {
    if source.kind() == io::ErrorKind::AddrInUse {
        ServeError::AddressInUse { address }
    } else {
        ServeError::Listen { address, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    #[tokio::test]
    async fn every_address_of_ipv6_takes_ipv4_too() {
        let listeners = listen_all(&[(Ipv6Addr::UNSPECIFIED, 0).into()]).unwrap();
        let port = listeners[0].local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    }

    #[tokio::test]
    async fn both_families_can_be_asked_for_on_one_port() {
        let free = listen_all(&[(Ipv4Addr::UNSPECIFIED, 0).into()]).unwrap();
        let port = free[0].local_addr().unwrap().port();
        drop(free);
        let both = [(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()];
        let without_ipv6 = TcpSocket::new_v6().is_err();
        assert!(without_ipv6 || listen_all(&both).unwrap().len() == 2);
    }

    #[tokio::test]
    async fn a_taken_address_is_told() {
        let taken = listen_all(&[(Ipv4Addr::LOCALHOST, 0).into()]).unwrap();
        let address = taken[0].local_addr().unwrap();
        let error = listen_all(&[address]).unwrap_err();
        assert!(matches!(error, ServeError::AddressInUse { address: told } if told == address));
    }
}
