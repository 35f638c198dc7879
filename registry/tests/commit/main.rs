//! The steps of a commit: what others see at each, and what is left when the process dies there.
//!
//! Needs the feature `failpoints`, which no release is built with.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on ends here; the child says on stdout what was acknowledged"
)]

mod crash;
mod image;
mod visibility;
