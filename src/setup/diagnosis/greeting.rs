//! Who answers at an address of this machine when a registry is asked for there. Knows no engine.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Greeting {
    /// No connection comes up.
    Nobody,
    /// A connection comes up, but no answer.
    Silence,
    /// A registry.
    Registry,
    /// `AirPlay` of macOS, which waits for pictures on port 5000.
    AirPlay,
    /// Something else that speaks HTTP, by the name that it gives itself.
    Other(String),
}

/// How long each part of the question may take.
const PART_MAX: Duration = Duration::from_secs(2);
/// The most that is read of an answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 8 << 10;

/// Asks.
pub fn of(address: SocketAddr) -> Greeting {
    let Ok(stream) = TcpStream::connect_timeout(&address, PART_MAX) else {
        return Greeting::Nobody;
    };
    match ask(stream, address) {
        Ok(answer) if !answer.is_empty() => judge(&answer),
        _ => Greeting::Silence,
    }
}

fn ask(mut stream: TcpStream, address: SocketAddr) -> io::Result<String> {
    stream.set_read_timeout(Some(PART_MAX))?;
    stream.set_write_timeout(Some(PART_MAX))?;
    let port = address.port();
    // In one piece: an answer to half a question is lost with the connection.
    let question =
        format!("GET /v2/ HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(question.as_bytes())?;
    let mut answer = Vec::new();
    // One that keeps the connection has said enough by then.
    _ = stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn judge(answer: &str) -> Greeting {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    let field = |name: &str| {
        let fields = head.lines().filter_map(|line| line.split_once(':'));
        let mut named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim())
    };
    match field("server") {
        _ if field("docker-distribution-api-version").is_some() => Greeting::Registry,
        Some(server) if server.starts_with("AirTunes") => Greeting::AirPlay,
        Some(server) => Greeting::Other(server.to_owned()),
        None => Greeting::Other("it does not say which".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers one question.
    fn answering(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            _ = stream.read(&mut [0; 1024]);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn whoever_answers_is_known_by_what_it_says() {
        for (answer, known) in [
            ("HTTP/1.1 403 Forbidden\r\nServer: AirTunes/845.5.1\r\n\r\n", Greeting::AirPlay),
            (
                "HTTP/1.1 200 OK\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\r\n{}",
                Greeting::Registry,
            ),
            ("HTTP/1.1 404 Not Found\r\nserver: nginx\r\n\r\n", Greeting::Other("nginx".into())),
            ("", Greeting::Silence),
        ] {
            assert_eq!(of(answering(answer)), known, "{answer}");
        }
    }

    #[test]
    fn an_address_that_nobody_has_is_nobodys() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(of(address), Greeting::Nobody);
    }
}
