//! The stand-in, asked through the real sender.

use futures_util::StreamExt;
use serde_json::Value;

use super::*;
use crate::{
    domain::HeaderList,
    upstream::{HttpSender, Sender, SenderSettings, UpstreamRequest},
};

struct Ask {
    sender: HttpSender,
    base: String,
    controls: Controls,
    _running: JoinSet<()>,
}

impl Ask {
    async fn start() -> Self {
        let standin = StandIn::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", standin.address().unwrap());
        let controls = standin.controls();
        let mut running = JoinSet::new();
        running.spawn(standin.run(CancellationToken::new()));
        let sender = HttpSender::new(SenderSettings::default()).unwrap();
        Self { sender, base, controls, _running: running }
    }

    async fn send(&self, method: Method, path: &str, body: &str) -> (u16, String) {
        let request = UpstreamRequest {
            method,
            url: format!("{}{path}", self.base),
            headers: [("Host", "api.anthropic.com")].into_iter().collect::<HeaderList>(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            proxy: None,
            idle_timeout: std::time::Duration::from_secs(20),
            decode_body: false,
        };
        let mut response = self.sender.send(request).await.unwrap();
        let mut text = Vec::new();
        while let Some(chunk) = response.body.next().await {
            text.extend_from_slice(&chunk.unwrap());
        }
        (response.status, String::from_utf8(text).unwrap())
    }
}

#[tokio::test]
async fn a_message_is_answered_in_one_piece() {
    let ask = Ask::start().await;
    let usage =
        behaviour::TokenCounts { input: 10, output: 5, cache_5m: 3, cache_1h: 4, cache_read: 100 };
    ask.controls.set(Behaviour {
        usage: Some(usage),
        text_bytes: Some(1_000),
        ..Behaviour::default()
    });
    let (status, text) =
        ask.send(Method::POST, "/v1/messages?beta=true", r#"{"model":"claude-x\"y"}"#).await;
    let message: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, message["model"].as_str().unwrap()), (200, "claude-x\"y"));
    assert_eq!(message["content"][0]["text"].as_str().unwrap().len(), 1_000);
    assert_eq!(message["usage"]["cache_creation_input_tokens"], 7);
    assert_eq!(message["usage"]["cache_creation"]["ephemeral_1h_input_tokens"], 4);
    assert_eq!(message["usage"]["cache_read_input_tokens"], 100);
    assert_eq!(ask.controls.requests(), 1);
}

#[tokio::test]
async fn a_stream_has_its_events_in_order() {
    let ask = Ask::start().await;
    let pause = std::time::Duration::from_millis(1);
    ask.controls.set(Behaviour { delta_delay: pause, ..Behaviour::default() });
    let (_, text) = ask.send(Method::POST, "/v1/messages", r#"{"stream":true,"model":"m"}"#).await;
    let mut names = Vec::new();
    let mut said = String::new();
    for frame in text.split_terminator("\n\n") {
        let (name, data) = frame.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        names.push(data["type"].as_str().unwrap().to_owned());
        said.push_str(data["delta"]["text"].as_str().unwrap_or_default());
    }
    let mut expected = vec!["message_start", "content_block_start", "ping"];
    expected.extend(["content_block_delta"; 8]);
    expected.extend(["content_block_stop", "message_delta", "message_stop"]);
    assert_eq!(names, expected);
    assert_eq!(said, Behaviour::default().text());
}

#[tokio::test]
async fn a_response_comes_whole_or_as_events() {
    const PATH: &str = "/backend-api/codex/responses";
    let ask = Ask::start().await;
    let usage =
        behaviour::TokenCounts { input: 10, output: 5, cache_read: 90, ..Default::default() };
    ask.controls.set(Behaviour { usage: Some(usage), ..Behaviour::default() });
    let (_, text) = ask.send(Method::POST, PATH, r#"{"model":"m"}"#).await;
    let whole: Value = serde_json::from_str(&text).unwrap();
    let (_, text) = ask.send(Method::POST, PATH, r#"{"stream":true,"model":"m"}"#).await;
    let mut said = String::new();
    let mut last = Value::Null;
    for frame in text.split_terminator("\n\n") {
        let (name, data) = frame.split_once('\n').unwrap();
        last = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), last["type"].as_str());
        said.push_str(last["delta"].as_str().unwrap_or_default());
    }
    assert_eq!((last["type"].as_str(), &last["response"]), (Some("response.completed"), &whole));
    assert_eq!(said, Behaviour::default().text());
    assert_eq!(whole["output"][0]["content"][0]["text"], said);
    let usage = &whole["usage"];
    assert_eq!((&usage["input_tokens"], &usage["total_tokens"]), (&100.into(), &105.into()));
    assert_eq!(usage["input_tokens_details"]["cached_tokens"], 90);
    assert_eq!(ask.controls.requests(), 2);
}

#[tokio::test]
async fn the_other_endpoints_answer() {
    let ask = Ask::start().await;
    let (_, text) = ask.send(Method::POST, "/v1/messages/count_tokens", "12345678").await;
    assert_eq!(text, r#"{"input_tokens":2}"#);
    let (_, text) = ask.send(Method::POST, "/v1/oauth/token", "{}").await;
    assert!(text.contains("\"expires_in\":28800"));
    assert_eq!(ask.send(Method::GET, "/v1/models", "").await.0, 200);
    assert_eq!(ask.send(Method::GET, "/nowhere", "").await.0, 404);
    assert_eq!(ask.send(Method::POST, "/v1/messages", "{").await.0, 400);
    assert_eq!(ask.controls.requests(), 1, "only requests for messages count");
}
