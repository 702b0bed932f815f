//! What the pipeline answers, independent of any HTTP framework.
//!
//! The variants of [`ReplyBody`] mirror the ways the legacy service ends a response, because they
//! differ on the wire: a JSON answer carries an `ETag` and a length, a written stream is chunked.

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::domain::HeaderList;

/// Answer to one client request.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers of this answer; the service's standing headers are added by `api`.
    pub headers: HeaderList,
    /// Body.
    pub body: ReplyBody,
}

/// How the body is sent.
#[derive(Debug)]
pub enum ReplyBody {
    /// JSON text: charset, length and `ETag` are added; an existing `Content-Type` is kept.
    Json(Bytes),
    /// Text sent whole: as JSON, but `text/html` when no type is set.
    Text(Bytes),
    /// Bytes of known length, nothing added.
    Raw(Bytes),
    /// Chunks as they come. Closing the channel ends the response.
    Stream(mpsc::Receiver<Bytes>),
}

/// Headers of event streams in the dialects of OpenAI.
pub(super) const EVENT_HEADERS: [(&str, &str); 4] = [
    ("Content-Type", "text/event-stream"),
    ("Cache-Control", "no-cache"),
    ("Connection", "keep-alive"),
    ("X-Accel-Buffering", "no"),
];

impl Reply {
    /// A JSON answer.
    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: HeaderList::new(),
            body: ReplyBody::Json(Bytes::from(body.to_string())),
        }
    }

    /// A JSON answer on top of headers set earlier.
    pub fn json_with(status: u16, headers: HeaderList, body: &Value) -> Self {
        Self { headers, ..Self::json(status, body) }
    }

    /// A chunked answer whose whole text is known at once.
    pub fn written(status: u16, headers: HeaderList, text: impl Into<Bytes>) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        // The channel is new and has room for one chunk, so this cannot fail.
        let _ = sender.try_send(text.into());
        Self { status, headers, body: ReplyBody::Stream(receiver) }
    }

    /// Headers that every streamed answer of the Claude routes starts with
    /// (contract/anthropic.md §1.3 step 6).
    pub fn stream_headers() -> HeaderList {
        [
            ("Content-Type", "text/event-stream"),
            ("Cache-Control", "no-cache"),
            ("Connection", "keep-alive"),
            ("Access-Control-Allow-Origin", "*"),
            ("X-Accel-Buffering", "no"),
        ]
        .into_iter()
        .collect()
    }
}
