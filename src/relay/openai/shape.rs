//! What clients of another dialect see of Responses answers.

use bytes::Bytes;

use super::ResponsesAsk;
use crate::{
    domain::HeaderList,
    relay::{
        Call, Reply, ReplyBody,
        pump::{End, Pump, Tap},
    },
    wire::{
        json::Doc,
        openai::{
            events::{EventTap, Limit, Rules},
            gather::{Gathered, gathered},
        },
    },
};

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

    /// Hands a stream on to its end; of one that ended too early the client gets what there is to say.
    pub(in crate::relay) async fn hand_on(&mut self, call: &Call, pump: &mut Pump) -> End {
        let end = call.while_connected(pump.run(self)).await;
        let left = match &end {
            End::Shutdown => Some(self.restarting()),
            End::Cut(_) => self.broken_off(),
            End::Complete | End::ClientGone => None,
        };
        if let Some(left) = left {
            // A client that is gone by now has lost nothing that counts.
            let _ = pump.client.send(left).await;
        }
        end
    }

    /// What the client still gets when the stream did not end by itself.
    fn broken_off(&mut self) -> Option<Bytes> {
        self.shape.as_mut().and_then(|shape| shape.finish())
    }

    /// What the client still gets when the service ends before the stream.
    fn restarting(&mut self) -> Bytes {
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

/// Events that came although a client of another dialect asked for none. Its dialect has no use for their
/// text, so that they are gathered; clients of the Responses API get the text, as from the legacy service.
pub(in crate::relay) struct Unasked {
    /// The answer, unless there was none: then what the client is told.
    pub(in crate::relay) answer: Result<Doc, Reply>,
    /// A limit that was told among them.
    pub(in crate::relay) limit: Option<Limit>,
}

impl Unasked {
    /// What a body is, that is no JSON (`answer` is then its text).
    pub(in crate::relay) fn read(
        ask: &ResponsesAsk,
        status: u16,
        rules: Rules,
        (body, answer): (&Bytes, &Doc),
    ) -> Option<Self> {
        ask.shape().filter(|_| status < ERRORS && answer.root().is_string())?;
        let gathered = gathered(body)?;
        let mut tap = EventTap::new(rules);
        body.split(|b| *b == b'\n').for_each(|line| tap.line(line));
        let limit = tap.limit();
        let answer = match gathered {
            Gathered::Answer(answer) => Ok(answer),
            Gathered::Failed(error) => {
                let status = if limit.is_some() { 429 } else { 502 };
                let body = ReplyBody::Json(error.text().clone());
                Err(Reply { status, headers: HeaderList::new(), body })
            }
        };
        Some(Self { answer, limit })
    }
}

/// A whole JSON answer as the client sees it.
pub(in crate::relay) fn whole(ask: &ResponsesAsk, status: u16, answer: &Doc) -> Bytes {
    match ask.shape().filter(|_| status < ERRORS) {
        Some(shape) => shape.whole(answer),
        None => crate::relay::plain::rewritten(answer),
    }
}
