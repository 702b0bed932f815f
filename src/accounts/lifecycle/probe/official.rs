//! Trying an official account: the relay's request, and what the answer does to the account.

use std::sync::Arc;

use bytes::Bytes;
use compat::{
    clock::iso,
    pool::{Entry, Kind},
    store::Cmd,
};
use serde_json::{Value, json};

use super::{AccountAdmin, Told, data_lines, delta, fault_text, payload, read_all};
use crate::{
    accounts::{OfficialReply, proxy},
    domain::{Failure, HeaderList},
    platform::claude_official::{self as official, Account, Endpoint, ToolNaming},
    upstream::{SendError, SendErrorKind, UpstreamRequest, UpstreamResponse},
    wire::{anthropic::user_id::account_uuid_of, body::RequestBody},
};

impl AccountAdmin {
    pub(super) async fn probe_official(&self, id: &str, model: &str, told: Told<'_>) {
        if let Err(error) = self.try_official(id, model, told).await {
            told(json!({ "type": "error", "error": fault_text(error) }));
        }
    }

    /// A test on a schedule: nobody looks on, and only whether it passed is of interest.
    ///
    /// # Errors
    /// Why it did not, in the legacy service's words.
    pub async fn test_official(&self, id: &str, model: &str) -> Result<(), String> {
        let mut fault = None;
        let mut note = |event: Value| {
            if event["type"] == "error" {
                let text = event["error"].as_str().map(str::to_owned);
                fault = Some(text.unwrap_or_else(|| event["error"].to_string()));
            }
        };
        match self.try_official(id, model, &mut note).await {
            Ok(Some(text)) => Err(text),
            Ok(None) => fault.map_or(Ok(()), Err),
            Err(Failure::Fault(text)) => Err(text),
            Err(Failure::Declined(declined)) => Err(declined.to_string()),
        }
    }

    /// Tries it; gives what a schedule notes when the vendor refused or could not be reached.
    async fn try_official(
        &self,
        id: &str,
        model: &str,
        told: Told<'_>,
    ) -> Result<Option<String>, Failure> {
        let fields = self.fields(Kind::Official, id).await?;
        let fields = fields.ok_or_else(|| Failure::fault("Account not found"))?;
        let entry = Self::entry(Kind::Official, id, fields);
        let token = self.0.accounts.token(&entry).await?;
        let agent = self.shared_agent(&entry).await?;
        let account = Account {
            id: id.to_owned(),
            account_uuid: account_uuid_of(entry.get("extInfo")),
            unified_client_id: None,
            access_token: token,
        };
        let body = RequestBody::parse(Bytes::from(payload::claude(model).to_string()))?;
        let built = official::build(&official::Call {
            body: &body,
            headers: &HeaderList::new(),
            account: &account,
            endpoint: Endpoint::Messages,
            from_claude_code: true,
            captured: None,
            unified_user_agent: agent.as_deref(),
            api_version: &self.0.api_version,
            system_prompt: None,
            fresh_session_id: "",
            naming: ToolNaming::Pascal,
        });
        let request = UpstreamRequest {
            method: http::Method::POST,
            url: built.request.url,
            headers: built.request.headers,
            body: built.request.body,
            proxy: proxy::of(&entry),
            idle_timeout: self.0.request_timeout,
            decode_body: true,
        };
        // A 403 is not tried again: whoever looks on has been told that the test runs.
        match self.send_past(request).await {
            Ok(response) if response.status == 200 => {
                self.tell_answer(&entry, model, response, told).await;
            }
            Ok(response) => {
                let status = response.status;
                self.tell_refusal(&entry, model, response, told).await?;
                return Ok(Some(format!("Claude API error: {status}")));
            }
            Err(error) => {
                told(broken(&error, &iso(self.now_ms())));
                return Ok(Some(error.message));
            }
        }
        Ok(None)
    }

    /// The User-Agent that accounts may share.
    async fn shared_agent(&self, entry: &Arc<Entry>) -> Result<Option<String>, Failure> {
        if !entry.is("useUnifiedUserAgent") {
            return Ok(None);
        }
        let stored = self.one(Cmd::new("GET").arg(compat::keys::UNIFIED_USER_AGENT)).await?;
        Ok(stored.text()?.filter(|agent| !agent.is_empty()))
    }

    async fn tell_answer(
        &self,
        entry: &Arc<Entry>,
        model: &str,
        response: UpstreamResponse,
        told: Told<'_>,
    ) {
        let headers = response.headers.clone();
        let (mut started, mut limited) = (false, false);
        let read = data_lines(response, "data: ", &mut |data| {
            if data["type"] == "message_start" && !std::mem::replace(&mut started, true) {
                told(json!({ "type": "test_start" }));
            }
            if let Some(content) = delta(&data) {
                told(content);
            }
            if data["type"] == "message_stop" {
                told(json!({ "type": "test_complete", "success": true }));
            }
            if data["type"] == "error" {
                let message = data.pointer("/error/message").or_else(|| data.get("message"));
                let message = compat::js::or(message).cloned().unwrap_or_else(|| "未知错误".into());
                limited |= message
                    .as_str()
                    .is_some_and(|text| text.contains("exceed your account's rate limit"));
                told(json!({ "type": "error", "error": message }));
            }
        })
        .await;
        if let Err(error) = read {
            told(json!({ "type": "error", "error": error.message }));
            return;
        }
        let reply = reply(200, &headers, &[], model, limited);
        self.0.accounts.settle_official(entry, &reply).await;
    }

    async fn tell_refusal(
        &self,
        entry: &Arc<Entry>,
        model: &str,
        response: UpstreamResponse,
        told: Told<'_>,
    ) -> Result<(), Failure> {
        let (status, headers) = (response.status, response.headers.clone());
        let body = read_all(response).await?;
        self.0.accounts.settle_official(entry, &reply(status, &headers, &body, model, false)).await;
        let frame = official::reply::error_event(status, &body, true, "");
        let frame = String::from_utf8_lossy(&frame).into_owned();
        let shown = frame.strip_prefix("data: ").unwrap_or_default().trim();
        told(serde_json::from_str(shown).unwrap_or(Value::Null));
        Ok(())
    }
}

fn reply<'a>(
    status: u16,
    headers: &'a HeaderList,
    error_body: &'a [u8],
    model: &'a str,
    limit_in_stream: bool,
) -> OfficialReply<'a> {
    OfficialReply {
        status,
        headers,
        error_body,
        stream: true,
        limit_in_stream,
        model: Some(model),
        session_hash: None,
        dedicated: false,
        background_helper: false,
        claude_code_headers: None,
    }
}

/// What the relay tells a stream whose vendor cannot be reached.
fn broken(error: &SendError, now: &str) -> Value {
    let (text, code) = match error.kind {
        SendErrorKind::IdleTimeout => ("Request timeout", Some("TIMEOUT")),
        SendErrorKind::Refused => ("Connection refused by Claude API server", error.code),
        SendErrorKind::Reset => ("Connection reset by Claude API server", error.code),
        SendErrorKind::Dns => ("Unable to resolve Claude API hostname", error.code),
        SendErrorKind::ConnectTimeout => ("Connection timed out to Claude API server", error.code),
        _ => ("Upstream request failed", error.code),
    };
    let mut event = json!({ "error": text });
    if let Some(code) = code {
        event["code"] = code.into();
    }
    event["timestamp"] = now.into();
    event
}
