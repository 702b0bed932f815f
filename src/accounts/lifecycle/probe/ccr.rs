//! Trying a Claude Code Router account. The legacy service's own test of this kind always fails, so that
//! this one has no model: it asks as the relay does and tells as the other kinds do.

use compat::{
    crypto::Service,
    pool::{Entry, Kind},
};
use serde_json::{Value, json};

use super::{
    AccountAdmin, Told, complete, data_lines, delta, fault_text, messages_request, read_all, said,
};
use crate::{
    domain::{Failure, Secret},
    upstream::UpstreamRequest,
};

impl AccountAdmin {
    pub(super) async fn probe_ccr(&self, id: &str, model: &str, told: Told<'_>) {
        if let Err(error) = self.try_ccr(id, model, told).await {
            told(complete(Some(fault_text(error))));
        }
    }

    async fn try_ccr(&self, id: &str, model: &str, told: Told<'_>) -> Result<(), Failure> {
        let fields = self.fields(Kind::Ccr, id).await?;
        let fields = fields.ok_or_else(|| Failure::fault("Account not found"))?;
        let entry = Entry::of_record(Kind::Ccr, id, fields);
        let key = Secret::from(self.0.vault.decrypt(Service::Ccr, entry.get("apiKey")).text);
        told(json!({ "type": "test_start", "message": "Test started" }));
        let response = self.send(request(&entry, &key, &mapped(&entry, model))).await?;
        if response.status != 200 {
            let status = response.status;
            let body = read_all(response).await?;
            let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
            let text = said(&answer).unwrap_or_else(|| format!("API Error: {status}"));
            told(complete(Some(text)));
            return Ok(());
        }
        data_lines(response, "data:", &mut |data| {
            if let Some(content) = delta(&data) {
                told(content);
            }
            if data["type"] == "message_stop" {
                told(json!({ "type": "message_stop" }));
            }
        })
        .await?;
        told(complete(None));
        Ok(())
    }
}

/// The provider's own name of a model.
fn mapped(entry: &Entry, model: &str) -> String {
    let map: Value = serde_json::from_str(entry.get("supportedModels")).unwrap_or_default();
    map.get(model).and_then(Value::as_str).unwrap_or(model).to_owned()
}

fn request(entry: &Entry, key: &Secret, model: &str) -> UpstreamRequest {
    let url = entry.get("apiUrl");
    let url = url.strip_suffix('/').unwrap_or(url);
    let whole = url.ends_with("/v1/messages");
    let url = if whole { url.to_owned() } else { format!("{url}/v1/messages") };
    messages_request(entry, (url, model), key, entry.get("userAgent"), "Authorization")
}
