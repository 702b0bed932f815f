//! Keeps the long instructions that the legacy service sends with other clients' requests out of every
//! recording: only their digest stands here, and where they are seen a placeholder is shown.
//!
//! `crs` is handed a text of the harness's own that is as long in every unit, so that what is cut off or
//! counted comes out alike; the same placeholder stands for it.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Digest of the legacy service's text, and of its first [`HEAD`] bytes.
const LEGACY: &str = "496fb2f00991f7d24bffd8f6ea4f58540390b99d7cbd1d76693e425879190dce";
const LEGACY_HEAD: &str = "20d82dc0956efd888a8ea6e0c889ded7b81b58c9bf59a50af7683d8fc7f7c3f5";
const HEAD: usize = 32;

/// Its length in UTF-16 units and in UTF-8 bytes.
const UNITS: usize = 11_715;
const BYTES: usize = 11_741;

const SENTENCE: &str = "These instructions belong to the harness. ";
const SHOWN: &str = "«codex instructions»";

/// The text that `crs` is handed.
pub fn own() -> String {
    let wide = BYTES - UNITS;
    let mut text = SENTENCE.repeat(UNITS / SENTENCE.len() + 1);
    text.truncate(UNITS - wide - 1);
    text.push_str(&"é".repeat(wide));
    text.push('\n');
    text
}

/// What is shown in place of a text that holds the instructions, whole or cut off.
pub fn hidden(text: &str) -> Option<String> {
    if text.len() < HEAD {
        return None;
    }
    if text.get(..HEAD).is_some_and(begins) {
        return Some(if whole(text) {
            SHOWN.to_owned()
        } else {
            // `…[11635 chars]` says how much was cut off.
            let cut = text.rfind("...[").map_or("", |at| &text[at..]);
            format!("{SHOWN}{cut}")
        });
    }
    embedded(text)
}

fn begins(head: &str) -> bool {
    SENTENCE.starts_with(head) || hex::encode(Sha256::digest(head)) == LEGACY_HEAD
}

fn whole(text: &str) -> bool {
    text.len() == BYTES && (text == own() || hex::encode(Sha256::digest(text)) == LEGACY)
}

/// A body that is no JSON to us is a text that holds the instructions as a JSON string.
fn embedded(text: &str) -> Option<String> {
    const NAME: &str = "\"instructions\":";
    let at = text.find(NAME)? + NAME.len();
    let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>();
    let value = values.next()?.ok()?;
    let shown = hidden(value.as_str()?)?;
    let end = at + values.byte_offset();
    Some(format!("{}\"{shown}\"{}", &text[..at], &text[end..]))
}
