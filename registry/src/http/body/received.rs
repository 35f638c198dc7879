//! `RequestBody`: the bytes of a request, as they come, with a limit on how long a client may stay
//! silent. It gathers manifests, which are small, and pours everything else straight into the
//! domain.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, header};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::budget::{Budget, Share};
use crate::error::Error;
use crate::http::answer::Response;
use crate::http::error::Failure;
use crate::receive::Receiving;

/// What is still read, and thrown away, of a body whose request was refused, so that its client gets
/// to read the answer: with unread bytes in the socket, closing it would destroy what was sent.
const LINGER_BYTES_MAX: u64 = 16 << 20;

/// How long that may take.
const LINGER_TIME_MAX: Duration = Duration::from_secs(5);

/// The body of a request.
#[derive(Debug)]
pub(crate) struct RequestBody {
    incoming: Option<Incoming>,
    received: u64,
    expects: bool,
    idle_max: Duration,
    /// When the client will have been silent for too long. The timer may run out earlier, since it
    /// is not moved with every frame.
    deadline: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    /// `expects` says that the client waits for a 100 before it sends.
    pub(crate) fn new(incoming: Incoming, expects: bool, idle_max: Duration) -> Self {
        Self {
            incoming: (!incoming.is_end_stream()).then_some(incoming),
            received: 0,
            expects,
            idle_max,
            deadline: Instant::now(),
            timer: None,
        }
    }

    /// The length that the client announced; 0 when there is no body.
    pub(crate) fn announced(&self) -> Option<u64> {
        self.incoming.as_ref().map_or(Some(0), |body| body.size_hint().exact())
    }

    /// The whole body, which may have `limit` bytes, and its share of the budget, to be held as long
    /// as the bytes are. The share grows with what comes, not with what is announced.
    ///
    /// # Errors
    /// [`Error::ManifestTooLarge`], as soon as that is known; [`Failure::ManifestsTooMany`]; those
    /// of the way.
    pub(crate) async fn collect<'a>(
        &mut self,
        limit: u64,
        budget: &'a Budget,
    ) -> Result<(Bytes, Share<'a>), Failure> {
        let too_large = || Failure::from(Error::ManifestTooLarge { limit });
        if self.announced().is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        // Copied, since what is kept of it would keep hyper's whole buffer with it.
        let mut whole = Vec::new();
        let mut share = budget.share();
        while let Some(bytes) = self.next().await? {
            if self.received > limit {
                return Err(too_large());
            }
            share.cover(whole.len() + bytes.len()).await?;
            whole.extend_from_slice(&bytes);
        }
        Ok((Bytes::from(whole.into_boxed_slice()), share))
    }

    /// Hands the body to an upload session as it comes; it must have the `announced` length.
    ///
    /// # Errors
    /// [`Error::SizeMismatch`]; those of the domain; those of the way. The session keeps what it was
    /// given.
    pub(crate) async fn pour(
        &mut self,
        receiving: &mut Receiving,
        announced: Option<u64>,
    ) -> Result<(), Failure> {
        loop {
            let bytes = tokio::select! {
                biased;
                next = self.next() => match next? {
                    Some(bytes) => bytes,
                    None => break,
                },
                // The client keeps us waiting, and others wait for memory.
                () = receiving.wanted() => {
                    receiving.flush().await?;
                    continue;
                }
            };
            if let Some(announced) = announced.filter(|announced| self.received > *announced) {
                return Err(Error::SizeMismatch { announced, received: self.received }.into());
            }
            receiving.append(bytes).await?;
        }
        match announced {
            Some(announced) if announced != self.received => {
                Err(Error::SizeMismatch { announced, received: self.received }.into())
            }
            _ => Ok(()),
        }
    }

    /// `response` as it may go out now. Reads on in the background if the client is still sending.
    /// One that waits for a 100 is not, and will not: it is told that its connection is closed, so
    /// that nobody takes the body for the next request (RFC 9110, section 10.1.1).
    pub(crate) fn finish(self, mut response: Response) -> Response {
        if self.incoming.is_some() && self.expects && self.received == 0 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        } else if self.incoming.is_some() {
            self.linger();
        }
        response
    }

    fn linger(mut self) {
        let limit = self.received.saturating_add(LINGER_BYTES_MAX);
        tokio::spawn(tokio::time::timeout(LINGER_TIME_MAX, async move {
            while self.received < limit && matches!(self.next().await, Ok(Some(_))) {}
        }));
    }

    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        self.deadline = Instant::now() + self.idle_max;
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Failure>> {
        loop {
            let Some(incoming) = &mut self.incoming else { return Poll::Ready(Ok(None)) };
            match Pin::new(incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers mean nothing here.
                    let Ok(bytes) = frame.into_data() else { continue };
                    self.received += bytes.len() as u64;
                    return Poll::Ready(Ok(Some(bytes)));
                }
                Poll::Ready(Some(Err(source))) => {
                    self.incoming = None;
                    return Poll::Ready(Err(Failure::BodyBroken { source }));
                }
                Poll::Ready(None) => self.incoming = None,
                Poll::Pending => return self.poll_silence(cx),
            }
        }
    }

    /// Ready once the client has been silent for too long.
    fn poll_silence<T>(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Failure>> {
        let deadline = self.deadline;
        // A limit on the client's silence, polled beside the body: nothing is paused by it. Made at the
        // first silence alone, and moved: most bodies never wait.
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                self.incoming = None;
                return Poll::Ready(Err(Failure::BodyIdle { limit: self.idle_max }));
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Empty;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use std::convert::Infallible;
    use tokio::io::AsyncWriteExt;
    use tokio::sync::mpsc;

    /// What `collect` makes of a request that came as `parts`; the client then says nothing more,
    /// or, if it `leaves`, closes.
    async fn collect(parts: &[&str], limit: u64, leaves: bool) -> Result<Bytes, Failure> {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let (results, mut collected) = mpsc::channel(1);
        let service = service_fn(move |request: http::Request<Incoming>| {
            let results = results.clone();
            async move {
                let idle_max = Duration::from_millis(50);
                let mut body = RequestBody::new(request.into_body(), false, idle_max);
                let budget = Budget::new();
                let collected = body.collect(limit, &budget).await;
                _ = results.send(collected.map(|(bytes, _)| bytes)).await;
                Ok::<_, Infallible>(http::Response::new(Empty::<Bytes>::new()))
            }
        });
        let protocol = hyper::server::conn::http1::Builder::new();
        tokio::spawn(protocol.serve_connection(TokioIo::new(server), service));
        for part in parts {
            client.write_all(part.as_bytes()).await.unwrap();
        }
        if leaves {
            drop(client);
            return collected.recv().await.unwrap();
        }
        let result = collected.recv().await.unwrap();
        drop(client);
        result
    }

    const SIZED: &str = "PUT / HTTP/1.1\r\nContent-Length: 10\r\n\r\n";
    const CHUNKED: &str = "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";

    #[tokio::test]
    async fn a_body_is_collected_whichever_way_it_comes() {
        let table: [(&[&str], &str); 4] = [
            (&[SIZED, "0123456789"], "0123456789"),
            (&[SIZED, "01234", "56789"], "0123456789"),
            (&[CHUNKED, "4\r\n0123\r\n", "2\r\n45\r\n0\r\n\r\n"], "012345"),
            (&["PUT / HTTP/1.1\r\n\r\n"], ""),
        ];
        for (parts, expected) in table {
            assert_eq!(collect(parts, 10, false).await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_refused() {
        let too_large = |result| {
            let error = Error::ManifestTooLarge { limit: 9 }.to_string();
            matches!(result, Err(Failure::Registry(found)) if found.to_string() == error)
        };
        assert!(too_large(collect(&[SIZED], 9, false).await), "before a byte came");
        let chunk = "a\r\n0123456789\r\n";
        assert!(too_large(collect(&[CHUNKED, chunk], 9, false).await), "as soon as it is seen");
    }

    #[tokio::test]
    async fn silence_and_departure_end_a_body() {
        let silent = collect(&[SIZED, "0123"], 10, false).await;
        assert!(matches!(silent, Err(Failure::BodyIdle { .. })), "{silent:?}");
        let gone = collect(&[SIZED, "0123"], 10, true).await;
        assert!(matches!(gone, Err(Failure::BodyBroken { .. })), "{gone:?}");
        let not_http = collect(&[CHUNKED, "no number\r\n"], 10, false).await;
        assert!(matches!(not_http, Err(Failure::BodyBroken { .. })), "{not_http:?}");
    }
}
