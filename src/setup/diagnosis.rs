//! What `wharf doctor` knows beyond the steps: why things that look right do not work. Each is a
//! [`Step`] whose `apply` mends what it can. Nothing here makes anything: that is for the steps.

pub mod engine;

use super::Step;

/// What the engine and its machine must be able to do before any step can be looked at.
pub fn before() -> Vec<Box<dyn Step>> {
    vec![Box::new(engine::AnswerOfEngine)]
}

/// Every other diagnosis, in the order in which they are told.
pub fn all() -> Vec<Box<dyn Step>> {
    Vec::new()
}
