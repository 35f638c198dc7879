//! The settings of a registry once they are checked: a value that stands here is one that the server
//! can run with.
//!
//! Reads no file, no environment and no flag, and knows no text form: whoever starts the server fills
//! this in. [`Config::new`] gives every default, so only what differs is named.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use wharf_oci::ingest::Secret;

/// Everything that a registry can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The folder of the store: what registry:2 calls `rootdirectory`, and mounts at
    /// `/var/lib/registry`.
    pub root: PathBuf,
    /// Where the distribution API is served. Port 0 asks the system for a free port.
    pub listen: Vec<SocketAddr>,
    /// Where health and metrics are served; `None` puts them beside the API.
    pub admin_listen: Option<SocketAddr>,
    /// Refuses every request that would change the store.
    pub read_only: bool,
    /// Whether tags, manifests and blobs may be deleted.
    pub deletes: bool,
    /// Accepts a manifest although blobs that it names are not there.
    pub allow_sparse: bool,
    /// The largest manifest that is accepted, in bytes.
    pub manifest_bytes_max: u64,
    /// The largest blob that is accepted, in bytes; `None` leaves it to the disk.
    pub blob_bytes_max: Option<u64>,
    /// A write that would leave less than this many bytes free on the volume is refused.
    pub free_bytes_min: u64,
    /// The most memory that cached manifests, tags and blob sizes may take, in bytes.
    pub cache_bytes_max: u64,
    /// The most entries that one page of tags or of the catalog holds.
    pub page_entries_max: usize,
    /// The entries on a page of the catalog when the request asks for no number.
    pub catalog_page: usize,
    /// How upload sessions are kept and given up.
    pub uploads: Uploads,
    /// What one client, and all clients together, may take.
    pub limits: Limits,
    /// What is particular to HTTP: headers, names, locations.
    pub http: Http,
    /// Where images may be taken from without a push; `None` offers no ingest.
    pub ingest: Option<Ingest>,
}

impl Config {
    /// The defaults for a store in `root`: loopback only, deletes allowed, nothing sparse.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 5000))],
            admin_listen: None,
            read_only: false,
            deletes: true,
            allow_sparse: false,
            manifest_bytes_max: 8 << 20,
            blob_bytes_max: None,
            free_bytes_min: 16 << 20,
            cache_bytes_max: 8 << 20,
            page_entries_max: 1000,
            catalog_page: 100,
            uploads: Uploads::default(),
            limits: Limits::default(),
            http: Http::default(),
            ingest: None,
        }
    }
}

/// Where images may be taken from without a push, and who may ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingest {
    /// The folder with `overlay`, `overlay-images` and `overlay-layers` of a containers/storage in
    /// it, each mounted read-only.
    pub storage: PathBuf,
    /// What a client has to know.
    pub secret: Secret,
}

/// How upload sessions are kept and given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploads {
    /// A session that received nothing for this long is given up.
    pub idle_max: Duration,
    /// The most sessions that are open at once, over all repositories.
    pub count_max: usize,
    /// Whether idle sessions are removed at all.
    pub purge: bool,
    /// How often idle sessions are looked for.
    pub purge_interval: Duration,
    /// Only logs which sessions would be removed.
    pub purge_dry_run: bool,
}

impl Default for Uploads {
    fn default() -> Self {
        Self {
            idle_max: Duration::from_secs(24 * 60 * 60),
            count_max: 4096,
            purge: true,
            purge_interval: Duration::from_secs(60 * 60),
            purge_dry_run: false,
        }
    }
}

/// What one client, and all clients together, may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The most connections that are open at once.
    pub connections_max: usize,
    /// How long a client may take to send the head of a request.
    pub header_time_max: Duration,
    /// How long a connection may stay open between two requests.
    pub idle_time_max: Duration,
    /// How long a client may neither send nor take a byte of a body.
    pub body_idle_max: Duration,
    /// The largest head of a request, in bytes.
    pub header_bytes_max: usize,
    /// The most header fields in one request.
    pub headers_max: usize,
    /// How long requests may still run once the server is told to stop.
    pub drain_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 512,
            header_time_max: Duration::from_secs(30),
            idle_time_max: Duration::from_secs(120),
            body_idle_max: Duration::from_secs(60),
            header_bytes_max: 64 << 10,
            headers_max: 100,
            drain_time_max: Duration::from_secs(8),
        }
    }
}

/// What is particular to HTTP: headers, names, locations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// What absolute `Location` headers begin with, as `https://registry.example`; `None` leaves
    /// them relative.
    pub location_base: Option<String>,
    /// Headers added to every response.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Origins (as `https://ui.example`) of web pages that may change the store, beside loopback
    /// and the names below.
    pub allowed_origins: Vec<String>,
    /// The names by which clients call this registry, without a port.
    pub names: Vec<String>,
    /// Writes one log line per request.
    pub access_log: bool,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            location_base: None,
            headers: Vec::new(),
            allowed_origins: Vec::new(),
            names: vec!["localhost".to_owned(), "kind-registry".to_owned()],
            access_log: false,
        }
    }
}
