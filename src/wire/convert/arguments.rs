//! Arguments of tool calls: texts that must hold JSON.

use std::borrow::Cow;

use bytes::Bytes;

use super::{ConvertError, js};
use crate::wire::{
    anthropic::sanitize::SafeError,
    json::{Doc, JsonError, JsonErrorKind, Value},
};

/// Texts for which JavaScript's parser has a message of their own.
const SPECIAL: [&str; 4] = ["NaN", "Infinity", "undefined", "[object Object]"];

/// Characters of the text that the parser quotes on each side of the offending one.
const CONTEXT: usize = 10;

/// `JSON.parse(value)` as JSON text.
///
/// # Errors
/// When the text of the value is no JSON.
pub(super) fn parsed(value: Option<Value<'_>>) -> Result<Vec<u8>, ConvertError> {
    let text = value.map_or(Cow::Borrowed("undefined"), js::text);
    // The document would forgive a byte order mark.
    let checked = match text.strip_prefix('\u{feff}') {
        Some(_) => Err(JsonError { kind: JsonErrorKind::Unexpected, offset: 0 }),
        None => Doc::parse(Bytes::copy_from_slice(text.as_bytes())),
    };
    match checked {
        Ok(doc) => Ok(doc.text().to_vec()),
        Err(error) => Err(ConvertError::Arguments(SafeError::of_message(&words(&text, error)))),
    }
}

/// The parser's message, as far as it quotes the text: the rest of its messages hold no word that
/// matters.
fn words(text: &str, error: JsonError) -> String {
    if SPECIAL.contains(&text) {
        return format!("\"{text}\" is not valid JSON");
    }
    let Some(found) = text.get(error.offset..).and_then(|rest| rest.chars().next()) else {
        return "end of JSON".to_owned();
    };
    if error.kind != JsonErrorKind::Unexpected || !expects_value(text, error.offset) {
        return "other JSON".to_owned();
    }
    let units: Vec<u16> = text.encode_utf16().collect();
    let at = text.get(..error.offset).map_or(0, |before| before.encode_utf16().count());
    let (start, end) = match units.len() {
        ..=20 => (0, units.len()),
        all if at < CONTEXT => (0, (at + CONTEXT).min(all)),
        all if at < all - CONTEXT => (at - CONTEXT, at + CONTEXT),
        all => (at - CONTEXT, all),
    };
    let quoted = String::from_utf16_lossy(units.get(start..end).unwrap_or_default());
    format!("Unexpected token '{found}', \"{quoted}\" is not valid JSON")
}

/// Whether a value is expected at the offset: only then is the text quoted. Inside a container it is
/// after an opening bracket, a colon, or a comma between elements.
fn expects_value(text: &str, offset: usize) -> bool {
    let mut open = Vec::new();
    let (mut last, mut in_string, mut escaped) = (None, false, false);
    for byte in text.bytes().take(offset) {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => continue,
            b'"' => in_string = true,
            b'{' | b'[' => open.push(byte),
            b'}' | b']' => drop(open.pop()),
            _ => {}
        }
        last = Some(byte);
    }
    match last {
        None | Some(b'[' | b':') => true,
        Some(b',') => open.last() == Some(&b'['),
        // Inside a misspelled word.
        Some(byte) => byte.is_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Messages of Node 20's parser, as far as they are told apart here.
    #[rstest]
    #[case("invalid", "Authentication failed")]
    #[case("see timeout", "Request timeout")]
    #[case("[1, 429x]", "Internal server error")]
    #[case("[1, x429]", "Rate limit exceeded")]
    #[case("{\"a\": upstream}", "Upstream service error")]
    #[case("{invalid}", "Internal server error")]
    #[case("{\"a\":1, invalid}", "Internal server error")]
    #[case("[object Object]", "Internal server error")]
    #[case("{\"token\": \"x\"", "Internal server error")]
    #[case("xxxxxxxxxxxx invalid", "Authentication failed")]
    #[case("xxxxxxxxxxxx invalid xx", "Internal server error")]
    fn failures_are_told_as_the_legacy_parser_words_them(#[case] text: &str, #[case] told: &str) {
        let body = serde_json::Value::from(text).to_string();
        let doc = Doc::parse(body.into()).unwrap();
        let error = parsed(Some(doc.root())).unwrap_err();
        assert_eq!(error.told().message, told);
    }

    #[rstest]
    #[case("\"{\\\"a\\\": 1.50}\"", "{\"a\": 1.50}")]
    #[case("5", "5")]
    #[case("null", "null")]
    #[case("[7]", "7")]
    #[case("true", "true")]
    fn anything_whose_text_is_json_passes(#[case] value: &'static str, #[case] json: &str) {
        let doc = Doc::parse(value.into()).unwrap();
        assert_eq!(parsed(Some(doc.root())).unwrap(), json.as_bytes());
    }
}
