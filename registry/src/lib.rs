//! wharf's registry: an OCI distribution server on registry:2's own volume.
//!
//! A request walks one road down and its answer the same road up:
//!
//! ```text
//! server     floor 4   listeners, limits on connections and time, drain
//! http       floor 3   request → Endpoint → one handler → response
//! registry   floor 2   the domain: blobs, uploads, manifests, tags, referrers, catalog
//! store      floor 1   files, links, syncs
//! ```
//!
//! A floor calls the one below and nothing else. The store blocks; the domain crosses to a blocking
//! thread once per request, and not at all where its bounded cache has the answer.

mod activity;
mod blob;
mod cache;
mod catalog;
mod config;
mod error;
pub mod failpoint;
mod http;
mod index;
mod ingest;
mod manifest;
mod metrics;
mod purge;
mod receive;
mod referrers;
mod registry;
mod server;
mod store;
mod tag;
mod upload;

pub use config::{Config, Http, Ingest, Limits, Uploads};
pub use error::Error;
pub use manifest::{PutManifest, StoredManifest};
pub use receive::{FillError, Receiving};
pub use registry::{Registry, Statistics};
pub use server::{ServeError, Server};
pub use store::OpenError;
pub use store::content::{Content, WINDOW_BYTES};
pub use store::error::StoreError;
pub use store::usage::{Usage, usage};
pub use store::volume_lock::LockError;
pub use store::window::Window;
pub use tag::Listing;
pub use upload::Incoming;

use store::window::Place;
