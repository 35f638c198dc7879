//! Ingest's end-point, beside the distribution API: who may ask, for what, and the answer, which
//! tells how far it is while it runs.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use wharf_oci::ingest::{INGEST_PATH, INGEST_VERSION, IngestEvent, IngestRequest};

use super::Call;
use super::answer::{self, Response};
use super::body::{Body, EventBody};
use super::error::{Failure, chain};
use crate::activity;
use crate::error::Error;
use crate::ingest::{Ingest, IngestError, Ingests, Told};
use crate::metrics::Metrics;

/// The longest request that is read, in bytes: a digest, a name and a tag.
const REQUEST_BYTES_MAX: u64 = 4 << 10;

/// One JSON value a line.
const EVENTS: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// Whether a request is for this end-point.
pub(super) fn is_meant(method: &Method, path: &str) -> bool {
    method == Method::POST && path == INGEST_PATH
}

/// Lets a client ask, finds what it asks for, and begins.
pub(super) async fn start(mut call: Call<'_>, ingests: &Ingests) -> Result<Response, Failure> {
    admit(call.headers, ingests)?;
    let wish = read(&mut call).await?;
    let ingest = ingests.find(wish).await?;
    let (told, events) = Told::new();
    let metrics = Arc::clone(&call.api.metrics);
    let run = Run { ingests: ingests.clone(), told, client: call.client, metrics };
    tokio::spawn(run.through(ingest));
    Ok(answer::streamed(StatusCode::OK, EVENTS, Body::events(EventBody::new(events))))
}

/// Lets those in who know the secret; but no web page, whatever it knows.
fn admit(headers: &HeaderMap, ingests: &Ingests) -> Result<(), Failure> {
    if headers.contains_key(header::ORIGIN) {
        return Err(Failure::IngestPage);
    }
    let mut presented = headers.get_all(header::AUTHORIZATION).iter();
    let bearer = match (presented.next(), presented.next()) {
        (Some(one), None) => bearer(one.as_bytes()),
        _ => None,
    };
    if bearer.is_some_and(|secret| ingests.secret().is(secret)) {
        return Ok(());
    }
    Err(Failure::IngestSecret)
}

/// The token of a `Bearer` header, whose scheme may be written in any case (RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// The request, if it is of the version that is spoken here.
async fn read(call: &mut Call<'_>) -> Result<IngestRequest, Failure> {
    /// What requests of all versions have in common.
    #[derive(Deserialize)]
    struct AnyVersion {
        version: u32,
    }

    let budget = &call.api.manifest_budget;
    let collected = call.body.collect(REQUEST_BYTES_MAX, budget).await;
    let (bytes, _share) = collected.map_err(|failure| match failure {
        Failure::Registry(Error::ManifestTooLarge { limit }) => Failure::IngestTooLarge { limit },
        failure => failure,
    })?;
    let AnyVersion { version } = serde_json::from_slice(&bytes).map_err(Failure::IngestRequest)?;
    if version != INGEST_VERSION {
        return Err(Failure::IngestVersion { version });
    }
    serde_json::from_slice(&bytes).map_err(Failure::IngestRequest)
}

/// An ingest that runs beside its answer, and ends when that does.
struct Run {
    ingests: Ingests,
    told: Told,
    client: IpAddr,
    metrics: Arc<Metrics>,
}

impl Run {
    async fn through(self, ingest: Ingest) {
        let begun = Instant::now();
        let last = match self.ingests.take(&ingest, &self.told).await {
            Ok(done) => {
                self.metrics.blobs_committed.inc_by(done.taken);
                self.metrics.bytes_ingested.inc_by(done.bytes);
                activity::tell_ingested(self.client, &ingest, &done, begun.elapsed());
                IngestEvent::Done {
                    digest: done.digest,
                    original: done.is_original,
                    unchanged: done.was_there,
                }
            }
            Err(error) => IngestEvent::Failed { message: self.tell_failed(&ingest, &error) },
        };
        self.told.tell(last).await;
    }

    /// Says in the log that an ingest failed; gives what its client may know of it.
    fn tell_failed(&self, ingest: &Ingest, error: &IngestError) -> String {
        let (client, repository, why) = (self.client, &ingest.name, chain(error));
        match error {
            IngestError::Unheard => tracing::info!(%client, %repository, "ingest called off"),
            IngestError::Registry(Error::Store { .. }) => {
                tracing::error!(%client, %repository, "ingest failed: {why}");
                return format!("the registry {error}; its log says why");
            }
            _ => tracing::warn!(%client, %repository, "ingest failed: {why}"),
        }
        why
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_is_read() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("BEARER abc def", Some("abc def")),
            ("Bearer", None),
            ("Bearerabc", None),
            ("Basic abcdef", None),
            ("", None),
        ] {
            assert_eq!(bearer(value.as_bytes()), token.map(str::as_bytes), "{value}");
        }
    }
}
