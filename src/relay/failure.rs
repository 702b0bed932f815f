//! Failures that reach the end of the Claude routes, and their JSON form.

use serde_json::json;
use thiserror::Error;

use super::reply::Reply;
use crate::{
    domain::HeaderList,
    platform::claude_official::reply::ConnectFailure,
    upstream::{SendError, SendErrorKind},
};

/// A relay attempt that produced no answer of its own.
#[derive(Debug, Error)]
pub enum Failure {
    /// No account could be chosen; the text names the model.
    #[error("{0}")]
    NoAccount(String),
    /// The chosen console account has no free slot.
    #[error("Console account concurrency limit reached")]
    ConsoleFull,
    /// The account cannot be used as it is (disabled, no token …).
    #[error("{0}")]
    Account(String),
    /// The exchange with the vendor broke below HTTP; the text is what clients are told.
    #[error("{text}")]
    Send {
        /// What happened.
        kind: SendErrorKind,
        /// Client-visible text.
        text: String,
        /// The runtime's name of it, where clients may be told.
        code: Option<&'static str>,
    },
    /// The client left.
    #[error("Client disconnected")]
    ClientGone,
    /// A defect or the database.
    #[error("{0}")]
    Internal(String),
}

impl Failure {
    /// Failure of an exchange of the official relay, with the texts of contract/anthropic.md §4.2.
    pub fn official(error: &SendError) -> Self {
        Self::Send { kind: error.kind, text: connect_failure(error).text().to_owned(), code: None }
    }

    /// Failure of an exchange whose own text is shown (console).
    pub fn verbatim(error: SendError) -> Self {
        Self::Send { kind: error.kind, text: error.message, code: error.code }
    }

    /// Fixed label for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::NoAccount(_) => "no_account",
            Self::ConsoleFull => "console_full",
            Self::Account(_) => "account",
            Self::Send { .. } => "upstream_io",
            Self::ClientGone => "client_gone",
            Self::Internal(_) => "internal",
        }
    }

    /// The answer of `/v1/messages` for this failure (contract/anthropic.md §1.3 step 12). `headers`
    /// are those set before the failure; for streams they keep their event-stream type.
    pub fn into_reply(self, headers: HeaderList, now_iso: &str) -> Reply {
        if matches!(self, Self::ConsoleFull) {
            return Reply::json_with(503, headers, &console_full_body());
        }
        let text = self.to_string();
        let (status, error) = classify(&text);
        let message = if text.is_empty() { "An unexpected error occurred" } else { &text };
        let body = json!({ "error": error, "message": message, "timestamp": now_iso });
        Reply::json_with(status, headers, &body)
    }
}

/// Body of the answer when every console account is full.
pub fn console_full_body() -> serde_json::Value {
    json!({
        "error": "service_unavailable",
        "message": "All available Claude Console accounts have reached their concurrency limit. Please try again later.",
    })
}

/// A failed exchange as the official relay words it.
pub fn connect_failure(error: &SendError) -> ConnectFailure<'_> {
    match error.kind {
        SendErrorKind::Reset => ConnectFailure::Reset,
        SendErrorKind::Dns => ConnectFailure::Dns,
        SendErrorKind::Refused => ConnectFailure::Refused,
        SendErrorKind::ConnectTimeout => ConnectFailure::TimedOut,
        _ => ConnectFailure::Other(error.code),
    }
}

/// Status and error name by message text. The legacy service decides on the text alone, so texts that
/// come from a vendor (console accounts) fall into the same classes.
fn classify(text: &str) -> (u16, &'static str) {
    if text.contains("Connection reset") || text.contains("socket hang up") {
        (502, "Upstream connection error")
    } else if text.contains("Connection refused") {
        (502, "Upstream service unavailable")
    } else if text.contains("timeout") {
        (504, "Upstream timeout")
    } else if text.contains("resolve") || text.contains("ENOTFOUND") {
        (502, "Upstream hostname resolution failed")
    } else {
        (500, "Relay service error")
    }
}

#[cfg(test)]
mod tests {
    use super::classify;

    #[test]
    fn classes_follow_the_text() {
        assert_eq!(classify("Connection reset by Claude API server").0, 502);
        assert_eq!(classify("connect ECONNREFUSED 127.0.0.1:1").0, 500);
        assert_eq!(classify("timeout of 600000ms exceeded").1, "Upstream timeout");
        assert_eq!(classify("Request timeout").0, 504);
        assert_eq!(classify("getaddrinfo ENOTFOUND x").1, "Upstream hostname resolution failed");
    }
}
