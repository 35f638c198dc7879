//! `ContentBody`: a blob, or parts of it, going out window by window. While one window is being
//! sent, a blocking thread brings in the next, unless it is in memory already; nothing here touches
//! the bytes of either, so that pages of a mapped file are never faulted in on the runtime.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::task::{JoinHandle, spawn_blocking};

use super::BodyError;
use crate::Content;
use crate::StoreError;
use crate::Window;
use crate::activity::Sending;
use crate::http::error::chain;

/// A body made of pieces of one blob, with text between them.
#[derive(Debug)]
pub(crate) struct ContentBody {
    content: Content,
    pieces: VecDeque<Piece>,
    /// The next window, of the first range in `pieces`.
    ahead: Option<Ahead>,
    remaining: u64,
    sending: Sending,
}

/// A window that was asked for.
#[derive(Debug)]
enum Ahead {
    /// It was in memory.
    Here(Window),
    /// A blocking thread brings it in.
    Coming(JoinHandle<Result<Window, StoreError>>),
}

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Bytes of the blob; never empty.
    Range(Range<u64>),
    /// Text between them.
    Text(Bytes),
}

impl Ahead {
    /// The window, which is not empty.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Window, BodyError>> {
        let window = match self {
            Self::Here(window) => std::mem::take(window),
            Self::Coming(coming) => match ready!(Pin::new(coming).poll(cx)) {
                Ok(Ok(window)) => window,
                Ok(Err(error)) => return Poll::Ready(Err(BodyError::Content(error))),
                Err(error) => return Poll::Ready(Err(BodyError::Broken(error))),
            },
        };
        let is_short = !window.has_remaining();
        Poll::Ready(if is_short { Err(BodyError::Short) } else { Ok(window) })
    }
}

impl Piece {
    fn length(&self) -> u64 {
        match self {
            Self::Range(range) => range.end - range.start,
            Self::Text(text) => text.len() as u64,
        }
    }
}

impl ContentBody {
    /// A body of `pieces`; the first window is asked for at once.
    pub(crate) fn new(content: Content, pieces: VecDeque<Piece>, sending: Sending) -> Self {
        let remaining = pieces.iter().map(Piece::length).sum();
        let mut body = Self { content, pieces, ahead: None, remaining, sending };
        body.look_ahead();
        body
    }

    /// Bytes that are still to come.
    pub(crate) fn remaining(&self) -> u64 {
        self.remaining
    }

    /// The next bytes; `None` at the end.
    pub(crate) fn poll_window(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Window, BodyError>>> {
        let window = match self.pieces.front_mut() {
            None => return Poll::Ready(None),
            Some(Piece::Text(text)) => {
                let text = std::mem::take(text);
                self.pieces.pop_front();
                text.into()
            }
            Some(Piece::Range(range)) => {
                let Some(ahead) = &mut self.ahead else { return Poll::Ready(None) };
                let window = ready!(ahead.poll(cx));
                self.ahead = None;
                match window {
                    Ok(window) => {
                        range.start += window.remaining() as u64;
                        if range.is_empty() {
                            self.pieces.pop_front();
                        }
                        window
                    }
                    Err(error) => return Poll::Ready(Some(Err(self.broken(error)))),
                }
            }
        };
        self.remaining -= window.remaining() as u64;
        self.sending.add(window.remaining() as u64);
        self.look_ahead();
        Poll::Ready(Some(Ok(window)))
    }

    /// Has the next window brought in.
    fn look_ahead(&mut self) {
        if self.ahead.is_some() {
            return;
        }
        // Two texts never follow each other, so that the next range is the first piece or the second.
        let next = self.pieces.iter().take(2).find_map(|piece| match piece {
            Piece::Range(range) => Some(range.clone()),
            Piece::Text(_) => None,
        });
        if let Some(range) = next {
            self.ahead = Some(match self.content.window_at_once(range.clone()) {
                Some(window) => Ahead::Here(window),
                None => {
                    let content = self.content.clone();
                    Ahead::Coming(spawn_blocking(move || content.window(range)))
                }
            });
        }
    }

    /// Ends the body, and says why in the log: the client sees its connection close, no more.
    fn broken(&mut self, error: BodyError) -> BodyError {
        self.pieces.clear();
        tracing::error!("{}", chain(&error));
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::Activity;
    use http_body::Body as _;
    use http_body_util::BodyExt;
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;

    fn body(content: &'static [u8], pieces: &[Piece]) -> crate::http::Body {
        let content = Content::from_bytes(Bytes::from_static(content));
        let client = IpAddr::from(Ipv4Addr::LOCALHOST);
        let sending = Arc::new(Activity::default()).sending(client, &"a".parse().unwrap());
        let pieces = pieces.iter().cloned().collect();
        crate::http::Body::content(ContentBody::new(content, pieces, sending))
    }

    #[tokio::test]
    async fn pieces_come_in_order_and_as_many_bytes_as_were_told() {
        let text = |text: &'static str| Piece::Text(Bytes::from_static(text.as_bytes()));
        let table: [(&[Piece], &str); 4] = [
            (&[Piece::Range(0..10)], "0123456789"),
            (&[Piece::Range(3..5)], "34"),
            (&[text("<"), Piece::Range(8..10), text("|"), Piece::Range(0..1), text(">")], "<89|0>"),
            (&[], ""),
        ];
        for (pieces, expected) in table {
            let body = body(b"0123456789", pieces);
            assert_eq!(body.size_hint().exact(), Some(expected.len() as u64));
            assert_eq!(body.collect().await.unwrap().to_bytes(), expected);
        }
    }

    #[tokio::test]
    async fn the_end_is_known_with_the_last_frame() {
        let mut body = body(b"0123456789", &[Piece::Range(0..10)]);
        assert!(!body.is_end_stream());
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap().remaining(), 10);
        assert!(body.is_end_stream(), "hyper need not ask again");
    }

    #[tokio::test]
    async fn content_that_ends_early_breaks_the_body_off() {
        let body = body(b"0123456789", &[Piece::Range(5..20)]);
        assert!(matches!(body.collect().await, Err(BodyError::Short)));
    }
}
