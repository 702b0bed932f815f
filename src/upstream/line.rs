//! One HTTP/1.1 connection, driven by whoever waits for its answer.
//!
//! hyper's connection future is not spawned: the task that wants the answer's head, and later its body,
//! polls it. So there is no task per connection, dropping the answer drops the socket at once, and an
//! idle connection costs nothing but its memory.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1::{Builder, Connection, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep},
};

use super::{
    SendError, failure,
    wire::{Gauge, Transport, Wire},
};

/// Largest answer head, and the legacy runtime's limit.
const MAX_HEAD: usize = 16 * 1024;
/// Most headers of an answer.
const MAX_HEADERS: usize = 256;
/// Most bytes buffered per connection and direction.
const MAX_BUFFER: usize = 64 * 1024;

/// An open connection.
pub(super) struct Line {
    connection: Connection<TokioIo<Wire>, Payload>,
    sender: SendRequest<Payload>,
    gauge: Arc<Gauge>,
    finished: bool,
    _permit: OwnedSemaphorePermit,
}

/// A complete request body.
pub(super) struct Payload {
    bytes: Option<Bytes>,
    chunked: bool,
}

/// Fires when no byte has moved on a connection for a while.
pub(super) struct IdleTimer {
    limit: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl Line {
    /// Starts HTTP on a fresh connection. `permit` is held as long as the connection is open.
    pub async fn open(
        transport: Transport,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, SendError> {
        let gauge = Gauge::new();
        let io = TokioIo::new(Wire::new(transport, gauge.clone()));
        let (sender, connection) = Builder::new()
            .max_buf_size(MAX_BUFFER)
            .max_header_size(MAX_HEAD)
            .max_headers(MAX_HEADERS)
            .handshake(io)
            .await
            .map_err(|error| failure::before_head(&error, None))?;
        Ok(Self { connection, sender, gauge, finished: false, _permit: permit })
    }

    /// What is known of the connection.
    pub fn gauge(&self) -> &Gauge {
        &self.gauge
    }

    /// Sends one request and waits for the head of its answer.
    pub async fn exchange(
        &mut self,
        method: http::Method,
        head: Bytes,
        payload: Payload,
        timer: &mut IdleTimer,
    ) -> Result<Response<Incoming>, SendError> {
        // hyper's own head only has to announce the framing; the armed one replaces it.
        self.gauge.arm(head);
        let mut request = Request::new(payload);
        *request.method_mut() = method;
        poll_fn(|cx| {
            self.poll_drive(cx);
            self.sender.poll_ready(cx)
        })
        .await
        .map_err(|error| failure::before_head(&error, self.gauge.failure()))?;
        let mut answer = pin!(self.sender.send_request(request));
        poll_fn(|cx| {
            // Not `poll_drive`: the answer's future keeps `sender` borrowed.
            if !self.finished {
                self.finished = Pin::new(&mut self.connection).poll(cx).is_ready();
            }
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(
                    answer.map_err(|e| failure::before_head(&e, self.gauge.failure())),
                );
            }
            timer.poll(&self.gauge, cx).map(|()| Err(failure::silence()))
        })
        .await
    }

    /// Moves bytes; afterwards the answer's body may have more.
    pub fn poll_drive(&mut self, cx: &mut Context<'_>) {
        if !self.finished {
            self.finished = Pin::new(&mut self.connection).poll(cx).is_ready();
        }
    }

    /// Whether another request can be sent. Looks at the socket, so a peer that has closed is noticed;
    /// also lets go of the task that last waited here.
    pub fn is_usable(&mut self) -> bool {
        self.poll_drive(&mut Context::from_waker(Waker::noop()));
        !self.finished && self.sender.is_ready()
    }
}

impl Payload {
    /// A body; `chunked` leaves its length unsaid.
    pub fn new(bytes: Bytes, chunked: bool) -> Self {
        Self { bytes: Some(bytes).filter(|bytes| !bytes.is_empty()), chunked }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none() && !self.chunked
    }

    fn size_hint(&self) -> SizeHint {
        if self.chunked {
            return SizeHint::new();
        }
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

impl IdleTimer {
    /// A timer for one exchange.
    pub fn new(limit: Duration) -> Self {
        Self { limit, sleep: Box::pin(tokio::time::sleep(limit)) }
    }

    /// Ready when nothing has moved for the limit.
    pub fn poll(&mut self, gauge: &Gauge, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            // The sleep is only set again when it fires, not on every byte.
            let due = gauge.touched() + self.limit;
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(due);
        }
    }
}
