//! Connections to a registry: plain or with TLS, how long one may take to come up, and how long it
//! may be silent.
//!
//! Silence is watched on the connection itself, not on the request: a push of many gigabytes may
//! last for hours, as long as bytes move. A silent connection in the pool ends the same way.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
use tower_service::Service;

use crate::error::BoxError;
use crate::options::Limits;
use crate::trust::Tls;

/// The cause of an error on a connection on which no byte moved for the time given here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no byte in either direction for {} s", .0.as_secs_f32())]
pub struct Silence(pub Duration);

/// Opens connections that are watched for silence, with TLS on them where the address asks for it.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    tcp: Tcp,
    connect_max: Duration,
    tls: Arc<Tls>,
}

impl Connector {
    pub(crate) fn new(limits: &Limits, tls: Arc<Tls>) -> Self {
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(limits.connect_max));
        http.set_nodelay(true);
        http.enforce_http(false);
        let tcp = Tcp { http, silence_max: limits.silence_max };
        Self { tcp, connect_max: limits.connect_max, tls }
    }

    /// What TLS stands on.
    pub(crate) async fn tls_config(&self) -> Result<Arc<rustls::ClientConfig>, BoxError> {
        self.tls.config().await
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Watched>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        if uri.scheme() != Some(&Scheme::HTTPS) {
            let connecting = self.tcp.call(uri);
            return Box::pin(async move { connecting.await.map(MaybeHttpsStream::Http) });
        }
        let Self { tcp, connect_max, tls } = self.clone();
        Box::pin(async move {
            let mut https = HttpsConnector::from((tcp, tls.config().await?));
            match tokio::time::timeout(connect_max, https.call(uri)).await {
                Ok(connected) => connected,
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        })
    }
}

/// Opens TCP connections.
#[derive(Debug, Clone)]
struct Tcp {
    http: HttpConnector,
    silence_max: Duration,
}

impl Service<Uri> for Tcp {
    type Response = Watched;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Watched, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.http.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.http.call(uri);
        let silence_max = self.silence_max;
        Box::pin(async move { Ok(Watched::new(connecting.await?, silence_max)) })
    }
}

/// A connection that fails with [`Silence`] once no byte has moved for too long.
#[derive(Debug)]
pub(crate) struct Watched {
    stream: TokioIo<TcpStream>,
    silence_max: Duration,
    moved_at: Instant,
    // Set again only when it goes off, so that a busy connection pays for a clock reading alone.
    timer: Pin<Box<Sleep>>,
}

impl Watched {
    fn new(stream: TokioIo<TcpStream>, silence_max: Duration) -> Self {
        let timer = Box::pin(sleep(silence_max));
        Self { stream, silence_max, moved_at: Instant::now(), timer }
    }

    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        attempt: impl FnOnce(Pin<&mut TokioIo<TcpStream>>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(result) = attempt(Pin::new(&mut self.stream), context) {
            self.moved_at = Instant::now();
            return Poll::Ready(result);
        }
        loop {
            ready!(self.timer.as_mut().poll(context));
            let due = self.moved_at + self.silence_max;
            if due <= Instant::now() {
                let silence = Silence(self.silence_max);
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, silence)));
            }
            self.timer.as_mut().reset(due);
        }
    }
}

impl Connection for Watched {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

impl Read for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.watch(context, |stream, context| stream.poll_read(context, buffer))
    }
}

impl Write for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.watch(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.watch(context, |stream, context| stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
