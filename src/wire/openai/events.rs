//! A Responses stream as it passes: the model and usage of its last event, and a limit told inside it.
//!
//! The legacy service collects whole events before it looks at their lines; as only lines with data matter
//! and the last word counts, lines are looked at as they come.

use bytes::Bytes;

use super::usage::{self, Counts, Reading};
use crate::wire::{
    body_rules::{in_words, js_number},
    json::{Doc, Kind, Value},
};

/// How a path reads a stream's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// The Codex backend's: `data: ` with its space; only `usage_limit_reached` is a limit.
    Codex,
    /// A provider's: `data:`, and two more names of a limit.
    Provider,
}

/// A limit told inside a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Seconds until it ends, when they are told.
    pub resets_in_s: Option<f64>,
}

/// Reads a stream's lines.
#[derive(Debug)]
pub struct EventTap {
    rules: Rules,
    model: Option<String>,
    misnamed: bool,
    counts: Option<Counts>,
    limit: Option<Limit>,
}

impl EventTap {
    /// A tap that has seen nothing.
    pub fn new(rules: Rules) -> Self {
        Self { rules, model: None, misnamed: false, counts: None, limit: None }
    }

    /// Looks at one line, without its newline.
    pub fn line(&mut self, line: &[u8]) {
        let wanted = |needle: &[u8]| memchr::memmem::find(line, needle).is_some();
        let prefix: &[u8] = match self.rules {
            Rules::Codex => b"data: ",
            Rules::Provider => b"data:",
        };
        let Some(data) = line.strip_prefix(prefix) else { return };
        if !(wanted(b"response.completed") || wanted(b"\"error\"") || wanted(b"\\u")) {
            return;
        }
        let Ok(doc) = Doc::parse(Bytes::copy_from_slice(data)) else { return };
        self.event(doc.root());
    }

    fn event(&mut self, event: Value<'_>) {
        let completed = event.get("type").is_some_and(|kind| kind.is_str("response.completed"));
        if let Some(response) = event.get_truthy("response").filter(|_| completed) {
            if let Some(model) = response.get_truthy("model") {
                self.misnamed = !model.is_string();
                self.model = Some(model.to_js_text().into_owned());
            }
            if let Some(usage) = response.get_truthy("usage") {
                let reading = match self.rules {
                    Rules::Codex => Reading::CODEX_STREAM,
                    Rules::Provider => Reading::PROVIDER,
                };
                self.counts = Some(usage::read(usage, reading));
            }
        }
        let Some(error) = event.get_truthy("error") else { return };
        let names: &[&str] = match self.rules {
            Rules::Codex => &["usage_limit_reached"],
            Rules::Provider => &["rate_limit_error", "usage_limit_reached", "rate_limit_exceeded"],
        };
        let kind = error.get_str("type");
        if kind.is_some_and(|kind| names.iter().any(|name| *name == kind)) {
            let before = self.limit.and_then(|limit| limit.resets_in_s);
            self.limit = Some(Limit { resets_in_s: resets_in(error).or(before) });
        }
    }

    /// Whether everything that accounting needs has been seen.
    pub fn is_complete(&self) -> bool {
        self.counts.is_some()
    }

    /// The limit that was told.
    pub fn limit(&self) -> Option<Limit> {
        self.limit
    }

    /// Whether the model that answered is no text: the legacy service cannot book it.
    pub fn is_misnamed(&self) -> bool {
        self.misnamed
    }

    /// The model that answered.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// What was used; `None` when the stream told nothing.
    pub fn counts(&self) -> Option<&Counts> {
        self.counts.as_ref()
    }
}

/// `resets_in_seconds` of an error as JavaScript calculates with it; not a number where it is none.
pub fn resets_in(error: Value<'_>) -> Option<f64> {
    let told = error.get_truthy("resets_in_seconds")?;
    let number = match told.kind() {
        Kind::True => Some(1.0),
        Kind::Number => told.as_f64(),
        _ => js_number(&in_words(told)),
    };
    Some(number.unwrap_or(f64::NAN))
}

/// Whether a limit's end is no moment that JavaScript can write down, on which the legacy service fails.
pub fn is_no_moment(now_ms: i64, resets_in_s: f64) -> bool {
    const LAST_MS: f64 = 8.64e15;
    let end_ms = now_ms as f64 + resets_in_s * 1000.0;
    end_ms.is_nan() || end_ms.abs() > LAST_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONE: &str = r#"{"type":"response.completed","response":{"model":"gpt-5-codex","usage":{"input_tokens":5,"output_tokens":2,"input_tokens_details":{"cached_tokens":1}}}}"#;

    fn tap(rules: Rules, lines: &[&str]) -> EventTap {
        let mut tap = EventTap::new(rules);
        lines.iter().for_each(|line| tap.line(line.as_bytes()));
        tap
    }

    #[test]
    fn the_last_event_tells_model_and_usage() {
        let line = format!("data: {DONE}\r");
        for rules in [Rules::Codex, Rules::Provider] {
            let seen = tap(rules, &["event: response.completed", &line, "", "data: [DONE]"]);
            assert_eq!(seen.model(), Some("gpt-5-codex"));
            let tokens = seen.counts().unwrap().tokens.clone();
            assert_eq!((tokens.input, tokens.output, tokens.cache_read), (4, 2, 1));
            assert!(seen.is_complete() && seen.limit().is_none());
        }
    }

    #[test]
    fn the_space_after_the_colon_matters_to_one_of_them() {
        let line = format!("data:{DONE}");
        assert!(!tap(Rules::Codex, &[&line]).is_complete());
        assert!(tap(Rules::Provider, &[&line]).is_complete());
        let odd =
            [r#"data: {"type":"response.completed","response":null}"#, "data: null", "data: x"];
        assert!(!tap(Rules::Provider, &odd).is_complete());
    }

    #[test]
    fn limits_inside_a_stream() {
        let limit = |kind: &str, rest: &str| {
            format!(r#"data: {{"type":"error","error":{{"type":"{kind}"{rest}}}}}"#)
        };
        let named = limit("usage_limit_reached", r#","resets_in_seconds":90"#);
        let bare = limit("usage_limit_reached", "");
        let seen = tap(Rules::Codex, &[&named, &bare]).limit();
        assert_eq!(seen, Some(Limit { resets_in_s: Some(90.0) }));
        let other = limit("rate_limit_exceeded", "");
        assert_eq!(tap(Rules::Codex, &[&other]).limit(), None);
        assert_eq!(tap(Rules::Provider, &[&other]).limit(), Some(Limit { resets_in_s: None }));
        let nested = r#"data: {"type":"response.failed","response":{"error":{"type":"usage_limit_reached"}}}"#;
        assert_eq!(tap(Rules::Codex, &[nested]).limit(), None);
    }
}
