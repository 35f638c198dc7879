//! The steps of a commit: what others see at each, and what is left when the process dies there.
//!
//! Needs the feature `failpoints`, which no release is built with.

mod crash;
mod image;
mod visibility;
