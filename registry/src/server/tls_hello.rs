//! What a client gets that speaks TLS to the plain port: an answer it may show, and, for the person
//! who runs the registry, a line in the log that says what to do.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// The first byte of every TLS connection: a handshake record.
pub(super) const FIRST_BYTE: u8 = 0x16;

/// How long a client is not spoken of again.
const QUIET: Duration = Duration::from_secs(60);

/// Clients that are remembered for that; beyond it, nothing is said.
const REMEMBERED_MAX: usize = 256;

/// How long the answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(1);

const ANSWER: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\
Docker-Distribution-Api-Version: registry/2.0\r\nContent-Length: 59\r\n\r\n\
This registry speaks plain HTTP here, and you speak HTTPS.\n";

/// The clients that were spoken of, and when.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<HashMap<IpAddr, Instant>>);

impl Told {
    /// Whether there is something to say about this client now.
    fn is_news(&self, client: IpAddr, now: Instant) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, when| now.saturating_duration_since(*when) < QUIET);
        if told.len() >= REMEMBERED_MAX || told.contains_key(&client) {
            return false;
        }
        told.insert(client, now);
        true
    }
}

/// Answers a client that speaks TLS, and closes.
pub(super) async fn answer(mut stream: TcpStream, client: IpAddr, told: &Told) {
    if told.is_news(client, Instant::now()) {
        tracing::warn!(
            %client,
            "a client speaks TLS to the plain HTTP port; have it use http:// (podman, skopeo: \
             --tls-verify=false; docker: insecure-registries; containerd: a hosts.toml whose \
             server begins with http://)"
        );
    }
    // What it said is read first: closing a socket with unread bytes would destroy the answer.
    let mut hello = [0; 4096];
    while stream.try_read(&mut hello).is_ok_and(|read| read == hello.len()) {}
    let answered = async {
        stream.write_all(ANSWER).await?;
        stream.shutdown().await
    };
    // The client may have gone; that is its right.
    _ = tokio::time::timeout(ANSWER_TIME_MAX, answered).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn the_answer_has_the_length_it_tells() {
        let text = str::from_utf8(ANSWER).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
    }

    #[test]
    fn a_client_is_spoken_of_once_a_minute() {
        let told = Told::default();
        let client = |index: u32| IpAddr::from(Ipv4Addr::from_bits(index));
        let now = Instant::now();
        assert!(told.is_news(client(0), now));
        assert!(!told.is_news(client(0), now));
        assert!(told.is_news(client(1), now));
        assert!(told.is_news(client(0), now + QUIET));
        for index in 0..1000 {
            told.is_news(client(index), now + QUIET);
        }
        assert_eq!(told.0.lock().unwrap().len(), REMEMBERED_MAX);
    }
}
