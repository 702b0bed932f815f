//! Token counts of CCR streams (`contract/anthropic.md §5.2`): those that stand at the top of an event.
//!
//! The counts of `message_start` lie inside its `message` and so are never seen; of several events the
//! last one counts. Nothing is estimated.

use bytes::Bytes;

use super::usage::count;
use crate::{
    domain::TokenUsage,
    wire::json::{Doc, Value},
};

/// Reads usage from the lines of a stream as they pass.
#[derive(Debug, Default)]
pub struct TopLevelUsage {
    seen: Option<TokenUsage>,
    complete: bool,
}

impl TopLevelUsage {
    /// Looks at one complete line. Lines that cannot matter are not parsed; lines that are not JSON
    /// are ignored.
    pub fn line(&mut self, line: &[u8]) {
        let Some(data) = line.strip_prefix(b"data: ") else { return };
        let wanted = |needle: &[u8]| memchr::memmem::find(data, needle).is_some();
        if !(wanted(b"usage") || wanted(b"\\u")) {
            return;
        }
        let text = String::from_utf8_lossy(data);
        let Ok(doc) = Doc::parse(Bytes::copy_from_slice(js::trim(&text).as_bytes())) else {
            return;
        };
        let event = doc.root();
        let ends = event.get_str("type").as_deref() == Some("message_delta");
        let delta = || event.get_truthy("delta").filter(|_| ends)?.get_truthy("usage");
        if let Some(usage) = event.get_truthy("usage").or_else(delta) {
            self.seen = Some(counts(usage));
            self.complete |= ends;
        }
    }

    /// Whether a message's last counts were seen, so that nothing that costs is to come.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The usage to record; `None` when none was seen. `model` is what the provider was asked for.
    pub fn finish(self, model: &str) -> Option<TokenUsage> {
        let model = if model.is_empty() { super::UNKNOWN_MODEL } else { model };
        Some(TokenUsage { model: Some(model.to_owned()), ..self.seen? })
    }
}

fn counts(usage: Value<'_>) -> TokenUsage {
    let member = |name: &str| usage.get(name).map_or(0, count);
    TokenUsage {
        input: member("input_tokens"),
        output: member("output_tokens"),
        cache_create: member("cache_creation_input_tokens"),
        cache_read: member("cache_read_input_tokens"),
        ..TokenUsage::default()
    }
}
