//! One keep-alive connection on a blocking socket: requests out, answers counted and thrown away.
//!
//! It refuses what would cost the client CPU: no redirects, no chunked bodies, no TLS, and it never
//! looks at a body unless asked to hash it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::head::Head;
use crate::{LoadError, Target};

/// Bytes taken from the socket by one read at most.
pub const READ_BYTES: usize = 1 << 20;
/// A server that is silent for this long has failed.
pub const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Of an unexpected answer, this much is shown.
const SHOWN_BYTES: usize = 300;

/// A connection to a registry, with one request under way at most.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    host: String,
    /// Holds the head of an answer and whatever of the body came with it.
    buffer: Vec<u8>,
    /// The part of `buffer` that was received and not consumed.
    unread: std::ops::Range<usize>,
    /// `METHOD path` of the request under way, for errors.
    request: String,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn open(target: &Target) -> Result<Self, LoadError> {
        let address = target.address();
        let connect = || {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(SILENCE_MAX))?;
            stream.set_write_timeout(Some(SILENCE_MAX))?;
            Ok(stream)
        };
        let stream = connect().map_err(|source| LoadError::Connect { address, source })?;
        Ok(Self {
            stream,
            host: target.host().to_owned(),
            buffer: vec![0; READ_BYTES],
            unread: 0..0,
            request: String::new(),
        })
    }

    /// Sends the head of a request; `headers` are whole lines, each ended by CR LF.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn send(&mut self, method: &str, path: &str, headers: &str) -> Result<(), LoadError> {
        self.request = format!("{method} {path}");
        let text = render(method, path, &self.host, headers);
        let sent = self.stream.write_all(text.as_bytes());
        sent.map_err(|source| self.failed(source))
    }

    /// Sends a body from memory.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        let sent = self.stream.write_all(bytes);
        sent.map_err(|source| self.failed(source))
    }

    /// Sends the first `length` bytes of `file`; the kernel moves them (`sendfile`) where it can.
    ///
    /// # Errors
    /// When the connection fails or the file is shorter.
    pub fn send_file(&mut self, file: &File, length: u64) -> Result<(), LoadError> {
        let sent = send_file(&mut self.stream, file, length);
        sent.map_err(|source| self.failed(source))
    }

    /// Reads the head of the answer and checks its status; on another status the error shows the body.
    ///
    /// # Errors
    /// When the connection fails, the answer cannot be read, or its status is not `expected`.
    pub fn expect(&mut self, expected: u16) -> Result<Head, LoadError> {
        let head = self.answer()?;
        if head.status == expected {
            return Ok(head);
        }
        let mut body = Vec::new();
        self.receive(head.body.min(SHOWN_BYTES as u64), |bytes| body.extend_from_slice(bytes))?;
        Err(LoadError::Status {
            request: self.request.clone(),
            status: head.status,
            expected,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    /// Reads the head of the answer, whatever its status; the body is still to be received.
    ///
    /// # Errors
    /// When the connection fails or the answer cannot be read.
    pub fn answer(&mut self) -> Result<Head, LoadError> {
        let bodiless = self.request.starts_with("HEAD ");
        self.unread = 0..0;
        loop {
            let received = self.receive_into_buffer()?;
            if received == 0 {
                return Err(self.failed(io::ErrorKind::UnexpectedEof.into()));
            }
            match Head::parse(&self.buffer[..self.unread.end], bodiless) {
                Ok(Some((head, start))) => {
                    self.unread.start = start;
                    return Ok(head);
                }
                Ok(None) => {}
                Err(fault) => {
                    return Err(LoadError::Answer { request: self.request.clone(), fault });
                }
            }
        }
    }

    /// Reads `length` bytes of body and hands each piece to `each`.
    ///
    /// # Errors
    /// When the connection fails or ends before that.
    pub fn receive(&mut self, length: u64, mut each: impl FnMut(&[u8])) -> Result<(), LoadError> {
        self.receive_while(length, |bytes| {
            each(bytes);
            true
        })
    }

    /// As [`Connection::receive`], until `each` says false; the connection is of no use after that.
    ///
    /// # Errors
    /// When the connection fails or ends early.
    pub fn receive_while(
        &mut self,
        length: u64,
        mut each: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), LoadError> {
        let mut left = length;
        while left > 0 {
            if self.unread.is_empty() {
                self.unread = 0..0;
                if self.receive_into_buffer()? == 0 {
                    return Err(self.failed(io::ErrorKind::UnexpectedEof.into()));
                }
            }
            let taken = self.unread.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let start = self.unread.start;
            self.unread.start += taken;
            left -= taken as u64;
            if !each(&self.buffer[start..start + taken]) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn receive_into_buffer(&mut self) -> Result<usize, LoadError> {
        let received = loop {
            match self.stream.read(&mut self.buffer[self.unread.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let received = received.map_err(|source| self.failed(source))?;
        self.unread.end += received;
        Ok(received)
    }

    fn failed(&self, source: io::Error) -> LoadError {
        LoadError::Connection { request: self.request.clone(), source }
    }
}

#[cfg(target_os = "linux")]
fn send_file(stream: &mut TcpStream, file: &File, length: u64) -> io::Result<()> {
    let mut sent = 0;
    while sent < length {
        let left = usize::try_from(length - sent).unwrap_or(usize::MAX);
        match rustix::fs::sendfile(&*stream, file, Some(&mut sent), left) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn send_file(stream: &mut TcpStream, file: &File, length: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;

    let (mut piece, mut sent) = (vec![0; READ_BYTES], 0);
    while sent < length {
        let most = READ_BYTES.min(usize::try_from(length - sent).unwrap_or(READ_BYTES));
        let read = file.read_at(&mut piece[..most], sent)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        stream.write_all(&piece[..read])?;
        sent += read as u64;
    }
    Ok(())
}

/// The text of a request's head; `headers` are whole lines, each ended by CR LF.
#[must_use]
pub fn render(method: &str, path: &str, host: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n")
}
