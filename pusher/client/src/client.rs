//! The client itself: one address, one pool of connections, and the way a request goes out.
//! What can be asked stands in `download`, `upload` and `list`.

use std::sync::Arc;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::uri::{PathAndQuery, Scheme};
use http::{Request, StatusCode, Uri};
use hyper::body::Body as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tower_service::Service;
use wharf_oci::{Endpoint, Reference, RepositoryName};

use crate::address::RegistryAddress;
use crate::answer::Answer;
use crate::authorize::{Authorizer, Need, Pass};
use crate::connect::Connector;
use crate::denial::Denial;
use crate::error::{BoxError, Error};
use crate::options::{Limits, Options};
use crate::target::{is_same_origin, origin};
use crate::trust::Tls;
use crate::upload::RequestBody;

pub(crate) use crate::target::{Target, path_of};

/// The most that is read of an answer that asks for a login, in bytes.
const REFUSAL_BYTES_MAX: u64 = 64 << 10;
/// A request with at most so many bytes takes no time to send: its answer may take only so long.
const SMALL_BYTES: u64 = 1 << 20;

/// A client of one registry. Clones share its connections and its tokens.
#[derive(Debug, Clone)]
pub struct RegistryClient {
    address: RegistryAddress,
    http: Client<Connector, RequestBody>,
    pub(crate) limits: Limits,
    shared: Arc<Shared>,
    /// What a request to an address that the registry gave needs.
    need: Need,
}

/// What a client knows, and finds out, about its registry.
#[derive(Debug)]
struct Shared {
    authorizer: Authorizer,
    pushes: bool,
    insecure: bool,
    /// Plain HTTP or TLS; not set as long as it has to be tried.
    scheme: OnceCell<Scheme>,
    connector: Connector,
}

impl RegistryClient {
    /// A client of a registry on plain HTTP or with a certificate that the system trusts, with the
    /// default limits, and without credentials. Nothing is sent yet.
    pub fn new(address: RegistryAddress) -> Self {
        Self::with_limits(address, Limits::default())
    }

    /// A client with other limits.
    pub fn with_limits(address: RegistryAddress, limits: Limits) -> Self {
        Self::of(address, Options { limits, ..Options::default() }, Tls::default())
    }

    /// A client of a registry that may want TLS and a login. Nothing is sent yet; the files of
    /// certificates that the options name are read.
    pub fn connect(address: RegistryAddress, options: Options) -> Result<Self, Error> {
        let tls = Tls::read(&options.trust, address.name())?;
        Ok(Self::of(address, options, tls))
    }

    fn of(address: RegistryAddress, options: Options, tls: Tls) -> Self {
        let Options { limits, trust, credentials, pushes } = options;
        let scheme = match address.written_scheme() {
            None if trust.insecure => None,
            None if tls.is_named() => Some(Scheme::HTTPS),
            _ => Some(address.scheme()),
        };
        let connector = Connector::new(&limits, Arc::new(tls));
        let http = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(limits.idle_max)
            .build(connector.clone());
        let shared = Shared {
            authorizer: Authorizer::new(credentials, trust.insecure),
            pushes,
            insecure: trust.insecure,
            scheme: OnceCell::new_with(scheme),
            connector,
        };
        Self { address, http, limits, shared: Arc::new(shared), need: Need::default() }
    }

    /// The same client, whose requests to addresses that the registry gave are part of a push into
    /// this repository.
    pub(crate) fn pushing_to(&self, name: &RepositoryName) -> Self {
        Self { need: Need::push(name), ..self.clone() }
    }

    /// The registry that it talks to.
    pub fn address(&self) -> &RegistryAddress {
        &self.address
    }

    /// Whether a registry answers there (distribution spec, end-1).
    pub async fn ping(&self) -> Result<(), Error> {
        self.ask(&Endpoint::Version).await?.accept(&[StatusCode::OK]).await.map(drop)
    }

    /// Whether the registry lets in who is asking. False: it lets everybody in, and the credentials
    /// were not looked at.
    pub async fn log_in(&self) -> Result<bool, Error> {
        self.ping().await?;
        Ok(self.shared.authorizer.was_asked())
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
        let need = Need::of(endpoint, self.shared.pushes);
        self.send_for(&need, Target::Path(path_of(endpoint)), request).await
    }

    /// Sends a request to a target, and waits for the head of its answer.
    pub(crate) async fn send(
        &self,
        target: Target,
        request: Request<RequestBody>,
    ) -> Result<Answer, Error> {
        self.send_for(&self.need, target, request).await
    }

    /// Sends a request, with what the registry has to be told to let it through. What it has not
    /// asked for yet, it is told in a second try.
    async fn send_for(
        &self,
        need: &Need,
        target: Target,
        mut request: Request<RequestBody>,
    ) -> Result<Answer, Error> {
        let origin = self.find_origin().await?;
        let Some(uri) = target.on(&origin, self.shared.insecure) else {
            let request = format!("{} {}", request.method(), self.address);
            let lack = "with an address that leaves TLS";
            return Err(Error::Incomplete { address: self.address.clone(), request, lack });
        };
        let line = format!("{} {}", request.method(), uri.path());
        let is_own = is_same_origin(&uri, &origin);
        *request.uri_mut() = uri;
        if !is_own || request.headers().contains_key(AUTHORIZATION) {
            return self.deliver(request, &line).await;
        }
        let authorizer = &self.shared.authorizer;
        let again = copy(&request);
        let pass = authorizer.pass(self, need).await?;
        let mut answer = self.deliver(with(request, pass.as_ref()), &line).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let Some(need) = authorizer.learn(&answer, need, pass.as_ref()) else { return Ok(answer) };
        if let Some(pass) = pass.filter(|pass| !pass.can_be_renewed()) {
            return Err(authorizer.refusal(self, &need, &pass));
        }
        // Read to its end, the connection can be used again.
        _ = answer.read(REFUSAL_BYTES_MAX).await;
        let Some(pass) = authorizer.pass(self, &need).await? else { return Ok(answer) };
        let Some(request) = again else {
            return Err(Error::TokenEnded { address: self.address.clone(), request: line });
        };
        let answer = self.deliver(with(request, Some(&pass)), &line).await?;
        match answer.status() {
            StatusCode::UNAUTHORIZED => Err(authorizer.refusal(self, &need, &pass)),
            _ => Ok(answer),
        }
    }

    /// Sends a request as it is, to the address in it.
    pub(crate) async fn deliver(
        &self,
        mut request: Request<RequestBody>,
        line: &str,
    ) -> Result<Answer, Error> {
        let is_small = request.body().size_hint().upper().is_some_and(|size| size <= SMALL_BYTES);
        let agent = concat!("wharf/", env!("CARGO_PKG_VERSION"));
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(agent));
        let asked = RegistryAddress::of(request.uri()).unwrap_or_else(|| self.address.clone());
        let is_own = asked.authority() == self.address.authority();
        let address = if is_own { self.address.clone() } else { asked };
        let credential = request.headers().get(AUTHORIZATION).cloned();
        let time_max = self.limits.answer_max;
        let answering = self.http.request(request);
        let answered = match is_small {
            false => answering.await,
            true => timeout(time_max, answering).await.map_err(|_| Error::Slow {
                address: address.clone(),
                request: line.to_owned(),
                limit: time_max,
            })?,
        };
        let request = line.to_owned();
        match answered {
            Ok(response) => Ok(Answer { address, request, credential, time_max, response }),
            Err(error) if error.is_connect() => Err(Error::unreachable(&address, error.into())),
            Err(error) => Err(Error::on_the_way(&address, line, error.into())),
        }
    }

    /// Scheme, host and port of the registry, found out by trying where nothing else tells.
    async fn find_origin(&self) -> Result<Uri, Error> {
        let probe = || async {
            let mut connector = self.shared.connector.clone();
            let connected = connector.call(origin(Scheme::HTTPS, self.address.authority())).await;
            let Err(no_tls) = connected else { return Ok(Scheme::HTTPS) };
            match connector.call(origin(Scheme::HTTP, self.address.authority())).await {
                Ok(_) => Ok(Scheme::HTTP),
                Err(_) => Err(Error::unreachable(&self.address, no_tls)),
            }
        };
        let scheme = self.shared.scheme.get_or_try_init(probe).await?;
        Ok(origin(scheme.clone(), self.address.authority()))
    }

    /// Scheme, host and port of the registry, as far as they are known.
    pub(crate) fn origin(&self) -> Uri {
        let scheme = self.shared.scheme.get().cloned().unwrap_or_else(|| self.address.scheme());
        origin(scheme, self.address.authority())
    }

    /// What lets a request through, as far as the registry has asked for anything yet.
    pub(crate) async fn pass(&self, need: &Need) -> Result<Option<Pass>, Error> {
        self.shared.authorizer.pass(self, need).await
    }

    /// What TLS with the registry stands on.
    pub(crate) async fn tls_config(&self) -> Result<Arc<rustls::ClientConfig>, BoxError> {
        self.shared.connector.tls_config().await
    }

    pub(crate) fn denied(&self, reason: Denial) -> Error {
        Error::Unauthorized { address: self.address.clone(), reason: Box::new(reason) }
    }
}

/// A request with what lets it through.
fn with(mut request: Request<RequestBody>, pass: Option<&Pass>) -> Request<RequestBody> {
    if let Some(pass) = pass {
        request.headers_mut().insert(AUTHORIZATION, pass.header());
    }
    request
}

/// The same request once more; none if its body can be sent only once.
fn copy(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let RequestBody::Memory(bytes) = request.body() else { return None };
    let mut copy = Request::new(RequestBody::Memory(bytes.clone()));
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    Some(copy)
}
