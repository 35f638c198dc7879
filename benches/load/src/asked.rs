//! What the bare servers know of HTTP: a thread for each connection, and the head of a request.

use std::io::{self, BufRead};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use crate::{LoadError, Target};

/// The head of a request.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// As it was sent, with its query.
    pub(crate) path: String,
    /// Bytes of the body.
    pub(crate) length: u64,
}

/// Hands each connection to `answer`, in a thread of its own, until the process ends.
///
/// # Errors
/// When it cannot listen there.
pub(crate) fn serve(
    target: &Target,
    answer: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
) -> Result<(), LoadError> {
    let address = target.address();
    let listener =
        TcpListener::bind(address).map_err(|source| LoadError::Connect { address, source })?;
    let answer = Arc::new(answer);
    for stream in listener.incoming().flatten() {
        let answer = Arc::clone(&answer);
        // A client that breaks off is its own affair: the measurement has failed at the client.
        thread::spawn(move || drop(answer(stream)));
    }
    Ok(())
}

impl Asked {
    /// `None` when the client is gone.
    pub(crate) fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let path = words.next().unwrap_or_default().to_owned();
        let mut asked = Self { method, path, length: 0 };
        loop {
            line.clear();
            if reader.read_line(&mut line)? <= 2 {
                return Ok(Some(asked));
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                asked.length = value.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?;
            }
        }
    }

    /// The digest that the client claims.
    pub(crate) fn digest(&self) -> String {
        let digest = self.path.rsplit_once("digest=").map_or("", |(_, digest)| digest);
        digest.replace("%3A", ":")
    }
}
