//! The client itself: one address, one pool of connections, and the way a request goes out.
//! What can be asked stands in `download`, `upload` and `list`.

use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::uri::PathAndQuery;
use http::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use wharf_oci::{Endpoint, Reference, RepositoryName};

use crate::address::RegistryAddress;
use crate::answer::Answer;
use crate::connect::Connector;
use crate::error::Error;
use crate::options::{Limits, Options};
use crate::upload::RequestBody;

/// A client of one registry. Clones share its connections.
#[derive(Debug, Clone)]
pub struct RegistryClient {
    address: RegistryAddress,
    http: Client<Connector, RequestBody>,
    pub(crate) limits: Limits,
}

impl RegistryClient {
    /// A client with the default limits. Nothing is sent yet.
    pub fn new(address: RegistryAddress) -> Self {
        Self::with_limits(address, Limits::default())
    }

    /// A client of a registry that may want TLS and a login. Nothing is sent yet; the files that
    /// the options name are read.
    pub fn connect(address: RegistryAddress, options: Options) -> Result<Self, Error> {
        Ok(Self::with_limits(address, options.limits))
    }

    /// A client with other limits.
    pub fn with_limits(address: RegistryAddress, limits: Limits) -> Self {
        let http = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(limits.idle_max)
            .build(Connector::new(limits.connect_max, limits.silence_max));
        Self { address, http, limits }
    }

    /// The registry that it talks to.
    pub fn address(&self) -> &RegistryAddress {
        &self.address
    }

    /// Whether a registry answers there (distribution spec, end-1).
    pub async fn ping(&self) -> Result<(), Error> {
        self.ask(&Endpoint::Version).await?.accept(&[StatusCode::OK]).await.map(drop)
    }

    /// Whether the registry says that it is ready to serve. `/readyz` is Wharf's own; other
    /// registries answer 404.
    pub async fn ready(&self) -> Result<(), Error> {
        let request = Request::new(RequestBody::default());
        let target = PathAndQuery::from_static("/readyz");
        self.send(Target::Path(target), request).await?.accept(&[StatusCode::OK]).await.map(drop)
    }

    /// Removes a manifest, with every tag that names it; or, by tag, that tag alone
    /// (distribution spec, end-9).
    pub async fn delete_manifest(
        &self,
        name: &RepositoryName,
        reference: &Reference,
    ) -> Result<(), Error> {
        let endpoint =
            Endpoint::DeleteManifest { name: name.clone(), reference: reference.clone() };
        self.ask(&endpoint).await?.accept(&[StatusCode::ACCEPTED]).await.map(drop)
    }

    /// Sends a request without a body.
    pub(crate) async fn ask(&self, endpoint: &Endpoint) -> Result<Answer, Error> {
        self.call(endpoint, None, None, RequestBody::default()).await
    }

    /// Sends a request to an end-point.
    pub(crate) async fn call(
        &self,
        endpoint: &Endpoint,
        accept: Option<&'static str>,
        content_type: Option<HeaderValue>,
        body: RequestBody,
    ) -> Result<Answer, Error> {
        let mut request = Request::new(body);
        *request.method_mut() = endpoint.method();
        if let Some(accept) = accept {
            request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
        }
        if let Some(content_type) = content_type {
            request.headers_mut().insert(CONTENT_TYPE, content_type);
        }
        self.send(Target::Path(path_of(endpoint)), request).await
    }

    /// Sends a request to a target, and waits for the head of its answer.
    pub(crate) async fn send(
        &self,
        target: Target,
        mut request: Request<RequestBody>,
    ) -> Result<Answer, Error> {
        let uri = target.on(&self.address);
        let line = line_of(request.method(), &uri);
        *request.uri_mut() = uri;
        let agent = concat!("wharf/", env!("CARGO_PKG_VERSION"));
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(agent));
        match self.http.request(request).await {
            Ok(response) => Ok(Answer { address: self.address.clone(), request: line, response }),
            Err(error) if error.is_connect() => {
                Err(Error::unreachable(&self.address, error.into()))
            }
            Err(error) => Err(Error::on_the_way(&self.address, &line, error.into())),
        }
    }
}

/// Where a request goes.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// A path on the client's own registry.
    Path(PathAndQuery),
    /// An address that the registry gave, host included.
    Absolute(Uri),
}

impl Target {
    #[expect(clippy::expect_used, reason = "the three parts of an HTTP address make one")]
    fn on(self, address: &RegistryAddress) -> Uri {
        match self {
            Self::Absolute(uri) => uri,
            Self::Path(path) => Uri::builder()
                .scheme(address.scheme())
                .authority(address.authority())
                .path_and_query(path)
                .build()
                .expect("scheme, authority and path make an address"),
        }
    }
}

#[expect(clippy::expect_used, reason = "an end-point renders to a path of a request")]
pub(crate) fn path_of(endpoint: &Endpoint) -> PathAndQuery {
    endpoint.to_uri().parse().expect("an end-point renders to a path")
}

fn line_of(method: &Method, uri: &Uri) -> String {
    format!("{method} {}", uri.path())
}
