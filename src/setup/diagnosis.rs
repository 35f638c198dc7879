//! What `wharf doctor` knows beyond the steps: why things that look right do not work. Each is a
//! [`Step`] whose `apply` mends what it can.

use super::Step;

/// Every diagnosis, in the order in which they are told.
pub fn all() -> Vec<Box<dyn Step>> {
    Vec::new()
}
