//! The answer's body as a stream that drives its connection and hands it back when done.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures_util::Stream;
use http::HeaderMap;
use http_body::Body;
use hyper::body::Incoming;

use super::{
    SendError, failure,
    line::{IdleTimer, Line},
    pool::{Pool, Route},
};
use crate::domain::{HeaderList, joint, latin1};

/// A body in arrival. Dropped early, it closes the connection.
pub(super) struct Answer {
    incoming: Incoming,
    /// `None` once the body has ended.
    line: Option<Line>,
    timer: IdleTimer,
    home: Option<Home>,
}

/// Where the connection goes when the body has been read to its end.
pub(super) struct Home {
    /// The pool.
    pub pool: Arc<Pool>,
    /// The place in the pool.
    pub route: Route,
    /// How long the peer said it keeps an idle connection, in seconds.
    pub hint: Option<u64>,
}

impl Answer {
    /// Joins a body with its connection. Without a `home` the connection closes after the body.
    pub fn new(incoming: Incoming, line: Line, timer: IdleTimer, home: Option<Home>) -> Self {
        let mut answer = Self { incoming, line: Some(line), timer, home };
        if answer.incoming.is_end_stream() {
            answer.go_home();
        }
        answer
    }

    /// Gives the connection back: the body has been read to its end.
    fn go_home(&mut self) {
        if let (Some(line), Some(home)) = (self.line.take(), self.home.take()) {
            home.pool.put(home.route, line, home.hint);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // The end of a chunked body may be here without having been asked for.
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..2 {
            let Some(line) = self.line.as_mut() else { return };
            match Pin::new(&mut self.incoming).poll_frame(&mut cx) {
                Poll::Ready(None) => self.go_home(),
                Poll::Ready(Some(_)) => return,
                Poll::Pending => line.poll_drive(&mut cx),
            }
        }
    }
}

impl Stream for Answer {
    type Item = Result<Bytes, SendError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(line) = this.line.as_mut() else { return Poll::Ready(None) };
        let mut driven = false;
        loop {
            match Pin::new(&mut this.incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers are dropped, as the legacy service does.
                    if let Ok(data) = frame.into_data() {
                        // A reader that counts bytes does not ask again after the last ones.
                        if this.incoming.is_end_stream() {
                            this.go_home();
                        }
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    let seen = line.gauge().failure();
                    this.line = None;
                    return Poll::Ready(Some(Err(failure::within_body(&error, seen))));
                }
                Poll::Ready(None) => {
                    this.go_home();
                    return Poll::Ready(None);
                }
                Poll::Pending if driven => {
                    if this.timer.poll(line.gauge(), cx).is_ready() {
                        this.line = None;
                        return Poll::Ready(Some(Err(failure::silence())));
                    }
                    return Poll::Pending;
                }
                Poll::Pending => {
                    line.poll_drive(cx);
                    driven = true;
                }
            }
        }
    }
}

/// The headers as the legacy runtime presents them: repeated ones joined, except cookies that are set.
/// Values are bytes on the wire and read as Latin-1.
pub(super) fn header_list(headers: &HeaderMap) -> HeaderList {
    let mut list = HeaderList::new();
    for name in headers.keys() {
        let mut values = headers.get_all(name).iter().map(|value| latin1(value.as_bytes()));
        let Some(mut value) = values.next() else { continue };
        for more in values {
            match (name.as_str(), joint(name.as_str())) {
                ("set-cookie", _) => list.push(name.as_str(), std::mem::replace(&mut value, more)),
                (_, Some(joint)) => value = format!("{value}{joint}{more}"),
                (_, None) => {}
            }
        }
        list.push(name.as_str(), value);
    }
    list
}
