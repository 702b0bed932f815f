//! Token counts out of Anthropic replies (`contract/auth-limits-usage.md §4`).
//!
//! Three readers that differ on purpose, as the legacy service's do: plain JSON replies, streams of
//! official accounts, streams of console accounts. Nothing is ever estimated.

use bytes::Bytes;

use crate::{
    domain::{CacheSplit, TokenUsage},
    wire::{
        json::{Doc, Value},
        model::strip_vendor,
        sse,
    },
};

/// Model recorded when neither reply nor request names one.
pub const UNKNOWN_MODEL: &str = "unknown";

const RATE_LIMIT_TEXT: &str = "exceed your account's rate limit";

/// Usage of a plain JSON reply; needs both `input_tokens` and `output_tokens`, whatever the status.
pub fn usage_of_reply(reply: Value<'_>, request_model: Option<&str>) -> Option<TokenUsage> {
    let usage = reply.get_truthy("usage")?;
    let _both = (usage.get("input_tokens")?, usage.get("output_tokens")?);
    let model = reply.get_str("model").filter(|model| !model.is_empty());
    let model = model.as_deref().or(request_model).unwrap_or(UNKNOWN_MODEL);
    let base = strip_vendor(model).1;
    Some(counts_of(usage, if base.is_empty() { model } else { base }))
}

/// Usage of a plain JSON reply to a chat client: whatever counts it tells, under the model that was asked
/// for.
pub fn usage_of_chat_reply(reply: Value<'_>, request_model: Option<&str>) -> Option<TokenUsage> {
    let usage = reply.get_truthy("usage")?;
    Some(counts_of(usage, request_model.unwrap_or(UNKNOWN_MODEL)))
}

fn counts_of(usage: Value<'_>, model: &str) -> TokenUsage {
    let split = usage.get("cache_creation").and_then(split_of);
    let speed = usage.get_str("speed").map(|s| js::trim(&s).to_lowercase());
    let told_create = member(usage, "cache_creation_input_tokens");
    TokenUsage {
        input: member(usage, "input_tokens"),
        output: member(usage, "output_tokens"),
        cache_create: create(split, told_create),
        told_create: Some(told_create),
        cache_read: member(usage, "cache_read_input_tokens"),
        split,
        model: Some(model.to_owned()),
        speed: speed.filter(|speed| !speed.is_empty()),
    }
}

/// Reads usage from the lines of a stream as they pass.
#[derive(Debug)]
pub struct UsageTap {
    rules: Rules,
    now: Partial,
    done: Vec<Partial>,
    rate_limited: bool,
    stopped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rules {
    Official,
    Console,
}

/// Counts seen so far of one message.
#[derive(Clone, Debug, Default)]
struct Partial {
    input: Option<u64>,
    output: Option<u64>,
    create: u64,
    read: u64,
    split: Option<CacheSplit>,
    model: Option<String>,
}

impl UsageTap {
    /// For official accounts: only `message_start` and the output of `message_delta` count; several
    /// messages in one stream are summed.
    pub fn official() -> Self {
        Self::new(Rules::Official)
    }

    /// For console accounts: `message_delta` may override every count; the first complete state is
    /// what is recorded.
    pub fn console() -> Self {
        Self::new(Rules::Console)
    }

    fn new(rules: Rules) -> Self {
        let (now, done) = (Partial::default(), Vec::new());
        Self { rules, now, done, rate_limited: false, stopped: false }
    }

    /// Looks at one complete line. Lines that cannot matter are not parsed; lines that are not JSON
    /// are ignored.
    pub fn line(&mut self, line: &[u8]) {
        let wanted = |needle: &[u8]| memchr::memmem::find(line, needle).is_some();
        let Some(data) = sse::data_of(line).filter(|_| !self.stopped) else { return };
        if !(wanted(b"message_") || wanted(b"error") || wanted(b"\\u")) {
            return;
        }
        let Ok(doc) = Doc::parse(Bytes::copy_from_slice(data)) else { return };
        let event = doc.root();
        match event.get_str("type").as_deref() {
            Some("message_start") => {
                let message = event.get_truthy("message");
                if let Some(usage) = message.and_then(|m| m.get_truthy("usage")) {
                    self.start(usage, message.and_then(|m| m.get_str("model")).as_deref());
                }
            }
            Some("message_delta") => {
                if let Some(usage) = event.get_truthy("usage") {
                    self.delta(usage);
                }
            }
            Some("error") if self.rules == Rules::Official => {
                let message = event.get("error").and_then(|error| error.get_str("message"));
                self.rate_limited |=
                    message.is_some_and(|text| text.to_lowercase().contains(RATE_LIMIT_TEXT));
            }
            _ => {}
        }
    }

    /// Stops reading: what the legacy service does on console streams once the client has left.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether a whole message's counts were seen, so that nothing that costs is to come.
    pub fn is_complete(&self) -> bool {
        !self.done.is_empty()
    }

    /// Whether an `error` event spoke of the account's rate limit (official streams only).
    pub fn rate_limited(&self) -> bool {
        self.rate_limited
    }

    /// The usage to record at the end of the stream; `None` when none was seen. `request_model` is
    /// recorded when the stream named no model.
    pub fn finish(mut self, request_model: Option<&str>) -> Option<TokenUsage> {
        let tail = match self.rules {
            Rules::Official => self.now.input.is_some(),
            Rules::Console => {
                self.done.is_empty() && (self.now.input.is_some() || self.now.output.is_some())
            }
        };
        if tail {
            self.done.push(self.now);
        }
        let last = self.done.last()?;
        let model = last.model.clone().filter(|model| !model.is_empty());
        let model = model.or_else(|| request_model.map(str::to_owned));
        let mut total = TokenUsage {
            model: Some(model.unwrap_or_else(|| UNKNOWN_MODEL.to_owned())),
            ..TokenUsage::default()
        };
        let mut split = CacheSplit::default();
        for part in &self.done {
            total.input = total.input.saturating_add(part.input.unwrap_or(0));
            total.output = total.output.saturating_add(part.output.unwrap_or(0));
            total.cache_create = total.cache_create.saturating_add(part.create);
            total.cache_read = total.cache_read.saturating_add(part.read);
            let seen = part.split.unwrap_or_default();
            split.ephemeral_5m = split.ephemeral_5m.saturating_add(seen.ephemeral_5m);
            split.ephemeral_1h = split.ephemeral_1h.saturating_add(seen.ephemeral_1h);
        }
        total.split = match self.rules {
            // An all-zero object is dropped here, so the flat count survives; console streams lose it.
            Rules::Official => (split != CacheSplit::default()).then_some(split),
            Rules::Console => last.split,
        };
        total.told_create = Some(total.cache_create);
        total.cache_create = create(total.split, total.cache_create);
        Some(total)
    }

    fn start(&mut self, usage: Value<'_>, model: Option<&str>) {
        let whole = self.now.input.is_some() && self.now.output.is_some();
        if self.rules == Rules::Official && whole {
            self.done.push(std::mem::take(&mut self.now));
        }
        self.now.input = Some(member(usage, "input_tokens"));
        self.now.create = member(usage, "cache_creation_input_tokens");
        self.now.read = member(usage, "cache_read_input_tokens");
        self.now.model = model.map(str::to_owned);
        self.now.split = usage.get("cache_creation").and_then(split_of).or(self.now.split);
    }

    fn delta(&mut self, usage: Value<'_>) {
        let output = usage.get("output_tokens").map(count);
        match self.rules {
            Rules::Official => {
                if output.is_none() {
                    return;
                }
                self.now.output = output;
                if self.now.input.is_some() {
                    self.done.push(std::mem::take(&mut self.now));
                }
            }
            Rules::Console => {
                let now = &mut self.now;
                now.output = output.or(now.output);
                now.input = usage.get("input_tokens").map(count).or(now.input);
                let flat = usage.get("cache_creation_input_tokens").map(count);
                now.create = flat.unwrap_or(now.create);
                now.read = usage.get("cache_read_input_tokens").map(count).unwrap_or(now.read);
                now.split = usage.get("cache_creation").and_then(split_of).or(now.split);
                if now.input.is_some() && now.output.is_some() && self.done.is_empty() {
                    self.done.push(now.clone());
                }
            }
        }
    }
}

fn split_of(object: Value<'_>) -> Option<CacheSplit> {
    (object.is_object() || object.is_array()).then(|| CacheSplit {
        ephemeral_5m: member(object, "ephemeral_5m_input_tokens"),
        ephemeral_1h: member(object, "ephemeral_1h_input_tokens"),
    })
}

fn create(split: Option<CacheSplit>, flat: u64) -> u64 {
    split.map_or(flat, |split| split.ephemeral_5m.saturating_add(split.ephemeral_1h))
}

fn member(object: Value<'_>, name: &str) -> u64 {
    object.get(name).map(count).unwrap_or(0)
}

/// A token count: a positive whole number, anything else is zero.
pub(super) fn count(value: Value<'_>) -> u64 {
    value.as_f64().map_or(0, |n| n as u64)
}
