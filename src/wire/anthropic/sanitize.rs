//! Vendor errors reduced to fifteen codes, so that a provider's own words never reach the client
//! (`contract/anthropic.md §4.6`, `src/utils/errorSanitizer.js`). Used for console accounts and for
//! token counts.

use bytes::Bytes;

use crate::wire::json::{Doc, Value};

/// A sanitised error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafeError {
    /// `E001` to `E015`.
    pub code: &'static str,
    /// Fixed text of the code.
    pub message: &'static str,
    /// Status that belongs to the code; told in the body only, the HTTP status stays the vendor's.
    pub status: u16,
}

/// Code, text and status of each error, by number.
const CODES: [SafeError; 15] = [
    code("E001", "Service temporarily unavailable", 503),
    code("E002", "Network connection failed", 502),
    code("E003", "Authentication failed", 401),
    code("E004", "Rate limit exceeded", 429),
    code("E005", "Invalid request", 400),
    code("E006", "Model not available", 503),
    code("E007", "Upstream service error", 502),
    code("E008", "Request timeout", 504),
    code("E009", "Permission denied", 403),
    code("E010", "Resource not found", 404),
    code("E011", "Account temporarily unavailable", 503),
    code("E012", "Server overloaded", 529),
    code("E013", "Invalid API key", 401),
    code("E014", "Quota exceeded", 429),
    code("E015", "Internal server error", 500),
];

/// What a message must hold for a code, first hit wins: words that follow each other on one line.
const PATTERNS: [(&[&str], u8); 46] = [
    (&["enotfound"], 2),
    (&["dns"], 2),
    (&["getaddrinfo"], 2),
    (&["econnrefused"], 2),
    (&["econnreset"], 2),
    (&["connection refused"], 2),
    (&["etimedout"], 8),
    (&["timeout"], 8),
    (&["econnaborted"], 2),
    (&["aborted"], 2),
    (&["unauthorized"], 3),
    (&["invalid", "token"], 3),
    (&["token", "invalid"], 3),
    (&["invalid", "key"], 3),
    (&["invalid", "api", "key"], 13),
    (&["api", "key", "invalid"], 13),
    (&["authentication"], 3),
    (&["auth", "fail"], 3),
    (&["forbidden"], 9),
    (&["permission", "denied"], 9),
    (&["access", "denied"], 9),
    (&["does not have", "permission"], 9),
    (&["rate", "limit"], 4),
    (&["too many requests"], 4),
    (&["429"], 4),
    (&["quota", "exceeded"], 14),
    (&["usage", "limit"], 14),
    (&["overloaded"], 12),
    (&["529"], 12),
    (&["capacity"], 12),
    (&["account", "disabled"], 11),
    (&["organization", "disabled"], 11),
    (&["too many active sessions"], 11),
    (&["model", "not", "found"], 6),
    (&["model", "unavailable"], 6),
    (&["unsupported", "model"], 6),
    (&["bad", "request"], 5),
    (&["invalid", "request"], 5),
    (&["invalid", "argument"], 5),
    (&["malformed"], 5),
    (&["not", "found"], 10),
    (&["404"], 10),
    (&["upstream"], 7),
    (&["502"], 7),
    (&["bad", "gateway"], 7),
    // The last rule, `503|service.*unavailable`, is in `of_message`.
    (&["503"], 1),
];

const fn code(code: &'static str, message: &'static str, status: u16) -> SafeError {
    SafeError { code, message, status }
}

impl SafeError {
    /// Code of a bare message.
    pub fn of_message(message: &str) -> Self {
        numbered(by_message(message).unwrap_or(15))
    }

    /// Code of a thrown error: its message, overruled by the name of a network failure.
    pub fn of_error(message: &str, errno: Option<&str>) -> Self {
        errno.and_then(by_errno).map_or_else(|| Self::of_message(message), numbered)
    }

    /// Code of an error thrown with a status of its own: its message rules where it matches, else the
    /// status.
    pub fn of_thrown(status: Option<u16>, message: &str) -> Self {
        let number = by_message(message).or_else(|| by_status(f64::from(status?)));
        numbered(number.unwrap_or(15))
    }

    /// Code of a parsed error body.
    pub fn of_json(body: Value<'_>) -> Self {
        let response = body.get("response");
        let status = response
            .and_then(|r| r.get_truthy("status"))
            .or_else(|| body.get_truthy("status"))
            .or_else(|| body.get_truthy("statusCode"));
        let number = status.and_then(Value::as_f64).and_then(by_status);
        let number = by_message(&message_of(body)).or(number);
        let errno = body
            .get_truthy("code")
            .or_else(|| response.and_then(|r| r.get_truthy("status")))
            .and_then(|code| by_errno(&code.to_js_text().to_uppercase()));
        numbered(errno.or(number).unwrap_or(15))
    }

    /// The client's error body.
    pub fn to_json(self) -> String {
        let Self { code, message, status } = self;
        format!(r#"{{"error":{{"code":"{code}","message":"{message}"}},"status":{status}}}"#)
    }
}

/// Body of a console account's error for the client: JSON becomes [`SafeError::to_json`], anything
/// else the bare message. `stream` tells how the vendor's body was read: plain replies go through an
/// HTTP library that unpacks JSON strings first.
pub fn sanitize_body(raw: &[u8], stream: bool) -> String {
    let text = String::from_utf8_lossy(raw);
    let parsed = Doc::parse(Bytes::copy_from_slice(raw)).ok();
    match parsed.as_ref().map(Doc::root) {
        Some(value) if value.is_string() && !stream => {
            sanitize_body(value.to_js_text().as_bytes(), true)
        }
        Some(value) => SafeError::of_json(value).to_json(),
        None => plain(&text),
    }
}

/// Body of a failed token count (any account): JSON is sanitised, anything else passes.
pub fn sanitize_count_body(raw: &[u8]) -> Option<String> {
    let doc = Doc::parse(Bytes::copy_from_slice(raw)).ok()?;
    Some(SafeError::of_json(doc.root()).to_json())
}

fn plain(message: &str) -> String {
    if message.is_empty() {
        return numbered(1).message.to_owned();
    }
    SafeError::of_message(message).message.to_owned()
}

fn message_of(body: Value<'_>) -> String {
    let inner = |value: Option<Value<'_>>| {
        value.and_then(|v| v.get_truthy("message")).map(|m| m.to_js_text().into_owned())
    };
    if body.is_string() {
        return body.to_js_text().into_owned();
    }
    let data = body.get("response").and_then(|r| r.get("data"));
    inner(Some(body))
        .or_else(|| inner(body.get("error")))
        .or_else(|| inner(data.and_then(|d| d.get("error"))))
        .or_else(|| data.and_then(|d| d.get_truthy("error")).map(|e| e.to_js_text().into_owned()))
        .or_else(|| inner(data))
        .unwrap_or_default()
}

fn by_message(message: &str) -> Option<u8> {
    let lower = message.to_ascii_lowercase();
    let matches = |words: &[&str]| {
        lower.split(['\n', '\r', '\u{2028}', '\u{2029}']).any(|line| {
            let mut rest = line;
            words.iter().all(|word| match rest.find(word) {
                Some(at) => {
                    rest = rest.get(at + word.len()..).unwrap_or_default();
                    true
                }
                None => false,
            })
        })
    };
    let hit = PATTERNS.iter().find(|(words, _)| matches(words)).map(|(_, number)| *number);
    hit.or_else(|| matches(&["service", "unavailable"]).then_some(1))
}

fn by_status(status: f64) -> Option<u8> {
    const NUMBERS: [(f64, u8); 8] = [
        (401.0, 3),
        (403.0, 9),
        (404.0, 10),
        (429.0, 4),
        (502.0, 7),
        (503.0, 1),
        (504.0, 8),
        (529.0, 12),
    ];
    NUMBERS.iter().find(|(s, _)| *s == status).map(|(_, number)| *number)
}

fn by_errno(errno: &str) -> Option<u8> {
    match errno {
        "ENOTFOUND" | "EAI_AGAIN" | "ECONNREFUSED" | "ECONNRESET" | "ECONNABORTED" => Some(2),
        "ETIMEDOUT" | "ESOCKETTIMEDOUT" => Some(8),
        _ => None,
    }
}

fn numbered(number: u8) -> SafeError {
    let index = usize::from(number).saturating_sub(1);
    CODES.get(index).copied().unwrap_or(code("E015", "Internal server error", 500))
}

#[cfg(test)]
mod tests {

    use super::*;

    fn doc(text: &str) -> Doc {
        Doc::parse_deep(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn contract_vectors() {
        let vectors = doc(include_str!("../fixtures/error-map.json"));
        for row in vectors.root().get("vectors").unwrap().elements() {
            let ours = SafeError::of_json(row.get("input").unwrap());
            let expected = row.get("expected").unwrap();
            let shown = String::from_utf8_lossy(row.raw());
            assert_eq!(ours.code, expected.get_str("code").unwrap(), "{shown}");
            assert_eq!(ours.message, expected.get_str("message").unwrap());
            assert_eq!(Some(f64::from(ours.status)), expected.get("status").unwrap().as_f64());
        }
    }

    /// What the legacy module made of these bodies.
    #[test]
    fn recorded_bodies() {
        let recorded = doc(include_str!("../fixtures/sanitized.json"));
        let mut rows = 0;
        for row in recorded.root().elements() {
            let raw = row.get_str("raw").unwrap();
            let field = |name| row.get_str(name).map(|text| text.into_owned());
            assert_eq!(Some(sanitize_body(raw.as_bytes(), false)), field("plain"), "{raw}");
            assert_eq!(Some(sanitize_body(raw.as_bytes(), true)), field("stream"), "{raw}");
            assert_eq!(sanitize_count_body(raw.as_bytes()), field("count"), "{raw}");
            rows += 1;
        }
        assert!(rows > 60);
    }
}
