//! Trying a provider of the Responses API. Unlike the legacy service's, this test goes out over the
//! account's proxy; there, an account with a proxy cannot be tried at all (`MIGRATION.md`).

use serde_json::{Value, json};

use super::{AccountAdmin, Told, complete, library_agent, library_request, refusal_text};
use crate::{
    accounts::proxy,
    domain::{Failure, Secret},
};
use compat::{
    crypto::Service,
    pool::{Entry, Kind},
};

/// Model that is asked for when none is named.
pub(super) const MODEL: &str = "gpt-4o-mini";
const BASE: &str = "https://api.openai.com";
/// Most tokens of the answer.
const MAX_TOKENS: u32 = 100;
/// Most of the answer that is told, in characters.
const TEXT_MAX: usize = 200;

impl AccountAdmin {
    pub(super) async fn probe_responses(&self, id: &str, model: Option<&str>, told: Told<'_>) {
        let done = self.try_responses(id, model.unwrap_or(MODEL), told).await;
        told(complete(done.err().map(super::fault_text)));
    }

    async fn try_responses(&self, id: &str, model: &str, told: Told<'_>) -> Result<(), Failure> {
        let fields = self.fields(Kind::OpenAiResponses, id).await?;
        let fields = fields.ok_or_else(|| Failure::fault("Account not found"))?;
        let entry = Entry::of_record(Kind::OpenAiResponses, id, fields);
        let key = self.0.vault.decrypt(Service::OpenAiResponses, entry.get("apiKey")).text;
        let key = Secret::from(key);
        if key.is_empty() {
            return Err(Failure::fault("API Key not found or decryption failed"));
        }
        told(json!({ "type": "test_start", "message": "Test started" }));
        let body = json!({
            "model": model,
            "input": [{ "role": "user", "content": "hi" }],
            "max_output_tokens": MAX_TOKENS,
            "stream": false,
        });
        let own = [("Authorization", format!("Bearer {}", key.expose())), library_agent()];
        let request = library_request(address(entry.get("baseApi")), own, &body, proxy::of(&entry));
        let (status, answer) = self.0.accounts.ask(request).await?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if !(200..300).contains(&status) {
            return Err(Failure::fault(refusal_text(status, &answer)));
        }
        let text: String = output_text(&answer).chars().take(TEXT_MAX).collect();
        if !text.is_empty() {
            told(json!({ "type": "content", "text": text }));
        }
        Ok(())
    }
}

fn address(base: &str) -> String {
    let base = if base.is_empty() { BASE } else { base };
    let version = if base.ends_with("/v1") { "" } else { "/v1" };
    format!("{base}{version}/responses")
}

/// What the messages of an answer say.
pub(super) fn output_text(answer: &Value) -> String {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let messages = list(answer.get("output")).into_iter().filter(|item| item["type"] == "message");
    let blocks = messages.flat_map(|item| list(item.get("content")));
    let texts = blocks.filter(|block| block["type"] == "output_text");
    texts.map(|block| block["text"].as_str().unwrap_or_default().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://p.example.test/v1", "https://p.example.test/v1/responses")]
    #[case("https://p.example.test", "https://p.example.test/v1/responses")]
    #[case("", "https://api.openai.com/v1/responses")]
    fn addresses(#[case] base: &str, #[case] url: &str) {
        assert_eq!(address(base), url);
    }

    #[test]
    fn only_messages_are_told() {
        let answer = json!({ "output": [
            {"type": "reasoning", "content": [{"type": "output_text", "text": "no"}]},
            {"type": "message", "content": [{"type": "output_text", "text": "a"}, {"type": "refusal"}]},
            {"type": "message", "content": [{"type": "output_text", "text": "b"}]},
        ]});
        assert_eq!(output_text(&answer), "ab");
        assert_eq!(output_text(&json!({})), "");
    }
}
