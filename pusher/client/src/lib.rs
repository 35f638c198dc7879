//! One HTTP client of the OCI distribution API, for everything in Wharf that talks to a registry.
//!
//! Bytes stream in both directions and are checked on the way: a blob or a manifest whose bytes
//! are not those of its digest is an error, never a value. A request is an
//! [`Endpoint`](wharf_oci::Endpoint), so no path is put together here.
//!
//! What it refuses to do: print, read the environment, choose a registry, or try again by itself.
//! It starts no program: what keeps credentials is asked through a face that is handed in.

mod address;
mod answer;
mod auth_files;
mod authorize;
mod client;
mod connect;
mod credential;
mod denial;
mod download;
mod error;
mod ingest;
mod list;
mod options;
mod registries_conf;
mod retry;
mod target;
mod trust;
mod upload;
mod way;

pub use address::{AddressError, RegistryAddress};
pub use auth_files::{AuthFiles, AuthPlaces, Helper, HelperAnswer, Keeper};
pub use client::RegistryClient;
pub use connect::Silence;
pub use credential::{Credential, CredentialError, Credentials};
pub use denial::Denial;
pub use download::{Download, PulledManifest};
pub use error::Error;
pub use ingest::{Ingest, IngestEvents};
pub use list::Listing;
pub use options::{Limits, Options, Trust};
pub use registries_conf::{RegistriesConf, RegistriesConfError, RegistryRule};
pub use retry::Retry;
pub use upload::{Begun, BlobSource, UploadSession, Uploaded};
pub use way::Way;
