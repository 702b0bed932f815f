//! Which account a key is bound to.

use std::collections::HashMap;

use compat::keys::AccountKind;
use serde_json::Value;

use super::{KeyAdmin, Record, form::Body};
use crate::domain::Failure;

impl KeyAdmin {
    /// Frees all keys that are bound to an account, as its deletion does; tells how many. A key that
    /// cannot be changed stops the rest, and none is counted then, as in the legacy service.
    pub async fn unbind(&self, kind: AccountKind, account_id: &str) -> usize {
        match self.free(kind, account_id).await {
            Ok(count) => count,
            Err(error) => {
                let error = error.under("not unbound");
                tracing::error!(account = account_id, %error, "keys could not be unbound");
                0
            }
        }
    }

    /// How many keys are bound to each account of a kind, groups left out; none where keys cannot be read.
    pub async fn bound_counts(&self, kind: AccountKind) -> HashMap<String, usize> {
        let records = self.records().await.unwrap_or_else(|error| {
            tracing::error!(%error, "bound keys could not be counted");
            Vec::new()
        });
        let mut counts = HashMap::new();
        for record in records.iter().filter(|record| !record.is("isDeleted")) {
            if let Some(id) = bound_to(record, kind) {
                *counts.entry(id.to_owned()).or_default() += 1;
            }
        }
        counts
    }

    async fn free(&self, kind: AccountKind, account_id: &str) -> Result<usize, Failure> {
        let Some((field, value)) = binding(kind, account_id) else { return Ok(0) };
        let bound = |record: &Record| !record.is("isDeleted") && record.get(field) == value;
        let records = self.records().await?;
        let bound: Vec<&Record> = records.iter().filter(|record| bound(record)).collect();
        for record in &bound {
            let values = Body::from_iter([(field.to_owned(), Value::Null)]);
            self.change(record, &values).await?;
        }
        Ok(bound.len())
    }
}

/// The account of a kind that a binding names. A provider's may be named without saying that it is one.
fn bound_to(record: &Record, kind: AccountKind) -> Option<&str> {
    let (field, mark) = binding(kind, "")?;
    let value = record.get(field);
    let id = value.strip_prefix(mark.as_str()).unwrap_or(value);
    (!id.is_empty()).then_some(id)
}

/// Field and value of a key that is bound to an account; no key is ever bound to a CCR account.
fn binding(kind: AccountKind, account_id: &str) -> Option<(&'static str, String)> {
    let own = account_id.to_owned();
    Some(match kind {
        AccountKind::ClaudeOfficial => ("claudeAccountId", own),
        AccountKind::ClaudeConsole => ("claudeConsoleAccountId", own),
        AccountKind::Ccr => return None,
        AccountKind::Bedrock => ("bedrockAccountId", own),
        AccountKind::OpenAi => ("openaiAccountId", own),
        AccountKind::OpenAiResponses => ("openaiAccountId", format!("responses:{account_id}")),
        AccountKind::AzureOpenAi => ("azureOpenaiAccountId", own),
        AccountKind::Gemini => ("geminiAccountId", own),
        AccountKind::GeminiApi => ("geminiAccountId", format!("api:{account_id}")),
        AccountKind::Droid => ("droidAccountId", own),
    })
}
