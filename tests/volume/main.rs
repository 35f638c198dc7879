//! One volume, two programs: what Debian's `docker-registry` (registry:2) writes, Wharf serves and adds
//! to, and the other way round, with every digest equal at each step. The oddities that real volumes
//! hold read as absent.
//!
//! Both programs run as they would for a user: as processes, on a folder, asked over HTTP. What a
//! registry answers beyond what the volume holds is `tests/it`'s business.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test says what went wrong by panicking, and tells a person what it left out"
)]

mod api;
mod content;
mod server;
mod volume;

mod exchange;
mod garbage_collect;
mod lock;
mod oddities;
mod sha512;
