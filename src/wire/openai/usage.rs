//! Token counts out of a Responses answer (`contract/openai-azure-droid.md §3, §4`).
//!
//! Input counts without what was read from the cache. Nothing is ever estimated.

use crate::{
    domain::TokenUsage,
    wire::json::{Kind, Value},
};

/// Where the counts of cached tokens stand.
const DETAILS: [&str; 2] = ["input_tokens_details", "prompt_tokens_details"];

/// How a path reads counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Whether the names of chat completions (`prompt_tokens` …) count, too.
    pub chat_names: bool,
    /// Whether writes to the cache count; else there are none.
    pub cache_writes: bool,
}

impl Reading {
    /// Plain answers of the Codex backend.
    pub const CODEX: Self = Self { chat_names: true, cache_writes: false };
    /// Streams of the Codex backend.
    pub const CODEX_STREAM: Self = Self { chat_names: false, cache_writes: false };
    /// Providers' answers.
    pub const PROVIDER: Self = Self { chat_names: true, cache_writes: true };
}

/// Counts of one answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// As they are booked, without a model.
    pub tokens: TokenUsage,
    /// All tokens as a provider account sums them up: what the answer says, else input, output and writes.
    pub total: u64,
}

/// Reads a `usage` object; anything else counts nothing.
pub fn read(usage: Value<'_>, reading: Reading) -> Counts {
    let count = |names: &[&str]| {
        let names = if reading.chat_names { names } else { names.get(..1).unwrap_or(names) };
        names.iter().map(|name| number(usage, name)).find(|n| *n != 0).unwrap_or(0)
    };
    // Input is calculated with, so a number written as a text counts.
    let names = ["input_tokens", "prompt_tokens"];
    let names = if reading.chat_names { &names[..] } else { &names[..1] };
    let input = names.iter().find_map(|name| usage.get_truthy(name));
    let input = input.and_then(as_number).map_or(0, |n| n as u64);
    let output = count(&["output_tokens", "completion_tokens"]);
    let cache_read = cache_read(usage);
    let cache_create = if reading.cache_writes { cache_write(usage) } else { 0 };
    let told = number(usage, "total_tokens");
    let sum = input.saturating_add(output).saturating_add(cache_create);
    Counts {
        tokens: TokenUsage {
            input: input.saturating_sub(cache_read),
            output,
            cache_create,
            cache_read,
            ..TokenUsage::default()
        },
        total: if told == 0 { sum } else { told },
    }
}

/// Tokens that were read from the cache.
pub fn cache_read(usage: Value<'_>) -> u64 {
    let told = DETAILS.iter().flat_map(|details| {
        let details = usage.get(details);
        ["cached_tokens", "cached_token"].map(|name| details.and_then(|details| details.get(name)))
    });
    first_number(told)
}

fn cache_write(usage: Value<'_>) -> u64 {
    const NAMES: [&str; 2] = ["cache_creation_input_tokens", "cache_creation_tokens"];
    let details = DETAILS.iter().find_map(|details| usage.get_truthy(details));
    let told = [details, Some(usage)];
    first_number(told.into_iter().flat_map(|from| NAMES.map(|name| from.and_then(|f| f.get(name)))))
}

/// The first that is a number, also as text.
fn first_number<'d>(told: impl Iterator<Item = Option<Value<'d>>>) -> u64 {
    told.flatten().find_map(as_number).map_or(0, |n| n as u64)
}

fn as_number(value: Value<'_>) -> Option<f64> {
    match value.kind() {
        Kind::Number => value.as_f64(),
        Kind::String => {
            value.as_str().filter(|text| !text.is_empty()).and_then(|t| js::parse_number(&t))
        }
        Kind::False => Some(0.0),
        Kind::True => Some(1.0),
        Kind::Null | Kind::Array | Kind::Object => None,
    }
}

/// A count: a positive whole number; texts and the like count nothing.
fn number(usage: Value<'_>, name: &str) -> u64 {
    usage.get(name).and_then(Value::as_f64).map_or(0, |n| n as u64)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rstest::rstest;

    use super::*;
    use crate::wire::json::Doc;

    #[rstest]
    #[case(r#"{"input_tokens":10,"output_tokens":3,"input_tokens_details":{"cached_tokens":4}}"#, [6, 3, 0, 4], 13)]
    #[case(r#"{"prompt_tokens":10,"completion_tokens":3,"prompt_tokens_details":{"cached_token":4},"total_tokens":99}"#, [6, 3, 0, 4], 99)]
    #[case(r#"{"input_tokens":2,"output_tokens":1,"input_tokens_details":{"cached_tokens":9}}"#, [0, 1, 0, 9], 3)]
    #[case(r#"{"input_tokens":9,"input_tokens_details":{"cached_tokens":null,"cached_token":"5"}}"#, [4, 0, 0, 5], 9)]
    #[case(r#"{"input_tokens":9,"input_tokens_details":{"cached_tokens":"inf","cached_token":"0x2"}}"#, [7, 0, 0, 2], 9)]
    #[case(r#"{"input_tokens":9,"input_tokens_details":{"cached_tokens":" ","cached_token":"2"}}"#, [9, 0, 0, 0], 9)]
    #[case(r#"{"input_tokens":9,"input_tokens_details":{"cached_tokens":"","cached_token":"2"}}"#, [7, 0, 0, 2], 9)]
    #[case(r#"{"input_tokens":9,"input_tokens_details":{"cached_tokens":-5}}"#, [9, 0, 0, 0], 9)]
    #[case(r#"{"input_tokens":9,"output_tokens":1,"input_tokens_details":{"cache_creation_tokens":2}}"#, [9, 1, 2, 0], 12)]
    #[case(r#"{"input_tokens":9,"cache_creation_input_tokens":3}"#, [9, 0, 3, 0], 12)]
    #[case(r#"{"input_tokens":"9","output_tokens":-1}"#, [9, 0, 0, 0], 9)]
    #[case(r#""text""#, [0, 0, 0, 0], 0)]
    fn providers_count(#[case] text: &'static str, #[case] want: [u64; 4], #[case] total: u64) {
        let doc = Doc::parse_deep(Bytes::from_static(text.as_bytes())).unwrap();
        let Counts { tokens, total: got } = read(doc.root(), Reading::PROVIDER);
        assert_eq!([tokens.input, tokens.output, tokens.cache_create, tokens.cache_read], want);
        assert_eq!(got, total);
    }

    #[test]
    fn the_codex_backend_has_no_cache_writes_and_no_chat_names_in_streams() {
        let text = r#"{"prompt_tokens":5,"output_tokens":1,"cache_creation_tokens":7}"#;
        let doc = Doc::parse_deep(Bytes::from_static(text.as_bytes())).unwrap();
        let plain = read(doc.root(), Reading::CODEX).tokens;
        let stream = read(doc.root(), Reading::CODEX_STREAM).tokens;
        assert_eq!((plain.input, plain.cache_create), (5, 0));
        assert_eq!((stream.input, stream.output), (0, 1));
    }
}
