//! A load generator for registries: what a pull, a push and a request cost the server.
//!
//! Each measurement answers one question about a registry that listens somewhere, seen from outside:
//! how many bytes or requests a second, how long one push took, and, where the server's process can be
//! seen, its CPU seconds and its peak memory. On a machine of two cores the client is half of what is
//! measured, so it does as little as it can: blocking sockets for the bytes, one polling thread for the
//! small requests, `sendfile` for what it sends, and no HTTP library.
//!
//! It refuses to judge: a ratio is the [`report`]'s business, and what is good or bad is the reader's.
//! It also refuses to be a client for real use: it knows the few answers that a healthy registry gives,
//! and ends on every other one.

mod asked;
mod clients;
pub mod connection;
pub mod content;
mod download;
pub mod error;
pub mod head;
pub mod image;
pub mod lists;
pub mod measurement;
pub mod mixed;
pub mod nodes;
pub mod pages;
pub mod plot;
pub mod pull;
pub mod pull_image;
pub mod push;
pub mod ready;
pub mod receive;
pub mod report;
pub mod requests;
pub mod send;
pub mod server;
mod size;
mod stop;
mod stream;
pub mod target;
pub mod volume;

pub use connection::Connection;
pub use content::Source;
pub use error::LoadError;
pub use image::Image;
pub use lists::Lists;
pub use measurement::{Cell, Latency, Measurement, Operation};
pub use mixed::Mixed;
pub use nodes::Nodes;
pub use pull::Pull;
pub use pull_image::{Contents, PullImage};
pub use push::Push;
pub use requests::{Request, Requests};
pub use server::ServerProcess;
pub use size::Size;
pub use stop::Stop;
pub use target::Target;
