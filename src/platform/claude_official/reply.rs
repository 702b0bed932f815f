//! What the client is sent when the vendor did not answer with success
//! (`contract/anthropic.md §4.2`). Current times are ISO texts given by the caller.

use bytes::Bytes;

use crate::wire::{
    json::{self, Doc, Value, restringify},
    sse,
};

/// Why the vendor could not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFailure<'a> {
    /// `ECONNRESET`, also a connection closed before the answer.
    Reset,
    /// `ENOTFOUND`
    Dns,
    /// `ECONNREFUSED`
    Refused,
    /// `ETIMEDOUT`
    TimedOut,
    /// Anything else, with the error's name if it has one.
    Other(Option<&'a str>),
}

impl<'a> ConnectFailure<'a> {
    /// Text for the client.
    pub fn text(self) -> &'static str {
        match self {
            Self::Reset => "Connection reset by Claude API server",
            Self::Dns => "Unable to resolve Claude API hostname",
            Self::Refused => "Connection refused by Claude API server",
            Self::TimedOut => "Connection timed out to Claude API server",
            Self::Other(_) => "Upstream request failed",
        }
    }

    /// Name of the error, as Node spells it.
    pub fn code(self) -> Option<&'a str> {
        match self {
            Self::Reset => Some("ECONNRESET"),
            Self::Dns => Some("ENOTFOUND"),
            Self::Refused => Some("ECONNREFUSED"),
            Self::TimedOut => Some("ETIMEDOUT"),
            Self::Other(code) => code,
        }
    }

    /// HTTP status of a stream that could not be started.
    pub fn stream_status(self) -> u16 {
        match self {
            Self::Reset | Self::Dns | Self::Refused => 502,
            Self::TimedOut => 504,
            Self::Other(_) => 500,
        }
    }

    /// Event of a stream that could not be started.
    pub fn event(self, now: &str) -> Bytes {
        let mut data = Members::new();
        data.text("error", self.text());
        if let Some(code) = self.code() {
            data.text("code", code);
        }
        data.text("timestamp", now);
        data.event()
    }
}

/// Event of a stream on which the vendor stayed silent too long; status 504 if nothing was sent yet.
pub fn timeout_event(now: &str) -> Bytes {
    let mut data = Members::new();
    data.text("error", "Request timeout");
    data.text("code", "TIMEOUT");
    data.text("timestamp", now);
    data.event()
}

/// Event for a vendor error on a stream; the HTTP status stays 200. `renamed` tells whether tool names
/// were changed, which gives the event another form.
pub fn error_event(status: u16, body: &[u8], renamed: bool, now: &str) -> Bytes {
    let mut data = Members::new();
    if renamed {
        data.text("type", "error");
        data.raw("error", &shown_message(status, body));
        return Bytes::from([b"data: ", &data.finish()[..], b"\n\n"].concat());
    }
    data.text("error", "Claude API error");
    data.raw("status", status.to_string().as_bytes());
    data.text("details", &String::from_utf8_lossy(body));
    data.text("timestamp", now);
    data.event()
}

/// `error.message`, else `message`, else a fixed text; as JSON.
fn shown_message(status: u16, body: &[u8]) -> Vec<u8> {
    let found = Doc::parse(Bytes::copy_from_slice(body)).ok().and_then(|doc| {
        let root = doc.root();
        let message = root.get("error").and_then(|error| error.get_truthy("message"));
        let raw = message.or_else(|| root.get_truthy("message")).map(Value::raw)?;
        restringify(Bytes::copy_from_slice(raw)).ok()
    });
    found.unwrap_or_else(|| format!("\"Claude API error: {status}\"").into_bytes())
}

/// Members of a small JSON object, written in order.
struct Members(Vec<u8>);

impl Members {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn raw(&mut self, name: &str, value: &[u8]) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        json::encode(name, &mut self.0);
        self.0.push(b':');
        self.0.extend_from_slice(value);
    }

    fn text(&mut self, name: &str, value: &str) {
        let mut token = Vec::with_capacity(value.len() + 2);
        json::encode(value, &mut token);
        self.raw(name, &token);
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }

    fn event(self) -> Bytes {
        sse::event("error", &String::from_utf8_lossy(&self.finish()))
    }
}
