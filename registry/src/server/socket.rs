//! `Socket`: a client's connection as hyper reads and writes it, with its bytes counted, and with a
//! limit on how long a client may take nothing of what is sent to it. The timer for that is set when
//! a write first has to wait, and is not moved while bytes flow: it looks at the clock when it runs
//! out. Writes stay vectored, so that hyper queues bodies and copies none.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::phase::Phase;
use crate::metrics::Metrics;

/// A connection with limits.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    phase: Arc<Phase>,
    metrics: Arc<Metrics>,
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
        idle_max: Duration,
    ) -> Self {
        Self { stream, phase, metrics, timer: None, deadline: None, idle_max }
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
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
