//! A response body that hands out its pieces with pauses between them.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

/// Asked for the next piece when there is none; `None` is the end.
type More = Box<dyn FnMut() -> Option<Bytes> + Send>;

/// Pieces of a body.
pub struct Paced {
    pieces: VecDeque<Bytes>,
    /// Known length, for a body in one piece.
    length: Option<u64>,
    pause: Option<(Duration, Pin<Box<Sleep>>)>,
    more: Option<More>,
}

impl Paced {
    /// A body in one piece, with a length.
    pub fn whole(bytes: Bytes) -> Self {
        Self {
            length: Some(bytes.len() as u64),
            pieces: VecDeque::from([bytes]),
            pause: None,
            more: None,
        }
    }

    /// A stream of events, with a pause before each but the first.
    pub fn events(events: Vec<Bytes>, pause: Duration) -> Self {
        let pause =
            (!pause.is_zero()).then(|| (pause, Box::pin(tokio::time::sleep(Duration::ZERO))));
        Self { pieces: events.into(), length: None, pause, more: None }
    }

    /// A stream whose pieces are made as they are due.
    pub fn made(pause: Duration, more: More) -> Self {
        Self { more: Some(more), ..Self::events(Vec::new(), pause) }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        if let Some((pause, sleep)) = &mut self.pause {
            ready!(sleep.as_mut().poll(cx));
            let next = Instant::now() + *pause;
            sleep.as_mut().reset(next);
        }
        let made = self.more.as_mut().and_then(|more| more());
        self.pieces.extend(made);
        if self.pieces.is_empty() {
            self.more = None;
        }
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.more.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
