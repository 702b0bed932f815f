//! The session a request belongs to (`contract/auth-limits-usage.md §3.2`,
//! `src/utils/sessionHelper.js`), and whether a token-count request continues an old one.

use sha2::{Digest, Sha256};

use super::user_id::UserId;
use crate::wire::json::Value;

/// Sticky-session id of a Messages request body: the client's session id verbatim, or 32 hex digits
/// over the cacheable, system or first text; `None` when there is nothing to go by.
pub fn session_hash(body: Value<'_>) -> Option<String> {
    if let Some(user_id) = body.get("metadata").and_then(|m| m.get_str("user_id"))
        && let Some(parsed) = UserId::parse(&user_id)
    {
        return Some(parsed.session_id);
    }
    let system = body.get_truthy("system");
    let messages = body.get("messages");
    [cacheable_text(system, messages), system_text(system), first_text(messages)]
        .into_iter()
        .find(|text| !text.is_empty())
        .map(|text| hash(&text))
}

/// Whether a request to count tokens looks like the continuation of a session this service has not
/// seen begin (`contract/anthropic.md §1.4`).
pub fn is_old_session(body: Value<'_>) -> bool {
    let Some(messages) = body.get("messages").filter(|m| m.is_array()) else { return false };
    let mut messages = messages.elements();
    let (Some(first), None) = (messages.next(), messages.next()) else {
        return messages_remain(body);
    };
    let tools = body.get_truthy("tools");
    let tools = tools.is_some_and(|t| !t.is_array() || t.elements().next().is_some());
    let Some(content) = first.get_truthy("content") else { return false };
    if content.is_string() {
        return !tools;
    }
    let typed = content
        .elements()
        .filter(|block| block.get("type").is_some_and(|t| t.is_str("text")))
        .filter(|block| {
            let text = block.get_truthy("text").map(Value::to_js_text).unwrap_or_default();
            !js::trim_start(&text).starts_with("<system-reminder>")
        })
        .count();
    typed > 1 || (typed == 1 && !tools)
}

fn messages_remain(body: Value<'_>) -> bool {
    body.get("messages").is_some_and(|m| m.elements().nth(1).is_some())
}

fn cacheable_text(system: Option<Value<'_>>, messages: Option<Value<'_>>) -> String {
    let mut text = String::new();
    for part in system.into_iter().flat_map(Value::elements).filter(|part| ephemeral(*part)) {
        text.push_str(&text_of(part));
    }
    let mut all = messages.into_iter().flat_map(Value::elements);
    let cached = all.any(|message| match message.get_truthy("content") {
        Some(content) if content.is_array() => content.elements().any(ephemeral),
        Some(content) => content.is_string() && ephemeral(message),
        // Missing or falsy content counts as an empty string.
        None => ephemeral(message),
    });
    if cached {
        let mut texts = messages.into_iter().flat_map(Value::elements).map(message_text);
        text.push_str(&texts.find(|text| !text.is_empty()).unwrap_or_default());
    }
    text
}

fn system_text(system: Option<Value<'_>>) -> String {
    match system {
        Some(system) if system.is_string() => system.to_js_text().into_owned(),
        Some(system) => system.elements().map(text_of).collect(),
        None => String::new(),
    }
}

fn first_text(messages: Option<Value<'_>>) -> String {
    messages.and_then(|m| m.elements().next()).map(message_text).unwrap_or_default()
}

fn message_text(message: Value<'_>) -> String {
    match message.get("content") {
        Some(content) if content.is_string() => content.to_js_text().into_owned(),
        Some(content) => content
            .elements()
            .filter(|part| part.get("type").is_some_and(|t| t.is_str("text")))
            .map(text_of)
            .collect(),
        None => String::new(),
    }
}

fn ephemeral(part: Value<'_>) -> bool {
    let kind = part.get("cache_control").and_then(|control| control.get("type"));
    kind.is_some_and(|kind| kind.is_str("ephemeral"))
}

fn text_of(part: Value<'_>) -> String {
    part.get_truthy("text").map(|text| text.to_js_text().into_owned()).unwrap_or_default()
}

fn hash(text: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(text).into();
    hex::encode(digest.get(..16).unwrap_or_default())
}
