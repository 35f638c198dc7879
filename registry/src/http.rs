//! Floor 3: HTTP. A request is parsed once, meets one handler and one domain function, and becomes a
//! response here; the only home of axum. It imports the domain, never the store below it.
//!
//! Requests under `/v2/` go straight to [`dispatch`]: names have slashes in them, so that no router
//! can tell the end-points apart, and a pull is spared the boxes of one. What is left (`/`, health,
//! metrics) is axum's. There are no layers: what every answer gets is added in [`Http::answer`].
//! Nothing is ever compressed, since lengths and ranges are those of the stored bytes.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header, request};
use hyper::body::Incoming;
use tower_service::Service as _;
use wharf_oci::Endpoint;

use crate::activity::Activity;
use crate::config::Config;
use crate::ingest::Ingests;
use crate::metrics::{Metrics, Operation};
use crate::registry::Registry;

mod admin;
mod answer;
mod blob;
mod body;
mod catalog;
mod conditional;
mod dispatch;
mod error;
mod framing;
mod host;
mod ingest;
mod location;
mod manifest;
mod multipart;
mod origin;
mod referrers;
mod tag;
mod upload;

use answer::Response;
use error::Failure;
use location::Locations;
use origin::Origins;

pub(crate) use body::{Body, BodyError};
pub(crate) use error::chain;

use body::{Budget, RequestBody};

/// Old docker asks for this on every answer, 401 included.
const API_VERSION: (HeaderName, HeaderValue) = (
    HeaderName::from_static("docker-distribution-api-version"),
    HeaderValue::from_static("registry/2.0"),
);

/// What a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    /// The distribution API, and health and metrics unless they have a listener of their own.
    Api,
    /// Health and metrics alone.
    Admin,
}

/// Everything that answers a request: the domain below, and what HTTP adds to it.
#[derive(Debug)]
pub(crate) struct Http {
    api: Api,
    pages: Router,
    admin: Router,
    headers: Vec<(HeaderName, HeaderValue)>,
    access_log: bool,
}

/// What the handlers of the distribution API work with.
#[derive(Debug)]
struct Api {
    registry: Registry,
    metrics: Arc<Metrics>,
    activity: Arc<Activity>,
    locations: Locations,
    origins: Origins,
    /// `None` where no images are taken in.
    ingests: Option<Ingests>,
    manifest_bytes_max: u64,
    manifest_budget: Budget,
    body_idle_max: Duration,
}

/// One request on its way through a handler.
struct Call<'a> {
    api: &'a Api,
    client: IpAddr,
    headers: &'a HeaderMap,
    body: &'a mut RequestBody,
}

impl Http {
    pub(crate) fn new(
        config: &Config,
        registry: Registry,
        metrics: Arc<Metrics>,
        activity: Arc<Activity>,
    ) -> Self {
        let ingests = config.ingest.clone().map(|config| Ingests::new(registry.clone(), config));
        let admin = admin::Admin { registry: registry.clone(), metrics: Arc::clone(&metrics) };
        Self {
            pages: admin::pages((config.admin_listen.is_none()).then(|| admin.clone())),
            admin: admin::pages(Some(admin)),
            api: Api {
                registry,
                metrics,
                activity,
                locations: Locations::new(config.http.location_base.as_deref()),
                origins: Origins::new(&config.http),
                ingests,
                manifest_bytes_max: config.manifest_bytes_max,
                manifest_budget: Budget::new(),
                body_idle_max: config.limits.body_idle_max,
            },
            headers: config.http.headers.clone(),
            access_log: config.http.access_log,
        }
    }

    /// Answers one request; every failure becomes an answer too.
    pub(crate) async fn answer(
        &self,
        face: Face,
        client: IpAddr,
        request: Request<Incoming>,
    ) -> Response {
        let begun = Instant::now();
        let line = self.access_log.then(|| format!("{} {}", request.method(), request.uri()));
        let path = request.uri().path();
        let is_api = face == Face::Api;
        let ingests = self.api.ingests.as_ref();
        let ingests = ingests.filter(|_| is_api && ingest::is_meant(request.method(), path));
        let (operation, mut response) = if is_api && path.starts_with("/v2/") {
            self.api.answer(client, request).await
        } else if let Some(ingests) = ingests {
            (Operation::Ingest, self.api.ingest(client, request, ingests).await)
        } else {
            (Operation::Other, self.page(face, request).await)
        };
        let headers = response.headers_mut();
        headers.insert(API_VERSION.0, API_VERSION.1);
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        let took = begun.elapsed();
        self.api.metrics.answered(operation, response.status(), took);
        if let Some(line) = line {
            let milliseconds = took.as_secs_f64() * 1000.0;
            tracing::info!(%client, status = response.status().as_u16(), milliseconds, "{line}");
        }
        response
    }

    async fn page(&self, face: Face, request: Request<Incoming>) -> Response {
        if let Err(failure) = framing::check(request.version(), request.headers()) {
            return failure.into_response(&self.api.locations);
        }
        let mut router = match face {
            Face::Api => self.pages.clone(),
            Face::Admin => self.admin.clone(),
        };
        let Ok(response) = router.call(request).await;
        response.map(Body::page)
    }
}

impl Api {
    async fn answer(&self, client: IpAddr, request: Request<Incoming>) -> (Operation, Response) {
        let (head, incoming) = request.into_parts();
        let expects = head.headers.contains_key(header::EXPECT);
        let mut body = RequestBody::new(incoming, expects, self.body_idle_max);
        let endpoint = match self.admit(&head) {
            Ok(endpoint) => endpoint,
            Err(failure) => {
                let response = failure.into_response(&self.locations);
                return (Operation::Other, body.finish(response));
            }
        };
        let operation = Operation::of(&endpoint);
        let call = Call { api: self, client, headers: &head.headers, body: &mut body };
        let response = match dispatch::dispatch(endpoint, call).await {
            Ok(response) => response,
            Err(failure) => failure.into_response(&self.locations),
        };
        (operation, body.finish(response))
    }

    /// Answers what is no end-point of the distribution API, and so has none of its ways.
    async fn ingest(
        &self,
        client: IpAddr,
        request: Request<Incoming>,
        ingests: &Ingests,
    ) -> Response {
        let (head, incoming) = request.into_parts();
        let expects = head.headers.contains_key(header::EXPECT);
        let mut body = RequestBody::new(incoming, expects, self.body_idle_max);
        let call = Call { api: self, client, headers: &head.headers, body: &mut body };
        let started = match framing::check(head.version, &head.headers) {
            Ok(()) => ingest::start(call, ingests).await,
            Err(failure) => Err(failure),
        };
        let response = started.unwrap_or_else(|failure| failure.into_response(&self.locations));
        body.finish(response)
    }

    fn admit(&self, head: &request::Parts) -> Result<Endpoint, Failure> {
        framing::check(head.version, &head.headers)?;
        self.origins.check(&head.method, &head.headers)?;
        Ok(Endpoint::parse(&head.method, &head.uri)?)
    }
}
