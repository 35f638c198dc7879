//! Every metric of the server, named once, and the page that Prometheus reads.
//!
//! The counters of requests exist from the start, one for each operation and class of status, so
//! that counting a request is two atomic additions and no lookup.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry as Page, Unit};
use wharf_oci::Endpoint;

use crate::registry::Statistics;

/// Upper ends of the latency histogram's buckets, in seconds.
const LATENCIES: [f64; 10] = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// The classes that statuses are counted by.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The metrics of one server.
pub(crate) struct Metrics {
    page: Page,
    requests: [[Counter; CLASSES.len()]; Operation::ALL.len()],
    latency: [Histogram; Operation::ALL.len()],
    /// Bytes read from all sockets.
    pub(crate) bytes_in: Counter,
    /// Bytes written to all sockets.
    pub(crate) bytes_out: Counter,
    /// Connections that are open.
    pub(crate) connections: Gauge,
    /// Blobs that were stored.
    pub(crate) blobs_committed: Counter,
    /// Bytes that were taken in without a push.
    pub(crate) bytes_ingested: Counter,
    uploads: Gauge,
    cache_hits: Gauge,
    cache_misses: Gauge,
}

/// What requests are counted as: an end-point and a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Operation {
    Version,
    ListRepositories,
    ListTags,
    ListReferrers,
    GetBlob,
    HeadBlob,
    DeleteBlob,
    StartUpload,
    UploadStatus,
    AppendUpload,
    FinishUpload,
    CancelUpload,
    GetManifest,
    HeadManifest,
    PutManifest,
    DeleteManifest,
    Ingest,
    /// Health, metrics, and whatever is no end-point.
    Other,
}

impl Operation {
    const ALL: [(Self, &'static str, &'static str); 18] = [
        (Self::Version, "version", "GET"),
        (Self::ListRepositories, "catalog", "GET"),
        (Self::ListTags, "tags", "GET"),
        (Self::ListReferrers, "referrers", "GET"),
        (Self::GetBlob, "blob", "GET"),
        (Self::HeadBlob, "blob", "HEAD"),
        (Self::DeleteBlob, "blob", "DELETE"),
        (Self::StartUpload, "upload", "POST"),
        (Self::UploadStatus, "upload", "GET"),
        (Self::AppendUpload, "upload", "PATCH"),
        (Self::FinishUpload, "upload", "PUT"),
        (Self::CancelUpload, "upload", "DELETE"),
        (Self::GetManifest, "manifest", "GET"),
        (Self::HeadManifest, "manifest", "HEAD"),
        (Self::PutManifest, "manifest", "PUT"),
        (Self::DeleteManifest, "manifest", "DELETE"),
        (Self::Ingest, "ingest", "POST"),
        (Self::Other, "other", ""),
    ];

    /// What a request to `endpoint` is counted as.
    pub(crate) fn of(endpoint: &Endpoint) -> Self {
        match endpoint {
            Endpoint::Version => Self::Version,
            Endpoint::ListRepositories { .. } => Self::ListRepositories,
            Endpoint::ListTags { .. } => Self::ListTags,
            Endpoint::ListReferrers { .. } => Self::ListReferrers,
            Endpoint::GetBlob { .. } => Self::GetBlob,
            Endpoint::HeadBlob { .. } => Self::HeadBlob,
            Endpoint::DeleteBlob { .. } => Self::DeleteBlob,
            Endpoint::StartUpload { .. } => Self::StartUpload,
            Endpoint::UploadStatus { .. } => Self::UploadStatus,
            Endpoint::AppendUpload { .. } => Self::AppendUpload,
            Endpoint::FinishUpload { .. } => Self::FinishUpload,
            Endpoint::CancelUpload { .. } => Self::CancelUpload,
            Endpoint::GetManifest { .. } => Self::GetManifest,
            Endpoint::HeadManifest { .. } => Self::HeadManifest,
            Endpoint::PutManifest { .. } => Self::PutManifest,
            Endpoint::DeleteManifest { .. } => Self::DeleteManifest,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    endpoint: &'static str,
    method: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    endpoint: &'static str,
    method: &'static str,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut page = Page::with_prefix("wharf");
        let requests = Family::<RequestLabels, Counter>::default();
        let latency =
            Family::<OperationLabels, Histogram, fn() -> Histogram>::new_with_constructor(|| {
                Histogram::new(LATENCIES)
            });
        let metrics = Self {
            requests: Operation::ALL.map(|(_, endpoint, method)| {
                CLASSES.map(|status| {
                    requests.get_or_create_owned(&RequestLabels { endpoint, method, status })
                })
            }),
            latency: Operation::ALL.map(|(_, endpoint, method)| {
                latency.get_or_create_owned(&OperationLabels { endpoint, method })
            }),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            connections: Gauge::default(),
            blobs_committed: Counter::default(),
            bytes_ingested: Counter::default(),
            uploads: Gauge::default(),
            cache_hits: Gauge::default(),
            cache_misses: Gauge::default(),
            page: Page::default(),
        };
        page.register("requests", "Requests answered", requests);
        page.register_with_unit(
            "request_duration",
            "Time to the head of the answer",
            Unit::Seconds,
            latency,
        );
        page.register_with_unit(
            "received",
            "Bytes read from clients, heads included",
            Unit::Bytes,
            metrics.bytes_in.clone(),
        );
        page.register_with_unit(
            "sent",
            "Bytes written to clients, heads included",
            Unit::Bytes,
            metrics.bytes_out.clone(),
        );
        page.register("connections", "Open connections", metrics.connections.clone());
        page.register("uploads", "Open upload sessions", metrics.uploads.clone());
        page.register("blobs_committed", "Blobs stored", metrics.blobs_committed.clone());
        page.register_with_unit(
            "ingested",
            "Bytes taken in from a mounted image store",
            Unit::Bytes,
            metrics.bytes_ingested.clone(),
        );
        page.register("cache_hits", "Answers the cache had", metrics.cache_hits.clone());
        page.register(
            "cache_misses",
            "Answers that had to be read from the volume",
            metrics.cache_misses.clone(),
        );
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        page.register("build", "The version that runs", Info::new(version));
        Self { page, ..metrics }
    }

    /// Counts a request that was answered.
    pub(crate) fn answered(&self, operation: Operation, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        self.requests[operation as usize][class].inc();
        self.latency[operation as usize].observe(took.as_secs_f64());
    }

    /// The page that Prometheus reads.
    ///
    /// # Errors
    /// Never in practice: the text grows in memory.
    pub(crate) fn render(&self, statistics: Statistics) -> Result<String, fmt::Error> {
        let level = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.uploads.set(level(statistics.uploads_open as u64));
        self.cache_hits.set(level(statistics.cache_hits));
        self.cache_misses.set(level(statistics.cache_misses));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.page)?;
        Ok(text)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_stands_at_its_own_place() {
        for (index, (operation, _, _)) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, index);
        }
    }

    #[test]
    fn what_is_counted_is_on_the_page() {
        let metrics = Metrics::new();
        let took = Duration::from_millis(2);
        metrics.answered(Operation::GetManifest, StatusCode::OK, took);
        metrics.answered(Operation::GetManifest, StatusCode::NOT_FOUND, took);
        metrics.answered(Operation::GetManifest, StatusCode::NOT_MODIFIED, took);
        metrics.bytes_out.inc_by(7);
        metrics.connections.inc();
        let statistics = Statistics { uploads_open: 3, cache_hits: 4, cache_misses: 5 };
        let text = metrics.render(statistics).unwrap();
        for line in [
            r#"wharf_requests_total{endpoint="manifest",method="GET",status="2xx"} 1"#,
            r#"wharf_requests_total{endpoint="manifest",method="GET",status="4xx"} 1"#,
            r#"wharf_requests_total{endpoint="blob",method="GET",status="2xx"} 0"#,
            r#"wharf_request_duration_seconds_count{endpoint="manifest",method="GET"} 3"#,
            "wharf_sent_bytes_total 7",
            "wharf_connections 1",
            "wharf_uploads 3",
            "wharf_cache_hits 4",
            "wharf_cache_misses 5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in:\n{text}");
        }
    }
}
