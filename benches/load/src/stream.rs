//! The bytes of a connection: plain, or with TLS over them.
//!
//! It refuses to decide which of the two: the target says so.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};

use rustls::{ClientConnection, StreamOwned};

use crate::Target;

/// Bytes that go by one call at most, so that a stop is noticed between two.
pub(crate) const SENT_BYTES: u64 = 16 << 20;
/// Bytes read from a file at once where the kernel cannot move them.
const PIECE_BYTES: usize = 128 << 10;

/// A stream to a registry.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Connects, and agrees on TLS where the target wants it.
    pub(crate) fn open(target: &Target) -> io::Result<Self> {
        let mut stream = TcpStream::connect(target.address())?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(crate::connection::SILENCE_MAX))?;
        stream.set_write_timeout(Some(crate::connection::SILENCE_MAX))?;
        if !target.is_tls() {
            return Ok(Self::Plain(stream));
        }
        let no_tls = || io::Error::other("nothing says how TLS is spoken with it");
        let (config, name) = target.tls().ok_or_else(no_tls)?;
        let mut session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(session, stream))))
    }

    /// Whether bytes may be waiting that a poll of the socket does not show.
    pub(crate) fn is_buffered(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    pub(crate) fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.set_nonblocking(true),
            Self::Tls(stream) => stream.sock.set_nonblocking(true),
        }
    }

    /// Sends bytes of `file` from `start` on, at least one and at most `most`; by the kernel where nothing
    /// has to be encrypted. Gives how many.
    pub(crate) fn send_file(&mut self, file: &File, start: u64, most: u64) -> io::Result<u64> {
        let most = most.min(SENT_BYTES);
        match self {
            #[cfg(target_os = "linux")]
            Self::Plain(stream) => {
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                let mut offset = start;
                loop {
                    match rustix::fs::sendfile(&*stream, file, Some(&mut offset), most) {
                        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                        Ok(sent) => return Ok(sent as u64),
                        Err(rustix::io::Errno::INTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            stream => {
                use std::os::unix::fs::FileExt;

                let mut piece =
                    vec![0; PIECE_BYTES.min(usize::try_from(most).unwrap_or(PIECE_BYTES))];
                let read = file.read_at(&mut piece, start)?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                stream.write_all(&piece[..read])?;
                Ok(read as u64)
            }
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(stream) => stream.as_fd(),
            Self::Tls(stream) => stream.sock.as_fd(),
        }
    }
}
