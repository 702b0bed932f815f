//! The hook of the shadow side: sees an exchange pass, cannot touch it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use super::head::{RequestHead, ResponseHead};

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The whole answer was handed to the client.
    Complete,
    /// The client left first.
    ClientLeft,
    /// Node broke its answer off.
    Cut,
    /// There was no answer from Node; the client got an error of ours.
    Failed,
    /// The connection speaks another protocol from here on.
    Upgraded,
}

/// Sees one exchange. Calls happen in the task that carries the client's bytes: an implementer must
/// neither block nor wait, so it copies into buffers of its own that are bounded. A panic ends the
/// observation and nothing else.
pub trait Observer: Send {
    /// The request's head as the client sent it.
    fn on_request_head(&mut self, head: &RequestHead);
    /// Payload of the request, without chunk framing.
    fn on_request_chunk(&mut self, chunk: Bytes);
    /// The request came whole; not called for one that broke off, has broken framing, or was answered first.
    fn on_request_end(&mut self);
    /// The answer's head as Node sent it.
    fn on_response_head(&mut self, head: &ResponseHead);
    /// Payload of the answer, without chunk framing.
    fn on_response_chunk(&mut self, chunk: Bytes);
    /// The last call.
    fn on_end(&mut self, end: End);
}

/// A request that is traced.
pub struct Trace {
    /// Names the request to the tap inside of Node; letters, digits, `-` and `_`. `None` when no tap
    /// listens: then Node must not see a header.
    pub id: Option<String>,
    /// Sees the exchange.
    pub observer: Option<Box<dyn Observer>>,
}

/// Calls an observer until it panics or is told the end.
pub(super) struct Observed(Option<Box<dyn Observer>>);

impl Observed {
    pub fn new(observer: Option<Box<dyn Observer>>) -> Self {
        Self(observer)
    }

    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub fn tell(&mut self, call: impl FnOnce(&mut dyn Observer)) {
        let Some(mut observer) = self.0.take() else { return };
        // What the panic left behind is dropped unseen, so it does not matter in which state it is.
        match catch_unwind(AssertUnwindSafe(|| {
            call(observer.as_mut());
            observer
        })) {
            Ok(observer) => self.0 = Some(observer),
            Err(_) => {
                metrics::counter!("crs_forward_observer_panics_total").increment(1);
                tracing::error!(
                    "An observer of forwarded requests panicked; the client is not touched"
                );
            }
        }
    }

    /// The last call. Nothing is told after it.
    pub fn end(&mut self, end: End) {
        self.tell(|observer| observer.on_end(end));
        if let Some(observer) = self.0.take() {
            // Its destructor is the implementer's code too.
            let _ = catch_unwind(AssertUnwindSafe(move || drop(observer)));
        }
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        // The task was dropped in the middle: the service ended or the connection was cut.
        self.end(End::ClientLeft);
    }
}
