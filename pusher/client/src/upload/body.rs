//! The body of a request: bytes in memory, or pieces that are read while it goes.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::error::SourceFailure;
use crate::upload::pieces::{Pieces, lock};

/// The body of a request.
pub(crate) enum RequestBody {
    /// Bytes in memory; empty after they were sent.
    Memory(Bytes),
    /// Pieces that a blocking thread reads, and how many bytes of them are still to go.
    Pieces { pieces: Arc<Mutex<Pieces>>, left: u64 },
}

impl Default for RequestBody {
    fn default() -> Self {
        Self::Memory(Bytes::new())
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = SourceFailure;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SourceFailure>>> {
        let next = match self.get_mut() {
            Self::Memory(bytes) if bytes.is_empty() => return Poll::Ready(None),
            Self::Memory(bytes) => Ok(std::mem::take(bytes)),
            Self::Pieces { left: 0, .. } => return Poll::Ready(None),
            Self::Pieces { pieces, left } => ready!(lock(pieces).poll_next(context, *left))
                .inspect(|bytes| *left -= bytes.len() as u64),
        };
        Poll::Ready(Some(next.map(Frame::data).map_err(|error| SourceFailure(Arc::new(error)))))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Pieces { left, .. } => *left,
        })
    }
}
