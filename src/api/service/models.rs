//! The model list of the Claude routes.

use serde_json::{Value, json};

/// Models that the legacy service lists, with their owners, in its order.
const MODELS: [(&str, &str); 27] = [
    ("anthropic", "claude-3-5-haiku-20241022"),
    ("anthropic", "claude-3-5-sonnet-20241022"),
    ("anthropic", "claude-3-7-sonnet-20250219"),
    ("anthropic", "claude-3-haiku-20240307"),
    ("anthropic", "claude-3-opus-20240229"),
    ("anthropic", "claude-haiku-4-5-20251001"),
    ("anthropic", "claude-opus-4-1-20250805"),
    ("anthropic", "claude-opus-4-20250514"),
    ("anthropic", "claude-opus-4-5-20251101"),
    ("anthropic", "claude-sonnet-4-20250514"),
    ("anthropic", "claude-sonnet-4-5-20250929"),
    ("google", "gemini-2.5-flash"),
    ("google", "gemini-2.5-pro"),
    ("google", "gemini-3-pro-preview"),
    ("google", "gemini-3.1-pro-preview"),
    ("openai", "gpt-5-2025-08-07"),
    ("openai", "gpt-5.1-2025-11-13"),
    ("openai", "gpt-5.1-codex"),
    ("openai", "gpt-5.1-codex-max"),
    ("openai", "gpt-5.1-codex-mini"),
    ("openai", "gpt-5.3-codex"),
    ("openai", "gpt-5.3-codex-spark"),
    ("openai", "gpt-5.4"),
    ("openai", "gpt-5.4-pro"),
    ("openai", "gpt-5.6-luna"),
    ("openai", "gpt-5.6-sol"),
    ("openai", "gpt-5.6-terra"),
];

/// The list as answered, less what `shown` leaves out; `created` is now, as in the legacy service.
pub(super) fn list(now_ms: i64, shown: impl Fn(&str) -> bool) -> Value {
    let created = now_ms.div_euclid(1000);
    let data: Vec<Value> = MODELS
        .iter()
        .filter(|(_, id)| shown(id))
        .map(|(owner, id)| {
            json!({ "id": id, "object": "model", "created": created, "owned_by": owner })
        })
        .collect();
    json!({ "object": "list", "data": data })
}
