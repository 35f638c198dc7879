//! What is not the distribution API: the root, the way to `/v2/`, health, readiness and metrics.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::{StatusCode, header};
use wharf_oci::{EndpointError, ErrorBody, ErrorCode};

use super::error::chain;
use crate::metrics::Metrics;
use crate::registry::Registry;

/// The text form that Prometheus asks for first.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the pages on health and metrics look at.
#[derive(Debug, Clone)]
pub(super) struct Admin {
    pub(super) registry: Registry,
    pub(super) metrics: Arc<Metrics>,
}

/// The pages of a listener; health and metrics are among them if `admin` is given.
pub(super) fn pages(admin: Option<Admin>) -> Router {
    let pages =
        Router::new().route("/", get(root)).route("/v2", any(to_the_api)).fallback(not_found);
    let pages = match admin {
        None => pages,
        Some(admin) => pages.merge(
            Router::new()
                .route("/healthz", get(alive))
                .route("/readyz", get(ready))
                .route("/metrics", get(metrics))
                .with_state(admin),
        ),
    };
    pages.method_not_allowed_fallback(wrong_method)
}

async fn root() -> &'static str {
    "This is wharf, a container registry. Its API begins at /v2/.\n"
}

async fn to_the_api() -> Response {
    (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, "/v2/")]).into_response()
}

async fn not_found() -> Response {
    refused(StatusCode::NOT_FOUND, &EndpointError::NotFound)
}

/// axum adds the methods that would have been right.
async fn wrong_method() -> Response {
    refused(StatusCode::METHOD_NOT_ALLOWED, &EndpointError::Method { allowed: "GET, HEAD" })
}

fn refused(status: StatusCode, error: &EndpointError) -> Response {
    let body = ErrorBody::new(ErrorCode::Unsupported, error.to_string());
    let text = serde_json::to_string(&body).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// The process runs and answers; nothing more is asked.
async fn alive() -> &'static str {
    "ok\n"
}

/// The volume answers too.
async fn ready(State(admin): State<Admin>) -> Response {
    match admin.registry.check().await {
        Ok(()) => "ok\n".into_response(),
        Err(error) => {
            tracing::warn!("not ready: {}", chain(&error));
            let text = "the registry's volume does not answer; its log says why\n";
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    match admin.metrics.render(admin.registry.statistics()) {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => {
            tracing::error!("cannot write the metrics: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
