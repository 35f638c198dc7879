//! An HTTP server on a free port of this machine, for the length of a test.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) type Answer = Response<Full<Bytes>>;

/// A server that stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Answers requests by `reply`; where that fails, the connection is cut.
    pub(crate) async fn start<F>(
        reply: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = io::Result<Answer>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let reply = Arc::new(reply);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let reply = Arc::clone(&reply);
                let service = service_fn(move |request| reply(request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, accepting }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

pub(crate) fn empty(status: StatusCode) -> Answer {
    answer(status, &[], Bytes::new())
}

pub(crate) fn answer(
    status: StatusCode,
    headers: &[(&'static str, String)],
    body: impl Into<Bytes>,
) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    for (name, value) in headers {
        answer.headers_mut().insert(*name, value.parse().unwrap());
    }
    answer
}

/// A refusal in the form of the distribution spec ("Error Codes").
pub(crate) fn refusal(status: StatusCode, code: &str) -> Answer {
    let body = serde_json::json!({"errors": [{"code": code, "message": "the quirk of this test"}]});
    answer(status, &[("content-type", "application/json".to_owned())], body.to_string())
}
