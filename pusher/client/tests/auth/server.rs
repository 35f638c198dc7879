//! A server that follows a script, on a port of its own, plain or with TLS. It keeps what it was
//! asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use wharf_client::{Credential, Options, RegistryClient, Trust};

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Empty if there is none.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    /// What stands in `Authorization`.
    pub(crate) fn authorization(&self) -> Option<&str> {
        Some(self.headers.get("authorization")?.to_str().unwrap())
    }

    /// Whether it came with this user and password.
    pub(crate) fn is_by(&self, user: &str, password: &str) -> bool {
        let expected = BASE64_STANDARD.encode(format!("{user}:{password}"));
        self.authorization() == Some(&format!("Basic {expected}"))
    }

    /// The values of a field of the query, in order.
    pub(crate) fn field(&self, name: &str) -> Vec<String> {
        let fields = form_urlencoded::parse(self.query.as_bytes());
        fields.filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
    }
}

pub(crate) type Reply = Response<Full<Bytes>>;

pub(crate) struct Server {
    address: SocketAddr,
    is_tls: bool,
    asked: Arc<Mutex<Vec<Asked>>>,
    accepting: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn plain(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, reply).await
    }

    pub(crate) async fn tls(
        config: Arc<ServerConfig>,
        reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(config.into()), reply).await
    }

    async fn start(
        tls: Option<TlsAcceptor>,
        reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (is_tls, kept, reply) = (tls.is_some(), Arc::clone(&asked), Arc::new(reply));
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, kept, reply) = (tls.clone(), Arc::clone(&kept), Arc::clone(&reply));
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, kept, reply).await,
                        Some(tls) => {
                            // A client may not like the certificate.
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, kept, reply).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, is_tls, asked, accepting }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its address as another host may call it: `0.0.0.0` is this machine, but no loopback address.
    pub(crate) fn at(&self, host: &str) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{host}:{}", self.port())
    }

    /// A client that asks it on the loopback interface.
    pub(crate) fn client(&self, credential: Option<Credential>) -> RegistryClient {
        client(&self.at("127.0.0.1"), credential, Trust::default())
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Method and path of every request, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(|it| format!("{} {}", it.method, it.path)).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve<F: Fn(&Asked) -> Reply>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    kept: Arc<Mutex<Vec<Asked>>>,
    reply: Arc<F>,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let (kept, reply) = (Arc::clone(&kept), Arc::clone(&reply));
        async move {
            let (head, body) = request.into_parts();
            let asked = Asked {
                method: head.method,
                path: head.uri.path().to_owned(),
                query: head.uri.query().unwrap_or_default().to_owned(),
                headers: head.headers,
                body: body.collect().await?.to_bytes(),
            };
            let response = reply(&asked);
            kept.lock().unwrap().push(asked);
            Ok::<_, hyper::Error>(response)
        }
    });
    _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

pub(crate) fn client(
    address: &str,
    credential: Option<Credential>,
    trust: Trust,
) -> RegistryClient {
    let credentials = credential.map(|it| Arc::new(it) as _);
    let options = Options { trust, credentials, ..Options::default() };
    RegistryClient::connect(address.parse().unwrap(), options).unwrap()
}

pub(crate) fn password(user: &str, password: &str) -> Option<Credential> {
    Some(Credential::Password { user: user.into(), password: password.into() })
}

pub(crate) fn answer(status: u16, body: impl Into<Bytes>) -> Reply {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

pub(crate) fn with(status: u16, name: &'static str, value: impl AsRef<str>) -> Reply {
    let mut response = answer(status, "");
    response.headers_mut().insert(name, value.as_ref().parse().unwrap());
    response
}
