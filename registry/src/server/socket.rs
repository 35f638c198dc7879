//! `Socket`: a client's connection as hyper reads and writes it, with its bytes counted, and with a
//! limit on how long a client may take nothing of what is sent to it. The timer for that is set when
//! a write first has to wait, and is not moved while bytes flow: it looks at the clock when it runs
//! out. Writes stay vectored, so that hyper queues bodies and copies none; what came from the disk a
//! moment ago is handed on by `sendfile`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::outgoing::{Next, Outgoing};
use super::phase::Phase;
use crate::Place;
use crate::metrics::Metrics;

/// A connection with limits.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    phase: Arc<Phase>,
    metrics: Arc<Metrics>,
    outgoing: Arc<Outgoing>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Until when the client has to take a byte; `None` while it takes them.
    deadline: Option<Instant>,
    idle_max: Duration,
}

impl Socket {
    /// `idle_max` is how long the client may take nothing of what is sent to it.
    pub(super) fn new(
        stream: TcpStream,
        phase: Arc<Phase>,
        metrics: Arc<Metrics>,
        outgoing: Arc<Outgoing>,
        idle_max: Duration,
    ) -> Self {
        Self { stream, phase, metrics, outgoing, timer: None, deadline: None, idle_max }
    }

    /// Has the kernel hand on `length` bytes from `place`, or as many as the client takes now.
    fn poll_send_file(
        &self,
        cx: &mut Context<'_>,
        place: &Place,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            let send = || send_file(&self.stream, place, length);
            match self.stream.try_io(Interest::WRITABLE, send) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) => {
                    // A stranger's doing. The log says so, since the client sees its connection close, no more.
                    let error = "a blob's file was cut short while it was being sent";
                    tracing::error!("{error}");
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, error)));
                }
                sent => return Poll::Ready(sent),
            }
        }
    }

    /// Counts what was written, or watches how long nothing can be.
    fn wrote(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(result) = written {
            self.deadline = None;
            if let Ok(length) = &result {
                self.metrics.bytes_out.inc_by(*length as u64);
            }
            return Poll::Ready(result);
        }
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + self.idle_max);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let length = buffer.filled().len() - before;
        if length > 0 {
            self.metrics.bytes_in.inc_by(length as u64);
            self.phase.received();
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match self.outgoing.next(slices) {
            Next::Memory(count) => {
                Pin::new(&mut self.stream).poll_write_vectored(cx, &slices[..count])
            }
            Next::File(place, length) => match self.poll_send_file(cx, &place, length) {
                // Not every file system knows it. The bytes are in memory all the same.
                Poll::Ready(Err(error)) if is_refusal(&error) => {
                    Pin::new(&mut self.stream).poll_write_vectored(cx, &slices[..1])
                }
                sent => sent,
            },
        };
        self.wrote(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper asks for it once all that it had is written.
        self.outgoing.clear();
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Sends up to `length` bytes from `place` without copying them; blocks on nothing but the disk, which
/// has given them already. 0 at the end of the file.
#[cfg(target_os = "linux")]
fn send_file(stream: &TcpStream, place: &Place, length: usize) -> io::Result<usize> {
    let mut start = place.start;
    Ok(rustix::fs::sendfile(stream, &place.file, Some(&mut start), length)?)
}

/// Elsewhere no file is mapped, so that no window has a place.
#[cfg(not(target_os = "linux"))]
fn send_file(_stream: &TcpStream, _place: &Place, _length: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether `sendfile` is not to be had for a file, as opposed to having failed.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::Window;

    /// What a client gets of an answer whose body lies in memory as `memory`, and at a place in `file`.
    async fn received(memory: &'static [u8], file: File, start: u64) -> io::Result<Vec<u8>> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stream = listener.accept().await.unwrap().0;
        let time_max = Duration::from_secs(30);
        let phase = Arc::new(Phase::new(time_max, time_max));
        let outgoing = Arc::new(Outgoing::default());
        let metrics = Arc::new(Metrics::new());
        let mut socket = Socket::new(stream, phase, metrics, Arc::clone(&outgoing), time_max);

        let body = Bytes::from_static(memory);
        outgoing.note(&Window::from_disk(body.clone(), Place { file: file.into(), start }));
        let mut unsent: &mut [IoSlice<'_>] = &mut [IoSlice::new(b"head "), IoSlice::new(&body)];
        while !unsent.is_empty() {
            let sent = socket.write_vectored(unsent).await?;
            IoSlice::advance_slices(&mut unsent, sent);
        }
        drop(socket);
        let mut received = Vec::new();
        client.read_to_end(&mut received).await?;
        Ok(received)
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_has_a_place_is_taken_from_there() {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, b"skipped, the file").unwrap();
        assert_eq!(received(b"the copy", file, 9).await.unwrap(), b"head the file");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_file_that_ends_early_ends_the_connection() {
        let error = received(b"the copy", tempfile::tempfile().unwrap(), 0).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(error.to_string().contains("cut short"), "{error}");
    }

    #[tokio::test]
    async fn where_sendfile_is_refused_the_bytes_come_from_memory() {
        // No file system hands a folder on.
        let folder = tempfile::tempdir().unwrap();
        let folder = File::open(folder.path()).unwrap();
        assert_eq!(received(b"the copy", folder, 0).await.unwrap(), b"head the copy");
    }
}
