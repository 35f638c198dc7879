//! From the place where an image was built to any registry: what the registry has is not sent, what
//! it lacks goes in parallel, and the tag goes last.
//!
//! ```text
//! source     an image as descriptors and readers: Podman's store, an archive, a layout
//! layer      the form in which a layer goes: as it is, gzip or zstd
//! transfer   what the registry has, what it can mount, what is sent
//! client     requests (the crate wharf-client)
//! ```
//!
//! What it refuses to do: print, read the environment, start a program that it was not given, keep a
//! whole layer in memory.

mod error;
pub mod image;
pub mod ingest;
pub mod layer;
pub mod progress;
mod push;
pub mod source;
mod transfer;

pub use error::Error;
pub use push::{Config, Order, PARALLEL, Plan, Planned, Pushed, Step, Stop, plan, push};
