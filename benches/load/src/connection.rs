//! One keep-alive connection on a blocking socket: requests out, answers counted and thrown away.
//!
//! It never looks at a body unless asked to hash it, and it follows nothing: a redirection is the
//! caller's matter.

use std::fs::File;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use crate::error::HeadFault;
use crate::head::Head;
use crate::stream::{SENT_BYTES, Stream};
use crate::{LoadError, Stop, Target};

/// Bytes taken from the socket by one read at most: what stays in a processor's own cache, since a client
/// that reads into more costs the machine more for each byte, which then its server lacks.
pub const READ_BYTES: usize = 128 << 10;
/// A server that is silent for this long has failed.
pub const SILENCE_MAX: Duration = Duration::from_secs(60);
/// The longest line between two chunks, in bytes.
const LINE_BYTES_MAX: usize = 4096;
/// Of an unexpected answer, this much is shown.
const SHOWN_BYTES: usize = 300;

/// A connection to a registry, with one request under way at most.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    host: String,
    /// Lines in the head of every request.
    headers: String,
    stop: Stop,
    /// Holds the head of an answer and whatever of the body came with it.
    buffer: Vec<u8>,
    /// The part of `buffer` that was received and not consumed.
    unread: std::ops::Range<usize>,
    /// `METHOD path` of the request under way, for errors.
    request: String,
    sent: Instant,
    /// From the end of a request's head to the first byte of its answer.
    first_byte: Duration,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn open(target: &Target) -> Result<Self, LoadError> {
        let address = target.address();
        let stream =
            Stream::open(target).map_err(|source| LoadError::Connect { address, source })?;
        Ok(Self {
            stream,
            host: target.host().to_owned(),
            headers: target.headers(),
            stop: target.stop().clone(),
            buffer: vec![0; READ_BYTES],
            unread: 0..0,
            request: String::new(),
            sent: Instant::now(),
            first_byte: Duration::ZERO,
        })
    }

    /// Sends the head of a request; `headers` are whole lines, each ended by CR LF.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn send(&mut self, method: &str, path: &str, headers: &str) -> Result<(), LoadError> {
        self.request = format!("{method} {path}");
        let text = render(method, path, &self.host, &format!("{}{headers}", self.headers));
        let sent = self.stream.write_all(text.as_bytes());
        self.sent = Instant::now();
        sent.map_err(|source| self.failed(source))
    }

    /// Sends a body from memory.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        for piece in bytes.chunks(usize::try_from(SENT_BYTES).unwrap_or(usize::MAX)) {
            self.stop.check()?;
            self.stream.write_all(piece).map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    /// Sends the first `length` bytes of `file`; the kernel moves them (`sendfile`) where it can.
    ///
    /// # Errors
    /// When the connection fails or the file is shorter.
    pub fn send_file(&mut self, file: &File, length: u64) -> Result<(), LoadError> {
        let mut sent = 0;
        while sent < length {
            self.stop.check()?;
            let piece = self.stream.send_file(file, sent, length - sent);
            sent += piece.map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    /// Reads the head of the answer and checks its status; on another status the error shows the body.
    ///
    /// # Errors
    /// When the connection fails, the answer cannot be read, or its status is not `expected`.
    pub fn expect(&mut self, expected: u16) -> Result<Head, LoadError> {
        let head = self.answer()?;
        self.accept(head, expected)
    }

    /// Checks the status of an answer whose head was read; on another status the error shows the body.
    ///
    /// # Errors
    /// When the status is not `expected`, or the body that says why does not come.
    pub fn accept(&mut self, head: Head, expected: u16) -> Result<Head, LoadError> {
        if head.status == expected {
            return Ok(head);
        }
        let mut body = Vec::new();
        self.receive_body(&head, |bytes| {
            body.extend_from_slice(&bytes[..bytes.len().min(SHOWN_BYTES - body.len())]);
            body.len() < SHOWN_BYTES
        })?;
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
            if self.unread.end == received {
                self.first_byte = self.sent.elapsed();
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

    /// How long the first byte of the last answer took, from the end of its request's head.
    #[must_use]
    pub fn first_byte(&self) -> Duration {
        self.first_byte
    }

    /// Reads the body of an answer, however it is sent, and hands each piece to `each`, until that says
    /// false; the connection is of no use after that.
    ///
    /// # Errors
    /// When the connection fails or ends early, or what comes is no body.
    pub fn receive_body(
        &mut self,
        head: &Head,
        mut each: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), LoadError> {
        if !head.is_chunked {
            return self.receive_while(head.body, each);
        }
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| self.malformed())?;
            if size == 0 {
                // Trailers, up to an empty line.
                while !self.line()?.is_empty() {}
                return Ok(());
            }
            let mut goes_on = true;
            self.receive_while(size, |piece| {
                goes_on = each(piece);
                goes_on
            })?;
            if !goes_on {
                return Ok(());
            }
            if !self.line()?.is_empty() {
                return Err(self.malformed());
            }
        }
    }

    /// A line of a body in chunks, without its end.
    fn line(&mut self) -> Result<String, LoadError> {
        let mut line = Vec::new();
        while line.len() < LINE_BYTES_MAX {
            self.receive(1, |byte| line.extend_from_slice(byte))?;
            if line.ends_with(b"\r\n") {
                line.truncate(line.len() - 2);
                return String::from_utf8(line).map_err(|_| self.malformed());
            }
        }
        Err(self.malformed())
    }

    fn malformed(&self) -> LoadError {
        LoadError::Answer { request: self.request.clone(), fault: HeadFault::ChunkMalformed }
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
        self.stop.check()?;
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

/// The text of a request's head; `headers` are whole lines, each ended by CR LF.
#[must_use]
pub fn render(method: &str, path: &str, host: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n")
}
