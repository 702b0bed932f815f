//! Trying a Bedrock account. One attempt is made; nothing is marked on the account.

use std::sync::Arc;

use compat::pool::{Entry, Kind};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::{AccountAdmin, Told, delta, fault_text, read_all};
use crate::{
    accounts::AmbientError,
    domain::Failure,
    platform::bedrock::{self, Attempt, Fault, reply},
    upstream::{UpstreamRequest, UpstreamResponse},
    wire::{
        aws_events::{Frame, FrameReader},
        body::RequestBody,
    },
};

/// Model of accounts that name none.
const MODEL: &str = "us.anthropic.claude-3-5-haiku-20241022-v1:0";
/// Most tokens of the answer.
const MAX_TOKENS: u32 = 256;

impl AccountAdmin {
    pub(super) async fn probe_bedrock(&self, id: &str, model: Option<&str>, told: Told<'_>) {
        if let Err(error) = self.try_bedrock(id, model, told).await {
            told(json!({ "type": "error", "error": fault_text(error) }));
        }
    }

    async fn try_bedrock(
        &self,
        id: &str,
        model: Option<&str>,
        told: Told<'_>,
    ) -> Result<(), Failure> {
        let Some((record, _)) = self.document(id).await? else {
            return Err(Failure::fault("Account not found"));
        };
        let stored = |name: &str| compat::js::or(record.get(name)).is_some();
        if stored("awsCredentials") || stored("bearerToken") {
            self.credentials(&record)?;
        } else {
            let told = |error: Arc<AmbientError>| Failure::Fault(error.to_string());
            self.0.accounts.surroundings().await.map_err(told)?;
        }
        let mut entry = Entry::of_record(Kind::Bedrock, id, compat::pool::Fields::new());
        entry.document = Some(Value::Object(record));
        let ready = self.0.accounts.bedrock_ready(&Arc::new(entry)).await;
        let ready = ready.ok_or_else(|| Failure::fault("Account not found"))?;
        let mut account = ready.account;
        if model.is_some() {
            account.default_model = None;
        }
        told(json!({ "type": "test_start" }));
        let body = json!({
            "model": model.unwrap_or(MODEL),
            "max_tokens": MAX_TOKENS,
            "messages": [{ "role": "user", "content": "hi" }],
        });
        let body = RequestBody::parse(body.to_string().into())?;
        let plan = bedrock::plan(&body, true, &account, &self.0.bedrock)?;
        let invocation = uuid::Uuid::new_v4().to_string();
        let attempt =
            Attempt { invocation_id: &invocation, number: 1, of: 1, now_ms: self.now_ms() };
        let built = bedrock::sign_attempt(&plan, &attempt)?;
        let response = self
            .send_past(UpstreamRequest {
                method: http::Method::POST,
                url: built.url,
                headers: built.headers,
                body: built.body,
                proxy: None,
                idle_timeout: self.0.request_timeout,
                decode_body: true,
            })
            .await?;
        if response.status != 200 {
            let (status, headers) = (response.status, response.headers.clone());
            let body = read_all(response).await?;
            let fault = Fault::of_answer(status, &headers, &body.into());
            return Err(Failure::Fault(fault.message));
        }
        read_events(response, told).await?;
        told(json!({ "type": "message_stop" }));
        told(json!({ "type": "test_complete", "success": true }));

        Ok(())
    }
}

async fn read_events(response: UpstreamResponse, told: Told<'_>) -> Result<(), Failure> {
    let (mut frames, mut body) = (FrameReader::default(), response.body);
    while let Some(chunk) = body.next().await {
        frames.push(&chunk?);
        while let Some(frame) = frames.take().map_err(|error| Failure::fault(error.0))? {
            let event = match frame {
                Frame::Event { name, payload } if name == "chunk" => {
                    reply::chunk(&payload).map_err(|fault| Failure::Fault(fault.message))?.out
                }
                Frame::Event { .. } => None,
                Frame::Exception { name, payload } => {
                    return Err(Failure::Fault(Fault::of_exception(&name, &payload).message));
                }
                Frame::Error { message, .. } => return Err(Failure::Fault(message)),
            };
            if let Some(data) = event.as_deref().and_then(data_of) {
                if let Some(content) = delta(&data) {
                    told(content);
                }
                if data["type"] == "error" {
                    let message = data.pointer("/error/message").and_then(Value::as_str);
                    return Err(Failure::fault(message.unwrap_or("Bedrock API error")));
                }
            }
        }
    }
    Ok(())
}

/// The JSON of a server-sent event.
fn data_of(event: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(event).ok()?;
    let data = text.lines().find_map(|line| line.strip_prefix("data: "))?;
    serde_json::from_str(data).ok()
}
