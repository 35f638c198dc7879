//! `Body`: the body of a response in one of the few forms there are, without a box around each.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::{ContentBody, EventBody};
use crate::StoreError;
use crate::Window;

/// The body of a response.
#[derive(Debug)]
pub(crate) struct Body(Form);

#[derive(Debug)]
enum Form {
    Empty,
    /// Goes out as one frame.
    Whole(Bytes),
    Content(Box<ContentBody>),
    /// Of no known length.
    Events(EventBody),
    Page(axum::body::Body),
}

/// Why a body broke off; the connection is closed, since its length was already told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The store could not give the bytes.
    #[error("cannot read the content that is being sent")]
    Content(#[source] StoreError),
    /// The thread that was reading them ended.
    #[error("reading the content that is being sent was broken off")]
    Broken(#[source] tokio::task::JoinError),
    /// There were fewer bytes than the blob has.
    #[error("the content that is being sent ended early")]
    Short,
    /// A page's body failed.
    #[error("cannot send a page")]
    Page(#[source] axum::Error),
}

impl Body {
    pub(crate) fn empty() -> Self {
        Self(Form::Empty)
    }

    /// Bytes that are in memory.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self(if bytes.is_empty() { Form::Empty } else { Form::Whole(bytes) })
    }

    /// A blob or parts of one.
    pub(crate) fn content(content: ContentBody) -> Self {
        Self(Form::Content(Box::new(content)))
    }

    /// What an ingest tells.
    pub(crate) fn events(events: EventBody) -> Self {
        Self(Form::Events(events))
    }

    /// One of axum's pages.
    pub(crate) fn page(body: axum::body::Body) -> Self {
        Self(Form::Page(body))
    }
}

impl http_body::Body for Body {
    type Data = Window;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Window>, BodyError>>> {
        match &mut self.0 {
            Form::Empty => Poll::Ready(None),
            Form::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Form::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes.into()))))
            }
            Form::Content(content) => {
                content.poll_window(cx).map(|window| Some(window?.map(Frame::data)))
            }
            Form::Events(events) => {
                events.poll_lines(cx).map(|lines| lines.map(|lines| Ok(Frame::data(lines.into()))))
            }
            Form::Page(page) => Pin::new(page).poll_frame(cx).map(|frame| {
                let frame = frame?.map_err(BodyError::Page);
                Some(frame.map(|frame| frame.map_data(Window::from)))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Form::Empty => true,
            Form::Whole(_) | Form::Events(_) => false,
            Form::Content(content) => content.remaining() == 0,
            Form::Page(page) => page.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Form::Empty => SizeHint::with_exact(0),
            Form::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Form::Content(content) => SizeHint::with_exact(content.remaining()),
            Form::Events(_) => SizeHint::default(),
            Form::Page(page) => page.size_hint(),
        }
    }
}
