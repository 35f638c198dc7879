//! `Socket`: a client's connection as hyper reads and writes it, with the limits on time that hyper
//! has not, and the bytes counted. A timer is set at most once per wait and is never moved while
//! bytes flow: it looks at the clock when it runs out. Writes stay vectored, so that hyper queues
//! bodies and copies none.

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
    read_timer: Option<Pin<Box<Sleep>>>,
    write_timer: Option<Pin<Box<Sleep>>>,
    /// Until when the client has to take a byte; `None` while it takes them.
    write_deadline: Option<Instant>,
    write_idle_max: Duration,
}

impl Socket {
    /// `write_idle_max` is how long the client may take nothing of what is sent to it.
    pub(super) fn new(
        stream: TcpStream,
        phase: Arc<Phase>,
        metrics: Arc<Metrics>,
        write_idle_max: Duration,
    ) -> Self {
        Self {
            stream,
            phase,
            metrics,
            read_timer: None,
            write_timer: None,
            write_deadline: None,
            write_idle_max,
        }
    }

    fn wrote(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(result) => {
                self.write_deadline = None;
                if let Ok(length) = &result {
                    self.metrics.bytes_out.inc_by(*length as u64);
                }
                Poll::Ready(result)
            }
            Poll::Pending => {
                let deadline = *self
                    .write_deadline
                    .get_or_insert_with(|| Instant::now() + self.write_idle_max);
                if is_over(&mut self.write_timer, deadline, cx) {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                Poll::Pending
            }
        }
    }
}

/// Whether `deadline` has passed; if not, the task is woken then.
fn is_over(timer: &mut Option<Pin<Box<Sleep>>>, deadline: Instant, cx: &mut Context<'_>) -> bool {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
    // One that was set for later than the deadline is of a longer limit.
    if timer.deadline() > deadline {
        timer.as_mut().reset(deadline);
    }
    while timer.as_mut().poll(cx).is_ready() {
        if Instant::now() >= deadline {
            return true;
        }
        timer.as_mut().reset(deadline);
    }
    false
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                let length = buffer.filled().len() - before;
                self.metrics.bytes_in.inc_by(length as u64);
                self.phase.received();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let deadline = self.phase.deadline().map(Instant::from_std);
                match deadline {
                    Some(deadline) if is_over(&mut self.read_timer, deadline, cx) => {
                        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
                    }
                    _ => Poll::Pending,
                }
            }
        }
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
