//! The request that a test makes: one word, as Claude Code would send it.

use serde_json::{Value, json};

/// Wire constant that Claude Code starts its system prompt with.
const IDENTITY: &str = "You are Claude Code, Anthropic's official CLI for Claude.";

/// A streamed Messages request for a model.
pub(super) fn claude(model: &str) -> Value {
    let cached = json!({ "type": "ephemeral" });
    let random: [u8; 32] = rand::random();
    let user = format!("user_{}_account__session_{}", hex::encode(random), uuid::Uuid::new_v4());
    json!({
        "model": model,
        "messages": [{
            "role": "user",
            "content": [{ "type": "text", "text": "hi", "cache_control": cached }],
        }],
        "system": [{ "type": "text", "text": IDENTITY, "cache_control": cached }],
        "metadata": { "user_id": user },
        "max_tokens": 1000,
        "temperature": 1,
        "stream": true,
    })
}
