//! What a provider's answer means for the account, and the error events clients get.

use bytes::Bytes;

use crate::wire::{anthropic::sanitize::is_account_disabled, json, sse};

/// Meaning of an answer for the account (`contract/anthropic.md §5.1`, effects). Everything but the
/// quota check of [`Outcome::RateLimited`] is skipped for accounts with `disableAutoProtection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Lift rate limit and overload. Streams: status 200; plain replies: 200 and 201.
    Success,
    /// 401: a while off.
    Unauthorized,
    /// 400 with a text that says the account is out of use.
    Disabled,
    /// 429: quota check, rate limit, a while off.
    RateLimited,
    /// 529: overloaded, a while off.
    Overloaded,
    /// Other 5xx: a while off.
    ServerError(u16),
    /// Nothing is marked.
    Other,
}

/// Reads an answer. `body` may be empty for successes.
pub fn classify(status: u16, body: &[u8], stream: bool) -> Outcome {
    match status {
        200 => Outcome::Success,
        201 if !stream => Outcome::Success,
        401 => Outcome::Unauthorized,
        400 if is_account_disabled(status, body, stream) => Outcome::Disabled,
        429 => Outcome::RateLimited,
        529 => Outcome::Overloaded,
        500.. => Outcome::ServerError(status),
        _ => Outcome::Other,
    }
}

/// Whether the client gets a sanitised error body
/// (`wire::anthropic::sanitize::sanitize_body`) instead of the provider's: streams for every status
/// but 200, plain replies outside 2xx.
pub fn is_blocking(status: u16, stream: bool) -> bool {
    if stream { status != 200 } else { !(200..300).contains(&status) }
}

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
