//! What the client is sent when the vendor did not answer with success
//! (`contract/anthropic.md §4.2, §4.4`). Current times are ISO texts given by the caller.

use bytes::Bytes;

use super::outcome::DedicatedLimit;
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

/// Error and message of the 403 for a key bound to a limited account; render them with
/// [`error_body`]. `offset_h` is the effective `TIMEZONE_OFFSET` (0 counts as 8 in the legacy service).
pub fn dedicated_limit(limit: DedicatedLimit, offset_h: i64) -> (&'static str, String) {
    match limit {
        DedicatedLimit::Opus(reset_s) => {
            ("opus_weekly_limit", opus_limit_message(reset_s.map(millis), offset_h))
        }
        DedicatedLimit::Account(reset_s) => {
            ("upstream_rate_limited", account_limit_message(Some(millis(reset_s)), offset_h))
        }
    }
}

/// Message about a limited dedicated account; `reset_ms` is when the limit ends.
pub fn account_limit_message(reset_ms: Option<i64>, offset_h: i64) -> String {
    match reset_ms.filter(|ms| *ms != 0) {
        Some(ms) => {
            let time = local_time(ms, offset_h);
            format!("此专属账号已触发 Anthropic 限流控制，将于 {time} 自动恢复。")
        }
        None => "此专属账号已触发 Anthropic 限流控制。".to_owned(),
    }
}

/// Message about a dedicated account whose Opus limit is reached; `reset_ms` is when it ends.
pub fn opus_limit_message(reset_ms: Option<i64>, offset_h: i64) -> String {
    const LEAD: &str = "此专属账号的Opus模型已达到周使用限制，";
    const TAIL: &str = "请尝试切换其他模型后再试。";
    match reset_ms.filter(|ms| *ms != 0) {
        Some(ms) => format!("{LEAD}将于 {} 自动恢复，{TAIL}", local_time(ms, offset_h)),
        None => format!("{LEAD}{TAIL}"),
    }
}

/// Body `{"error":…,"message":…}`.
pub fn error_body(error: &str, message: &str) -> String {
    let mut data = Members::new();
    data.text("error", error);
    data.text("message", message);
    String::from_utf8_lossy(&data.finish()).into_owned()
}

/// A time as `2026-01-31 08:00:00 (UTC+8)`.
pub fn local_time(ms: i64, offset_h: i64) -> String {
    let shifted = ms.saturating_add(offset_h.saturating_mul(3_600_000));
    let sign = if offset_h >= 0 { "+" } else { "" };
    match jiff::Timestamp::from_millisecond(shifted) {
        Ok(time) => format!("{} (UTC{sign}{offset_h})", time.strftime("%Y-%m-%d %H:%M:%S")),
        Err(_) => format!("NaN-NaN-NaN NaN:NaN:NaN (UTC{sign}{offset_h})"),
    }
}

/// Header times below 1e10 are seconds, others already milliseconds.
fn millis(reset: i64) -> i64 {
    if reset < 10_000_000_000 { reset.saturating_mul(1000) } else { reset }
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
