//! One connection, from its first byte to its end.

use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http_body::{Frame, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::net::RecvFlags;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::outgoing::Outgoing;
use super::phase::Phase;
use super::socket::Socket;
use super::{Shared, Stage, tls_hello};
use crate::Window;
use crate::http::{Body, BodyError, Face};

/// Serves requests until the client leaves, is too slow, or the server stops.
pub(super) async fn serve(
    stream: TcpStream,
    client: IpAddr,
    face: Face,
    shared: &Shared,
    mut stages: watch::Receiver<Stage>,
) {
    // Without it, the end of each answer would wait for the client's next acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%client, "cannot set TCP_NODELAY: {error}");
    }
    match first_byte(&stream, shared, &mut stages).await {
        Some(tls_hello::FIRST_BYTE) => {
            tls_hello::answer(stream, client, &shared.tls_hellos).await;
        }
        Some(_) => {
            shared.metrics.connections.inc();
            converse(stream, client, face, shared, stages).await;
            shared.metrics.connections.dec();
        }
        None => {}
    }
}

/// The byte that a connection begins with, still to be read; `None` if none comes in time, or has
/// come when the server is told to stop.
async fn first_byte(
    stream: &TcpStream,
    shared: &Shared,
    stages: &mut watch::Receiver<Stage>,
) -> Option<u8> {
    let mut first = [0];
    let peeked = tokio::time::timeout(shared.limits.header_time_max, stream.peek(&mut first));
    let count = tokio::select! {
        peeked = peeked => peeked.ok()?.ok()?,
        () = Stage::Draining.reached(stages) => {
            if !has_come(stream) {
                return None;
            }
            // At once; after it the runtime has heard of the byte too, and reads it for hyper.
            stream.peek(&mut first).await.ok()?
        }
    };
    (count == 1).then_some(first[0])
}

/// Whether a byte lies in the socket now, also one that the runtime has not heard of yet.
fn has_come(stream: &TcpStream) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    matches!(rustix::net::recv(stream, &mut [0], flags), Ok((1, _)))
}

async fn converse(
    stream: TcpStream,
    client: IpAddr,
    face: Face,
    shared: &Shared,
    mut stages: watch::Receiver<Stage>,
) {
    let limits = &shared.limits;
    let phase = Arc::new(Phase::new(limits.idle_time_max, limits.header_time_max));
    let metrics = Arc::clone(&shared.metrics);
    let outgoing = Arc::new(Outgoing::default());
    let socket = Socket::new(
        stream,
        Arc::clone(&phase),
        metrics,
        Arc::clone(&outgoing),
        limits.body_idle_max,
    );
    let service = service_fn(|request| {
        phase.request();
        let answered = Answered(Arc::clone(&phase));
        let outgoing = Arc::clone(&outgoing);
        async move {
            let response = shared.http.answer(face, client, request).await;
            Ok::<_, std::convert::Infallible>(response.map(|body| Answering {
                body,
                outgoing,
                answered,
            }))
        }
    });
    let share = shared.memory.share();
    let protocol = if share.has_large_buffer() { &shared.large_protocol } else { &shared.protocol };
    let mut connection = pin!(protocol.serve_connection(TokioIo::new(socket), service));
    let ended = tokio::select! {
        // First of all the connection, which then has read what it begins with: one of which hyper
        // has read nothing would be closed at the drain, and a request that has come be lost.
        biased;
        ended = connection.as_mut() => ended,
        () = phase.overdue() => Ok(()),
        () = Stage::Draining.reached(&mut stages) => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = Stage::Stopped.reached(&mut stages) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        // Clients that leave early, or send no HTTP, are everyday life.
        tracing::debug!(%client, "a connection ended: {}", crate::http::chain(&error));
    }
}

/// The body of an answer, which ends the request when hyper is done with it.
struct Answering {
    body: Body,
    outgoing: Arc<Outgoing>,
    #[expect(dead_code, reason = "it is there to be dropped")]
    answered: Answered,
}

/// Ends a request when it is dropped: sent, failed or given up.
struct Answered(Arc<Phase>);

impl Drop for Answered {
    fn drop(&mut self) {
        self.0.answered();
    }
}

impl http_body::Body for Answering {
    type Data = Window;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Window>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(window) = frame.data_ref()
        {
            self.outgoing.note(window);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
