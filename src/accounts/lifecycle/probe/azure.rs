//! Trying an Azure account. The legacy service's own test calls what is not there and always fails
//! (`MIGRATION.md`); this one asks as it means to.

use compat::{
    crypto::Service,
    pool::{Entry, Kind},
};
use serde_json::{Value, json};

use super::{AccountAdmin, Told, complete, library_agent, library_request, refusal_text};
use crate::{
    accounts::proxy,
    domain::{Failure, Secret},
};

const DEPLOYMENT: &str = "gpt-4o-mini";
const API_VERSION: &str = "2024-02-15-preview";
/// Most tokens of the answer.
const MAX_TOKENS: u32 = 100;
/// Most of the answer that is told, in characters.
const TEXT_MAX: usize = 200;

impl AccountAdmin {
    /// Azure knows deployments, not models: whatever model is named, the account's own is asked.
    pub(super) async fn probe_azure(&self, id: &str, told: Told<'_>) {
        let done = self.try_azure(id, told).await;
        told(complete(done.err().map(super::fault_text)));
    }

    async fn try_azure(&self, id: &str, told: Told<'_>) -> Result<(), Failure> {
        let fields = self.fields(Kind::Azure, id).await?;
        let fields = fields.ok_or_else(|| Failure::fault("Account not found"))?;
        let entry = Entry::of_record(Kind::Azure, id, fields);
        let key = self.0.vault.decrypt(Service::AzureOpenAi, entry.get("apiKey")).text;
        let key = Secret::from(key);
        if key.is_empty() {
            return Err(Failure::fault("API Key not found or decryption failed"));
        }
        told(json!({ "type": "test_start", "message": "Test started" }));
        let deployment = or(entry.get("deploymentName"), DEPLOYMENT);
        let body = json!({
            "model": deployment,
            "messages": [{ "role": "user", "content": "hi" }],
            "max_tokens": MAX_TOKENS,
        });
        let url = format!(
            "{}/openai/deployments/{deployment}/chat/completions?api-version={}",
            entry.get("azureEndpoint"),
            or(entry.get("apiVersion"), API_VERSION)
        );
        let own = [("api-key", key.expose().to_owned()), library_agent()];
        let request = library_request(url, own, &body, proxy::of(&entry));
        let (status, answer) = self.0.accounts.ask(request).await?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if !(200..300).contains(&status) {
            return Err(Failure::fault(refusal_text(status, &answer)));
        }
        let text = answer.pointer("/choices/0/message/content").and_then(Value::as_str);
        let text: String = text.unwrap_or_default().chars().take(TEXT_MAX).collect();
        if !text.is_empty() {
            told(json!({ "type": "content", "text": text }));
        }
        Ok(())
    }
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}
