//! What clients of another dialect see of Responses answers.

use bytes::Bytes;

use super::ResponsesAsk;
use crate::{relay::pump::Tap, wire::json::Doc};

/// Told to clients whose streams end with the service.
const RESTARTING: &str = "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"The service is restarting, please retry\",\"param\":null}\n\n";

/// Statuses from here on are shown as the vendor words them.
const ERRORS: u16 = 400;

/// Makes another dialect's answers of Responses answers.
pub trait Shape: Send + Sync {
    /// A whole JSON answer below 400.
    fn whole(&self, answer: &Doc) -> Bytes;
    /// A stream below 400.
    fn stream(&self) -> Box<dyn ShapedStream>;
}

/// One stream in another dialect.
pub trait ShapedStream: Send {
    /// What the client gets of the next bytes.
    fn chunk(&mut self, chunk: Bytes) -> Option<Bytes>;
    /// What follows when the stream has ended, one way or another.
    fn finish(&mut self) -> Option<Bytes>;
}

/// A tap, and what the client sees of the bytes that it lets through.
pub(in crate::relay) struct Shaped<T> {
    /// The tap.
    pub(in crate::relay) tap: T,
    shape: Option<Box<dyn ShapedStream>>,
}

impl<T: Tap> Shaped<T> {
    /// For the client of a request that was answered with this status.
    pub(in crate::relay) fn new(ask: &ResponsesAsk, status: u16, tap: T) -> Self {
        let shape = ask.shape().filter(|_| status < ERRORS).map(|shape| shape.stream());
        Self { tap, shape }
    }

    /// What the client still gets when the stream did not end by itself.
    pub(in crate::relay) fn broken_off(&mut self) -> Option<Bytes> {
        self.shape.as_mut().and_then(|shape| shape.finish())
    }

    /// What the client still gets when the service ends before the stream.
    pub(in crate::relay) fn restarting(&mut self) -> Bytes {
        let Some(shape) = &mut self.shape else { return Bytes::from_static(RESTARTING.as_bytes()) };
        // Whatever line was under way has ended.
        let told = shape.chunk(format!("\n\n{RESTARTING}").into());
        let parts = [told, shape.finish()];
        parts.into_iter().flatten().collect::<Vec<_>>().concat().into()
    }
}

impl<T: Tap> Tap for Shaped<T> {
    fn chunk(&mut self, chunk: Bytes) -> Option<Bytes> {
        let shown = self.tap.chunk(chunk)?;
        match &mut self.shape {
            Some(shape) => shape.chunk(shown),
            None => Some(shown),
        }
    }

    fn finish(&mut self) -> Option<Bytes> {
        let rest = self.tap.finish();
        let Some(shape) = &mut self.shape else { return rest };
        let mut out = Vec::new();
        if let Some(shown) = rest.and_then(|rest| shape.chunk(rest)) {
            out.extend_from_slice(&shown);
        }
        if let Some(shown) = shape.finish() {
            out.extend_from_slice(&shown);
        }
        (!out.is_empty()).then(|| out.into())
    }

    fn is_settled(&self) -> bool {
        self.tap.is_settled()
    }
}

/// A whole JSON answer as the client sees it.
pub(in crate::relay) fn whole(ask: &ResponsesAsk, status: u16, answer: &Doc) -> Bytes {
    match ask.shape().filter(|_| status < ERRORS) {
        Some(shape) => shape.whole(answer),
        None => crate::relay::plain::rewritten(answer),
    }
}
