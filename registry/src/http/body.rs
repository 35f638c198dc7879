//! Bodies on their way in ([`RequestBody`]) and out ([`Body`]): limits, backpressure, and no copy
//! that is not needed.

mod budget;
mod content;
mod events;
mod received;
mod sent;

pub(super) use budget::Budget;
pub(super) use content::{ContentBody, Piece};
pub(super) use events::EventBody;
pub(super) use received::RequestBody;
pub(crate) use sent::{Body, BodyError};
