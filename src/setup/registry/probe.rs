//! Whether a registry answers on a port of this machine, asked as a client would ask it, and whether it
//! takes the secret for ingest. Knows nothing of the engine.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use wharf_oci::ingest::{INGEST_PATH, Secret};

/// How long one question may take.
const QUESTION_MAX: Duration = Duration::from_secs(2);
/// How long to wait before the next one.
const PAUSE: Duration = Duration::from_millis(50);
/// The most that is read of an answer's head, in bytes.
const HEAD_BYTES_MAX: u64 = 8 << 10;
/// A request that an ingest never begins with: there is no such version.
const NO_WISH: &str = r#"{"version":0}"#;

/// What is on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing that answers.
    Nothing,
    /// A registry; with a secret, one that takes it.
    Registry,
    /// A registry that does not take the secret.
    SecretRefused,
    /// Something else, with what it calls itself.
    Other(String),
}

/// Asks again and again until a registry answers, or the time is over; gives the last answer.
pub fn await_registry(port: u16, secret: Option<&Secret>, max: Duration) -> Answer {
    let begun = Instant::now();
    loop {
        match ask(port, secret) {
            Answer::Nothing if begun.elapsed() < max => std::thread::sleep(PAUSE),
            answer => return answer,
        }
    }
}

/// Asks once.
pub fn ask(port: u16, secret: Option<&Secret>) -> Answer {
    let Ok(head) = question(port, "GET /v2/ HTTP/1.1\r\n", "") else { return Answer::Nothing };
    if head.is_empty() {
        // A forward that leads nowhere takes the connection all the same.
        return Answer::Nothing;
    }
    if field(&head, "docker-distribution-api-version").is_none() {
        return Answer::Other(field(&head, "server").unwrap_or("no registry").to_owned());
    }
    let Some(secret) = secret else { return Answer::Registry };
    let wish = format!(
        "POST {INGEST_PATH} HTTP/1.1\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n",
        secret.exposed(),
        NO_WISH.len()
    );
    match question(port, &wish, NO_WISH) {
        Ok(head) if status(&head) == Some("401") => Answer::SecretRefused,
        Ok(_) => Answer::Registry,
        Err(_) => Answer::Nothing,
    }
}

/// Sends a request, and gives the head of its answer.
fn question(port: u16, request: &str, body: &str) -> io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, QUESTION_MAX)?;
    stream.set_read_timeout(Some(QUESTION_MAX))?;
    stream.set_write_timeout(Some(QUESTION_MAX))?;
    let rest = format!("Host: localhost:{port}\r\nConnection: close\r\n\r\n{body}");
    // In one piece: who answers to the first of several, and closes, takes its answer back.
    stream.write_all(format!("{request}{rest}").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(HEAD_BYTES_MAX).read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    Ok(text.split("\r\n\r\n").next().unwrap_or_default().to_owned())
}

fn status(head: &str) -> Option<&str> {
    head.lines().next()?.split(' ').nth(1)
}

/// A header field's value.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let mut named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A port on which each connection is given the next answer.
    fn serve<const N: usize>(answers: [&'static str; N]) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let length = stream.read(&mut [0; 4096]).unwrap();
                assert!(length > 0);
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        port
    }

    const REGISTRY: &str =
        "HTTP/1.1 200 OK\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\r\n{}";

    #[test]
    fn a_registry_is_told_from_what_is_none() {
        let airplay = "HTTP/1.1 403 Forbidden\r\nServer: AirTunes/845.5.1\r\n\r\n";
        assert_eq!(ask(serve([REGISTRY]), None), Answer::Registry);
        assert_eq!(ask(serve([airplay]), None), Answer::Other("AirTunes/845.5.1".into()));
        let plain = "HTTP/1.0 200 OK\r\n\r\n";
        assert_eq!(ask(serve([plain]), None), Answer::Other("no registry".into()));
        assert_eq!(ask(serve([""]), None), Answer::Nothing);
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert_eq!(ask(closed, None), Answer::Nothing);
    }

    #[test]
    fn a_secret_is_taken_or_refused() {
        let secret: Secret = "0123456789abcdef".parse().unwrap();
        let ask = |answer| ask(serve([REGISTRY, answer]), Some(&secret));
        let refused = "HTTP/1.1 401 Unauthorized\r\n\r\n";
        assert_eq!(ask(refused), Answer::SecretRefused);
        assert_eq!(ask("HTTP/1.1 400 Bad Request\r\n\r\n"), Answer::Registry);
    }

    #[test]
    fn a_registry_is_waited_for() {
        let port = serve(["", "", REGISTRY]);
        assert_eq!(await_registry(port, None, Duration::from_secs(60)), Answer::Registry);
    }
}
