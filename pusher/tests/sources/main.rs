//! The promises of every source of images, kept over images that real programs wrote, over images made
//! by hand in forms that those programs no longer write, and over archives that are damaged or lie.

#![expect(clippy::unwrap_used, reason = "tests of the promises of other code")]

mod archives;
mod bad_archives;
mod contract;
mod engine;
mod engines;
mod layouts;
mod made;
mod streams;
mod written;
