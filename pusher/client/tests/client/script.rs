//! A registry that follows a script: a function from request to response, on a port of its own.
//! It keeps what it was asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use wharf_client::RegistryClient;

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) struct Script {
    client: RegistryClient,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Script {
    pub(crate) async fn start(
        reply: impl Fn(&Request<Incoming>) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = RegistryClient::new(listener.local_addr().unwrap().into());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let accepting = tokio::spawn(accept(
            listener,
            Arc::new(reply),
            Arc::clone(&asked),
            Arc::clone(&connections),
        ));
        Self { client, asked, connections, accepting }
    }

    pub(crate) fn client(&self) -> &RegistryClient {
        &self.client
    }

    pub(crate) fn requests(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Method and path of every request, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        let path = |target: &str| target.split('?').next().unwrap_or_default().to_owned();
        self.requests().iter().map(|it| format!("{} {}", it.method, path(&it.target))).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept<F>(
    listener: TcpListener,
    reply: Arc<F>,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
) where
    F: Fn(&Request<Incoming>) -> Response<Full<Bytes>> + Send + Sync + 'static,
{
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.fetch_add(1, Ordering::Relaxed);
        let (reply, asked) = (Arc::clone(&reply), Arc::clone(&asked));
        let service = service_fn(move |request: Request<Incoming>| {
            let (reply, asked) = (Arc::clone(&reply), Arc::clone(&asked));
            async move {
                let response = reply(&request);
                let (head, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                let target = head.uri.to_string();
                let it = Asked { method: head.method, target, headers: head.headers, body };
                asked.lock().unwrap().push(it);
                Ok::<_, hyper::Error>(response)
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

pub(crate) fn answer(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
}

pub(crate) fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    answer(status, Bytes::new())
}
