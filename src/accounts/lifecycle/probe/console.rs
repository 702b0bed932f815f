//! Trying a console account.

use compat::{
    crypto::Service,
    pool::{Entry, Kind},
};
use serde_json::json;

use super::{
    AccountAdmin, Told, complete, data_lines, delta, fault_text, messages_request, read_all, said,
};
use crate::{
    domain::{Failure, Secret},
    upstream::UpstreamRequest,
};

const AGENT: &str = "claude-cli/2.0.52 (external, cli)";
/// A refusal that is no JSON is shown when it is shorter than this.
const TEXT_MAX: usize = 200;

impl AccountAdmin {
    pub(super) async fn probe_console(&self, id: &str, model: &str, told: Told<'_>) {
        if let Err(error) = self.try_console(id, model, told).await {
            told(complete(Some(fault_text(error))));
        }
    }

    async fn try_console(&self, id: &str, model: &str, told: Told<'_>) -> Result<(), Failure> {
        let fields = self.fields(Kind::Console, id).await?;
        let fields = fields.ok_or_else(|| Failure::fault("Account not found"))?;
        let entry = Entry::of_record(Kind::Console, id, fields);
        let key = self.0.vault.decrypt(Service::ClaudeConsole, entry.get("apiKey")).text;
        let request = request(&entry, &Secret::from(key), model);
        told(json!({ "type": "test_start", "message": "Test started" }));
        let response = self.send(request).await?;
        if response.status != 200 {
            let status = response.status;
            let body = read_all(response).await?;
            told(complete(Some(refusal(status, &body))));
            return Ok(());
        }
        data_lines(response, "data:", &mut |data| {
            if let Some(content) = delta(&data) {
                told(content);
            }
            if data["type"] == "message_stop" {
                told(json!({ "type": "message_stop" }));
            }
            let fault = compat::js::or(data.get("error"));
            if data["type"] == "error" || fault.is_some() {
                let message = fault.and_then(|fault| compat::js::or(fault.get("message")));
                let message = message.or(compat::js::or(data.get("message"))).or(fault);
                let message = message.cloned().unwrap_or_else(|| "Unknown error".into());
                told(json!({ "type": "error", "error": message }));
            }
        })
        .await?;
        told(complete(None));
        Ok(())
    }
}

fn request(entry: &Entry, key: &Secret, model: &str) -> UpstreamRequest {
    let url = entry.get("apiUrl");
    let url = url.strip_suffix('/').unwrap_or(url);
    let whole = url.ends_with("/v1/messages");
    let url = if whole { url.to_owned() } else { format!("{url}/v1/messages?beta=true") };
    let own = entry.get("userAgent");
    let agent = if own.is_empty() { AGENT } else { own };
    messages_request(entry, (url, model), key, agent, "authorization")
}

fn refusal(status: u16, body: &[u8]) -> String {
    let fallback = format!("API Error: {status}");
    let text = String::from_utf8_lossy(body);
    match serde_json::from_str(&text) {
        Ok(answer) => said(&answer).unwrap_or(fallback),
        Err(_) if text.len() < TEXT_MAX && !text.is_empty() => text.into_owned(),
        Err(_) => fallback,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(r#"{"error":{"message":"no"}}"#, "no")]
    #[case("busy", "busy")]
    #[case("", "API Error: 503")]
    fn refusals(#[case] body: &str, #[case] shown: &str) {
        assert_eq!(refusal(503, body.as_bytes()), shown);
    }
}
