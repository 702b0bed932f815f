//! What the vendor's answer means for the account (`contract/anthropic.md §4.3, §4.4, §4.7`).
//!
//! Decisions only: what is written where for an outcome belongs to the account's state machine.

use bytes::Bytes;

use crate::{
    domain::HeaderList,
    wire::{
        json::{Doc, Kind, Value},
        model::Family,
        text::{is_js_space_char, js_trim},
    },
};

/// Meaning of an answer for the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 200, for plain replies also 201: counters and limits are lifted, the window status stored.
    Success {
        /// `anthropic-ratelimit-unified-5h-status`, when it is one of the three known values.
        window: Option<WindowStatus>,
    },
    /// 401: counted, a while off, session unbound.
    Unauthorized,
    /// 400 or 403 with a text that says the organisation is out: account blocked, session unbound.
    OrganizationDisabled,
    /// Other 403. Plain replies: a while off, session unbound. The legacy stream handler fails on an
    /// uninitialised variable here and does neither.
    Forbidden,
    /// 529: a while off, session kept.
    Overloaded,
    /// Other 5xx: counted, a while off, session unbound.
    ServerError(u16),
    /// 429.
    RateLimited(RateLimit),
    /// Any other status; nothing is marked.
    Other,
}

/// What a 429 limits. Reset times are those of `anthropic-ratelimit-unified-reset`, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// The vendor wants "extra usage" switched on; no limit was reached. Nothing is marked.
    ExtraUsage,
    /// One model family until the reset.
    Family {
        /// The family.
        family: Family,
        /// Unix seconds.
        reset_s: i64,
    },
    /// The whole account until the reset; only when the model's family is unknown.
    Account {
        /// Unix seconds.
        reset_s: i64,
    },
    /// As [`RateLimit::Account`], but asked by Claude Code's background helper: the account is not
    /// marked; a dedicated key is still told of the limit.
    Helper {
        /// Unix seconds.
        reset_s: i64,
    },
    /// No usable reset time. Nothing is marked.
    Unmarked,
}

/// State of the five-hour window as the vendor tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowStatus {
    /// `allowed`
    Allowed,
    /// `allowed_warning`
    Warning,
    /// `rejected`
    Rejected,
}

/// An answer of the vendor.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: &'a HeaderList,
    /// Body; may be empty for successes.
    pub body: &'a [u8],
    /// Whether the client asked for a stream.
    pub stream: bool,
}

/// What was asked, as far as answers are read differently for it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The client's body.
    pub body: Value<'a>,
    /// The client's headers.
    pub headers: &'a HeaderList,
}

/// What a client is told instead of the vendor's 429 (status 403) when its key is bound to the
/// limited account. Reset times in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DedicatedLimit {
    /// `opus_weekly_limit`; the reset time may be unknown on streams.
    Opus(Option<i64>),
    /// `upstream_rate_limited`
    Account(i64),
}

impl WindowStatus {
    /// Spelling in headers and account records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Warning => "allowed_warning",
            Self::Rejected => "rejected",
        }
    }

    /// Reads the header of a success.
    pub fn of(headers: &HeaderList) -> Option<Self> {
        let status = headers.get("anthropic-ratelimit-unified-5h-status")?;
        [Self::Allowed, Self::Warning, Self::Rejected].into_iter().find(|s| s.as_str() == status)
    }
}

/// Reads an answer.
pub fn classify(answer: Answer<'_>, asked: Asked<'_>) -> Outcome {
    match answer.status {
        200 => Outcome::Success { window: WindowStatus::of(answer.headers) },
        201 if !answer.stream => Outcome::Success { window: WindowStatus::of(answer.headers) },
        401 => Outcome::Unauthorized,
        400 | 403 if is_organization_disabled(answer.body) => Outcome::OrganizationDisabled,
        403 => Outcome::Forbidden,
        529 => Outcome::Overloaded,
        status @ 500..600 => Outcome::ServerError(status),
        429 if is_extra_usage(answer.body) => Outcome::RateLimited(RateLimit::ExtraUsage),
        429 => Outcome::RateLimited(limit(answer.headers, asked)),
        _ => Outcome::Other,
    }
}

/// Reads the limit of a 429, or of a stream whose `error` event spoke of the account's rate limit
/// (`UsageTap::rate_limited`; the headers are those of the stream then).
pub fn limit(headers: &HeaderList, asked: Asked<'_>) -> RateLimit {
    let model = asked.body.get_str("model");
    let family = model.and_then(|model| Family::of(&model));
    match (family, reset_of(headers)) {
        (Some(family), Some(reset_s)) => RateLimit::Family { family, reset_s },
        (None, Some(reset_s)) if reset_s != 0 => {
            if is_background_helper(asked) {
                RateLimit::Helper { reset_s }
            } else {
                RateLimit::Account { reset_s }
            }
        }
        _ => RateLimit::Unmarked,
    }
}

/// What the client of a key bound to this very account is told instead of a 429; `None` passes the
/// vendor's answer. `opus` is whether the requested model is of that family. Not for limits found in a
/// running stream.
pub fn dedicated_limit(limit: RateLimit, opus: bool, stream: bool) -> Option<DedicatedLimit> {
    match limit {
        RateLimit::Family { family: Family::Opus, reset_s } => {
            Some(DedicatedLimit::Opus(Some(reset_s)))
        }
        RateLimit::Account { reset_s } => Some(DedicatedLimit::Account(reset_s)),
        RateLimit::Helper { reset_s } if !stream => Some(DedicatedLimit::Account(reset_s)),
        // Streams do not ask for a reset time first.
        RateLimit::Unmarked if stream && opus => Some(DedicatedLimit::Opus(None)),
        _ => None,
    }
}

/// Whether the vendor refused the tool names, so that the request should be sent once more with
/// suffixed ones. Plain replies are asked at any status, after the retries of a 403, and are retried
/// with that many tries again; only the last answer has effects. Streams are asked at any status but
/// 200 and 429; the refused answer has its effects, and a 403 is not retried further.
pub fn refuses_tool_names(body: &[u8]) -> bool {
    let text = error_text(body).to_lowercase();
    text.contains("only authorized for use with claude code")
        || text.contains("cannot be used for other api requests")
}

/// Whether the request is one of Claude Code's background helpers, whose limits say nothing of the
/// account.
pub fn is_background_helper(asked: Asked<'_>) -> bool {
    let body = asked.body;
    if asked.headers.get("x-app") != Some("cli-bg")
        || body.get("stream").is_some_and(|stream| stream.kind() == Kind::True)
    {
        return false;
    }
    let system = body.get("system").map(joined_text).unwrap_or_default();
    let messages = body.get("messages").into_iter().flat_map(Value::elements);
    let texts = messages.map(|m| m.get("content").map(joined_text).unwrap_or_default());
    system.contains("A user kicked off a Claude Code agent")
        || texts.collect::<Vec<_>>().join("\n").contains("2-4 word lowercase label for this job")
}

/// Message of an error body: of JSON `error`, `error.message`, `error.error` or `message`; of anything
/// else the trimmed text.
pub fn error_text(body: &[u8]) -> String {
    message_in(js_trim(&String::from_utf8_lossy(body)), 0)
}

fn message_in(text: &str, depth: u8) -> String {
    /// JSON strings that hold JSON are read again, but not for ever.
    const MAX_DEPTH: u8 = 8;
    let Ok(doc) = Doc::parse(Bytes::copy_from_slice(text.as_bytes())) else {
        return text.to_owned();
    };
    let root = doc.root();
    if let Some(inner) = root.as_str() {
        let inner = js_trim(&inner);
        return if depth < MAX_DEPTH { message_in(inner, depth + 1) } else { inner.to_owned() };
    }
    let error = root.get("error");
    let found = error
        .and_then(Value::as_str)
        .or_else(|| error?.get_str("message"))
        .or_else(|| error?.get_str("error"))
        .or_else(|| root.get_str("message"));
    found.map(|text| text.into_owned()).unwrap_or_default()
}

/// Text of a string, or of the text blocks of an array.
fn joined_text(content: Value<'_>) -> String {
    if let Some(text) = content.as_str() {
        return text.into_owned();
    }
    let texts = content.elements().filter_map(|block| {
        block.get("type").filter(|kind| kind.is_str("text"))?;
        block.get_str("text").map(|text| text.into_owned())
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn is_organization_disabled(body: &[u8]) -> bool {
    let text = error_text(body).to_lowercase();
    text.contains("this organization has been disabled")
        || text.contains("oauth authentication is currently not allowed")
}

fn is_extra_usage(body: &[u8]) -> bool {
    error_text(body).to_lowercase().contains("extra usage")
}

/// `parseInt` of the reset header.
fn reset_of(headers: &HeaderList) -> Option<i64> {
    let text = headers.get("anthropic-ratelimit-unified-reset")?;
    let text = text.trim_start_matches(is_js_space_char);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let len = digits.bytes().take_while(u8::is_ascii_digit).count();
    digits.get(..len).and_then(|digits| digits.parse::<i64>().ok()).map(|n| sign * n)
}
