//! What the client is told when Node does not answer, in the client's own dialect.

use std::io;

use serde_json::{Value, json};

/// Why there is no answer from Node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// No connection.
    Unreachable,
    /// No connection within the time for it.
    ConnectTimeout,
    /// The connection ended before an answer.
    Closed,
    /// No answer within the time for it.
    HeadTimeout,
    /// What came is no HTTP answer.
    BadAnswer,
    /// The answer broke off; the client got what there was.
    Cut,
}

impl FailureKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Unreachable,
        Self::ConnectTimeout,
        Self::Closed,
        Self::HeadTimeout,
        Self::BadAnswer,
        Self::Cut,
    ];

    /// Label in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::ConnectTimeout => "connect_timeout",
            Self::Closed => "closed",
            Self::HeadTimeout => "head_timeout",
            Self::BadAnswer => "bad_answer",
            Self::Cut => "cut",
        }
    }

    /// Status for the client.
    pub fn status(self) -> u16 {
        match self {
            Self::ConnectTimeout | Self::HeadTimeout => 504,
            _ => 502,
        }
    }

    /// Sentence for the client; no address of ours.
    pub fn message(self) -> &'static str {
        match self {
            Self::Unreachable => "The relay service behind this proxy is not reachable.",
            Self::ConnectTimeout => {
                "The relay service behind this proxy does not accept connections."
            }
            Self::Closed => {
                "The relay service behind this proxy closed the connection without an answer."
            }
            Self::HeadTimeout => "The relay service behind this proxy did not answer in time.",
            Self::BadAnswer => "The relay service behind this proxy gave an unreadable answer.",
            Self::Cut => "The relay service behind this proxy broke off its answer.",
        }
    }
}

/// A failure with what the system said.
#[derive(Debug)]
pub struct Failure {
    /// Which.
    pub kind: FailureKind,
    /// The system's error, for the log.
    pub cause: Option<io::Error>,
}

impl From<FailureKind> for Failure {
    fn from(kind: FailureKind) -> Self {
        Self { kind, cause: None }
    }
}

/// The shapes in which clients understand an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Anthropic,
    OpenAi,
    Gemini,
    Plain,
}

fn dialect(path: &str) -> Dialect {
    let path = path.to_ascii_lowercase();
    let first = path.split('/').nth(1).unwrap_or_default();
    let below = |name: &str| path.split('/').any(|part| part == name);
    match first {
        "openai" | "azure" => Dialect::OpenAi,
        "api" if below("completions") => Dialect::OpenAi,
        "gemini" => Dialect::Gemini,
        "droid" if below("openai") || below("comm") => Dialect::OpenAi,
        "api" | "claude" | "antigravity" | "gemini-cli" | "droid" if below("v1") => {
            Dialect::Anthropic
        }
        _ => Dialect::Plain,
    }
}

/// The error's body.
fn body(kind: FailureKind, path: &str) -> Value {
    let (status, message) = (kind.status(), kind.message());
    let late = status == 504;
    match dialect(path) {
        Dialect::Anthropic => {
            let name = if late { "timeout_error" } else { "api_error" };
            json!({ "type": "error", "error": { "type": name, "message": message } })
        }
        Dialect::OpenAi => {
            let code = if late { "gateway_timeout" } else { "bad_gateway" };
            json!({ "error": {
                "message": message, "type": "server_error", "param": null, "code": code,
            } })
        }
        Dialect::Gemini => {
            let name = if late { "DEADLINE_EXCEEDED" } else { "UNAVAILABLE" };
            json!({ "error": { "code": status, "message": message, "status": name } })
        }
        Dialect::Plain => {
            let name = if late { "Gateway Timeout" } else { "Bad Gateway" };
            json!({ "error": name, "message": message })
        }
    }
}

/// The whole answer. Its connection ends, since the request's body may not have been read.
pub(super) fn answer(kind: FailureKind, path: &str, method: &str) -> Vec<u8> {
    let body = body(kind, path).to_string();
    let status = kind.status();
    let reason = if status == 504 { "Gateway Timeout" } else { "Bad Gateway" };
    let shown = if method == "HEAD" { "" } else { body.as_str() };
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{shown}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/api/v1/messages", "/type", "error")]
    #[case("/claude/v1/messages/count_tokens", "/error/type", "timeout_error")]
    #[case("/antigravity/api/v1/messages", "/error/type", "timeout_error")]
    #[case("/droid/claude/v1/messages", "/error/type", "timeout_error")]
    #[case("/openai/v1/responses", "/error/code", "gateway_timeout")]
    #[case("/azure/chat/completions", "/error/type", "server_error")]
    #[case("/api/v1/chat/completions", "/error/code", "gateway_timeout")]
    #[case("/api/v1/Completions", "/error/code", "gateway_timeout")]
    #[case("/droid/openai/v1/responses", "/error/code", "gateway_timeout")]
    #[case("/Gemini/v1beta/models/x:generateContent", "/error/status", "DEADLINE_EXCEEDED")]
    #[case("/admin/api-keys", "/error", "Gateway Timeout")]
    #[case("/", "/error", "Gateway Timeout")]
    fn clients_are_told_in_their_dialect(
        #[case] path: &str,
        #[case] pointer: &str,
        #[case] expected: &str,
    ) {
        let body = body(FailureKind::HeadTimeout, path);
        assert_eq!(body.pointer(pointer).and_then(Value::as_str), Some(expected), "{body}");
        assert!(body.to_string().contains("did not answer in time"));
    }

    #[test]
    fn a_head_request_gets_no_body() {
        let answer = String::from_utf8(answer(FailureKind::Closed, "/", "HEAD")).unwrap();
        assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n") && answer.ends_with("\r\n\r\n"));
    }
}
