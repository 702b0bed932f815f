//! Trying an account: one small request with its own credentials, told step by step.
//!
//! What is told are the events of the admin API's test streams (contract/admin-api.md §5.11), as JSON:
//! `test_start`, `content`, `message_stop`, `error`, `test_complete`. An official account's state follows
//! the vendor's answer as if a client had asked; of other kinds nothing changes.

mod azure;
mod bedrock;
mod ccr;
mod chatgpt;
mod console;
mod official;
mod payload;
mod responses;

use std::time::Duration;

use bytes::Bytes;
use compat::pool::{Entry, Kind};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::AccountAdmin;
use crate::{
    accounts::proxy,
    domain::{Failure, HeaderList, ProxyConfig, Secret},
    platform::LIBRARY_AGENT,
    upstream::{SendError, UpstreamRequest, UpstreamResponse},
    wire::sse::LineSplitter,
};

/// Model that is asked for when none is named.
pub const DEFAULT_MODEL: &str = "claude-sonnet-4-5-20250929";
/// Model that is asked for of a kind when none is named; `None` where the account itself says.
pub fn default_model(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Bedrock | Kind::Azure => None,
        Kind::OpenAi => Some(chatgpt::MODEL),
        Kind::OpenAiResponses => Some(responses::MODEL),
        Kind::Official | Kind::Console | Kind::Ccr => Some(DEFAULT_MODEL),
    }
}

/// Longest that a whole answer is waited for.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest line of an answer that is looked at.
const LINE_LIMIT: usize = 1 << 20;
/// Most of a refusal that is read.
const REFUSAL_MAX: usize = 1 << 20;

/// Takes the events of a test as they come.
pub type Told<'a> = &'a mut (dyn FnMut(Value) + Send);

impl AccountAdmin {
    /// Tries an account and tells what happens, faults included. Without `model`, [`DEFAULT_MODEL`] is
    /// asked for, of other vendors' accounts one of theirs; Azure accounts have but one.
    pub async fn probe(&self, kind: Kind, id: &str, model: Option<&str>, told: Told<'_>) {
        let named = model.unwrap_or(DEFAULT_MODEL);
        match kind {
            Kind::Official => self.probe_official(id, named, told).await,
            Kind::Console => self.probe_console(id, named, told).await,
            Kind::Ccr => self.probe_ccr(id, named, told).await,
            Kind::Bedrock => self.probe_bedrock(id, model, told).await,
            Kind::OpenAi => self.probe_chatgpt(id, model, told).await,
            Kind::OpenAiResponses => self.probe_responses(id, model, told).await,
            Kind::Azure => self.probe_azure(id, told).await,
        }
    }

    async fn send(&self, request: UpstreamRequest) -> Result<UpstreamResponse, SendError> {
        let limit = request.idle_timeout;
        let answer = self.0.sender.send(request).await;
        answer.map_err(|error| crate::accounts::refresh::timed(error, limit))
    }

    /// As `send`, for kinds that do not heed the environment's proxies at work either.
    async fn send_past(&self, request: UpstreamRequest) -> Result<UpstreamResponse, SendError> {
        let limit = request.idle_timeout;
        let answer = self.0.sender.send_past(request).await;
        answer.map_err(|error| crate::accounts::refresh::timed(error, limit))
    }
}

/// Calls `each` with the JSON of every `data` line of an event stream; `prefix` is what a line starts
/// with before its JSON.
async fn data_lines(
    response: UpstreamResponse,
    prefix: &str,
    each: &mut (dyn FnMut(Value) + Send),
) -> Result<(), SendError> {
    let mut lines = LineSplitter::new(LINE_LIMIT);
    let mut body = response.body;
    while let Some(chunk) = body.next().await {
        for line in lines.push(chunk?).iter() {
            let line = String::from_utf8_lossy(line).into_owned();
            let Some(text) = line.strip_prefix(prefix) else { continue };
            if let Ok(data) = serde_json::from_str::<Value>(text.trim()) {
                each(data);
            }
        }
    }
    Ok(())
}

/// The whole of a refusal, within reason.
async fn read_all(response: UpstreamResponse) -> Result<Vec<u8>, SendError> {
    let mut body = response.body;
    let mut whole = Vec::new();
    while let Some(chunk) = body.next().await {
        whole.extend_from_slice(&chunk?);
        if whole.len() > REFUSAL_MAX {
            break;
        }
    }
    Ok(whole)
}

/// What a text delta says.
fn delta(data: &Value) -> Option<Value> {
    let text = compat::js::or(data.get("delta")?.get("text"))?;
    (data["type"] == "content_block_delta").then(|| json!({ "type": "content", "text": text }))
}

/// What went wrong, out of the many forms in which providers say so.
fn said(answer: &Value) -> Option<String> {
    let text = |value: Option<&Value>| {
        value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let at = |path: &str| text(answer.pointer(path));
    at("/message")
        .or_else(|| at("/error/message"))
        .or_else(|| at("/msg/error/message"))
        .or_else(|| at("/msg/message"))
        .or_else(|| text(answer.get("error")))
        .or_else(|| text(answer.get("msg")))
}

/// Host and port of an address, as a `Host` header names them.
pub(super) fn host_of(url: &str) -> String {
    let parsed = url::Url::parse(url).ok();
    let host = parsed.as_ref().map(|url| &url[url::Position::BeforeHost..url::Position::AfterPort]);
    host.unwrap_or_default().to_owned()
}

/// Why a test failed.
fn fault_text(failure: Failure) -> String {
    match failure {
        Failure::Fault(text) => text,
        Failure::Declined(declined) => declined.to_string(),
    }
}

/// What a refusal says, or its status.
fn refusal_text(status: u16, answer: &Value) -> String {
    said(answer).unwrap_or_else(|| format!("Request failed with status code {status}"))
}

/// A request as the legacy service's HTTP library sends it, with `own` headers among the library's.
fn library_request<'h>(
    url: String,
    own: impl IntoIterator<Item = (&'h str, String)>,
    body: &Value,
    proxy: Option<ProxyConfig>,
) -> UpstreamRequest {
    let body = Bytes::from(body.to_string());
    let mut headers = HeaderList::new();
    headers.push("Accept", "application/json, text/plain, */*");
    headers.push("Content-Type", "application/json");
    for (name, value) in own {
        headers.push(name, value);
    }
    headers.push("Content-Length", body.len().to_string());
    crate::accounts::oauth::tail(&mut headers, &host_of(&url), proxy.is_some());
    UpstreamRequest {
        method: http::Method::POST,
        url,
        headers,
        body,
        proxy,
        idle_timeout: TIMEOUT,
        decode_body: true,
    }
}

/// How the library names itself where the account does not say otherwise.
fn library_agent() -> (&'static str, String) {
    ("User-Agent", LIBRARY_AGENT.to_owned())
}

/// A Messages request to a provider: `agent` names the client, `bearer` is the header for keys that are not
/// Anthropic's.
fn messages_request(
    entry: &Entry,
    (url, model): (String, &str),
    key: &Secret,
    agent: &str,
    bearer: &str,
) -> UpstreamRequest {
    let credential = if key.expose().starts_with("sk-ant-") {
        ("x-api-key", key.expose().to_owned())
    } else {
        (bearer, format!("Bearer {}", key.expose()))
    };
    let own = [
        ("anthropic-version", "2023-06-01".to_owned()),
        ("User-Agent", agent.to_owned()),
        credential,
    ];
    library_request(url, own, &payload::claude(model), proxy::of(entry))
}

fn complete(error: Option<String>) -> Value {
    let mut event = json!({ "type": "test_complete", "success": error.is_none() });
    if let Some(error) = error {
        event["error"] = error.into();
    }
    event
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(json!({"message": "a", "error": {"message": "b"}}), Some("a"))]
    #[case(json!({"error": {"message": "b"}}), Some("b"))]
    #[case(json!({"msg": {"error": {"message": "c"}}}), Some("c"))]
    #[case(json!({"error": "d"}), Some("d"))]
    #[case(json!({"detail": "e"}), None)]
    fn faults_are_found(#[case] answer: Value, #[case] found: Option<&str>) {
        assert_eq!(said(&answer).as_deref(), found);
    }
}
