//! Trying a ChatGPT account. The legacy service has no such test; this one asks the way its images bridge
//! does, without instructions. Of the account only its tokens may change, when they are over.

use std::sync::Arc;

use bytes::Bytes;
use compat::{
    account_state::openai,
    js,
    pool::{Entry, Kind},
};
use serde_json::{Value, json};

use super::{AccountAdmin, Told, complete, data_lines, read_all, refusal_text};
use crate::{
    domain::{Failure, HeaderList},
    upstream::UpstreamRequest,
};

const URL: &str = "https://chatgpt.com/backend-api/codex/responses";
const HOST: &str = "chatgpt.com";
/// Model that is asked for when none is named: small, and open to every plan.
pub(super) const MODEL: &str = "gpt-5.4-mini";
const AGENT: &str = "codex_cli_rs/0.144.5";
const VERSION: &str = "0.144.5";

impl AccountAdmin {
    pub(super) async fn probe_chatgpt(&self, id: &str, model: Option<&str>, told: Told<'_>) {
        let done = self.try_chatgpt(id, model.unwrap_or(MODEL), told).await;
        told(complete(done.err().map(super::fault_text)));
    }

    async fn try_chatgpt(&self, id: &str, model: &str, told: Told<'_>) -> Result<(), Failure> {
        let fields = self.fields(Kind::OpenAi, id).await?;
        let fields = fields.ok_or_else(|| Failure::fault("Account not found"))?;
        let mut entry = Arc::new(Entry::of_record(Kind::OpenAi, id, fields));
        if openai::token_expired(&entry, self.now_ms()) {
            self.refresh_chatgpt(id).await?;
            let fields = self.fields(Kind::OpenAi, id).await?.unwrap_or_default();
            entry = Arc::new(Entry::of_record(Kind::OpenAi, id, fields));
        }
        let ready = self.0.accounts.openai_ready(&entry).await?;
        told(json!({ "type": "test_start", "message": "Test started" }));
        let body = json!({
            "model": model,
            "instructions": "",
            "input": [{
                "type": "message", "role": "user",
                "content": [{ "type": "input_text", "text": "hi" }],
            }],
            "stream": true,
            "store": false,
        });
        let body = Bytes::from(body.to_string());
        let mut headers = HeaderList::new();
        headers.push("Accept", "text/event-stream");
        headers.push("Content-Type", "application/json");
        headers.push("authorization", format!("Bearer {}", ready.access_token.expose()));
        headers.push("chatgpt-account-id", ready.account_header.clone());
        headers.push("originator", "codex_cli_rs");
        headers.push("User-Agent", AGENT);
        headers.push("version", VERSION);
        headers.push("Content-Length", body.len().to_string());
        crate::accounts::oauth::tail(&mut headers, HOST, ready.proxy.is_some());
        let request = UpstreamRequest {
            method: http::Method::POST,
            url: URL.to_owned(),
            headers,
            body,
            proxy: ready.proxy.clone(),
            idle_timeout: self.0.request_timeout,
            decode_body: true,
        };
        let response = self.send(request).await?;
        if response.status != 200 {
            let status = response.status;
            let answer: Value =
                serde_json::from_slice(&read_all(response).await?).unwrap_or_default();
            // ChatGPT itself says `detail`.
            let detail = answer.get("detail").and_then(Value::as_str).map(str::to_owned);
            return Err(Failure::fault(detail.unwrap_or_else(|| refusal_text(status, &answer))));
        }
        let (mut whole, mut fault) = (false, None);
        data_lines(response, "data:", &mut |data| match data["type"].as_str() {
            Some("response.output_text.delta") => {
                if let Some(text) = js::or(data.get("delta")) {
                    told(json!({ "type": "content", "text": text }));
                }
            }
            Some("response.completed") => whole = true,
            Some("response.failed" | "response.incomplete" | "error") => {
                let response = data.get("response").unwrap_or(&data);
                let text = super::said(response).or_else(|| super::said(&data));
                fault.get_or_insert(text.unwrap_or_else(|| "the answer was not completed".into()));
            }
            _ => {}
        })
        .await?;
        match fault {
            Some(fault) => Err(Failure::Fault(fault)),
            None if whole => Ok(()),
            None => Err(Failure::fault("the answer broke off")),
        }
    }
}
