//! The error events that clients of broken streams get (`contract/anthropic.md §5.1`).

use bytes::Bytes;

use crate::wire::{json, sse};

/// Event for a stream that could not be started; sent with status 500. `code` is the error's name
/// (`ECONNREFUSED`), if it has one.
pub fn stream_failure(message: &str, code: Option<&str>, now: &str) -> Bytes {
    let mut out = b"{\"error\":".to_vec();
    json::encode(message, &mut out);
    if let Some(code) = code {
        out.extend_from_slice(b",\"code\":");
        json::encode(code, &mut out);
    }
    finish(out, now)
}

/// Event for a stream that broke off; it is appended to what was sent.
pub fn stream_interrupted(message: &str, now: &str) -> Bytes {
    let mut out = b"{\"error\":\"Stream error\",\"message\":".to_vec();
    json::encode(message, &mut out);
    finish(out, now)
}

fn finish(mut out: Vec<u8>, now: &str) -> Bytes {
    out.extend_from_slice(b",\"timestamp\":");
    json::encode(now, &mut out);
    out.push(b'}');
    sse::event("error", &String::from_utf8_lossy(&out))
}
