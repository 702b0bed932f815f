//! The scripted client: sends one request byte for byte and notes what comes back.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};

use super::{
    http::{Framing, Head, Reader, encoded},
    openai,
    scenario::Send,
    template::Run,
};

/// What came back.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub head: Head,
    pub body: Vec<u8>,
    /// `complete`, `cut` (the service closed early), `left` (the script's own leaving) or
    /// `patience` (nothing more came).
    pub ended: &'static str,
}

/// A request worked out to bytes.
pub struct Prepared {
    head: String,
    body: Vec<u8>,
    chunk: Option<usize>,
    is_head: bool,
}

/// Text of the wire constant that Claude Code starts its system prompt with.
const IDENTITY: &str = "You are Claude Code, Anthropic's official CLI for Claude.";

const PATIENCE: Duration = Duration::from_secs(8);

/// Works a declared request out to bytes.
pub fn prepare(run: &Run<'_>, send: &Send, port: u16) -> Result<Prepared> {
    if let Some(wire) = &send.wire {
        return Ok(Prepared { head: wire.clone(), body: Vec::new(), chunk: None, is_head: false });
    }
    let path = send.path.as_deref().unwrap_or("/api/v1/messages");
    let client = send.client.as_deref().unwrap_or(if path.starts_with("/azure/") {
        if path.ends_with("/responses") || path.contains("completions") || path.contains("/embed") {
            "openai"
        } else {
            "bare"
        }
    } else if path.contains("completions") {
        "chat"
    } else if path.contains("/responses") {
        "codex"
    } else if path.contains("/images/") {
        "openai"
    } else if path.contains("/messages") {
        "code"
    } else {
        "bare"
    });
    let fallback =
        if client == "bare" && send.json.is_none() && send.raw.is_none() { "GET" } else { "POST" };
    let method = send.method.as_deref().unwrap_or(fallback);
    let mut headers = headers(run, send, client);
    for (name, value) in &send.headers {
        let position = headers.iter().position(|(given, _)| given.eq_ignore_ascii_case(name));
        let values: Vec<String> = match value {
            Value::Null => Vec::new(),
            Value::Array(items) => items.iter().filter_map(Value::as_str).map(Into::into).collect(),
            Value::String(text) => vec![text.clone()],
            other => vec![other.to_string()],
        };
        if let Some(position) = position {
            headers.remove(position);
        }
        let at = position.unwrap_or(headers.len());
        for value in values.into_iter().rev() {
            headers.insert(at, (name.clone(), value));
        }
    }
    let mut body = body(run, send, client, method, path)?;
    if let Some(encoding) = &send.encoding {
        body = encoded(encoding, &body);
        headers.push(("Content-Encoding".to_owned(), encoding.clone()));
    }
    if body.is_empty() && send.raw.is_none() {
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
    }
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(length) = send.claim_length {
        head.push_str(&format!("Content-Length: {length}\r\n"));
    } else if send.chunked.is_some() {
        head.push_str("Transfer-Encoding: chunked\r\n");
    } else if !body.is_empty() || send.raw.is_some() || method == "POST" {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    Ok(Prepared { head, body, chunk: send.chunked, is_head: method == "HEAD" })
}

fn headers(run: &Run<'_>, send: &Send, client: &str) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    let mut put = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
    if client != "codex" {
        put("Accept", "application/json");
        put("Content-Type", "application/json");
    }
    match client {
        "code" => {
            put("User-Agent", "claude-cli/2.0.14 (external, cli)");
            put("X-Stainless-Lang", "js");
            put("X-Stainless-Package-Version", "0.60.0");
            put("X-Stainless-OS", "Linux");
            put("X-Stainless-Arch", "x64");
            put("X-Stainless-Runtime", "node");
            put("X-Stainless-Runtime-Version", "v22.11.0");
            put("X-Stainless-Retry-Count", "0");
            put("X-Stainless-Timeout", "600");
            put("anthropic-dangerous-direct-browser-access", "true");
            put("anthropic-version", "2023-06-01");
            put("x-app", "cli");
            put("anthropic-beta", "claude-code-20250219,interleaved-thinking-2025-05-14");
        }
        "sdk" => {
            put("User-Agent", "Anthropic/Python 0.40.0");
            put("anthropic-version", "2023-06-01");
        }
        "codex" => {
            for (name, value) in openai::codex_headers(run) {
                put(name, &value);
            }
        }
        "openai" => {
            for (name, value) in openai::SDK_HEADERS {
                put(name, value);
            }
        }
        "chat" => put("User-Agent", "OpenAI/Python 1.50.0"),
        _ => put("User-Agent", "conform/1.0"),
    }
    if let Some(alias) = &send.key {
        let key = run.plain_key(alias);
        let bearer = matches!(client, "chat" | "codex" | "openai");
        let usual = if bearer { "Authorization" } else { "x-api-key" };
        let name = send.key_in.as_deref().unwrap_or(usual);
        let bearer = name.eq_ignore_ascii_case("authorization");
        put(name, &if bearer { format!("Bearer {key}") } else { key });
    }
    headers
}

fn body(run: &Run<'_>, send: &Send, client: &str, method: &str, path: &str) -> Result<Vec<u8>> {
    if send.claim_length.is_some() {
        return Ok(Vec::new());
    }
    if let Some(raw) = &send.raw {
        return Ok(raw.clone().into_bytes());
    }
    if let Some(digits) = &send.raw_hex {
        return hex::decode(digits).context("raw_hex");
    }
    let mut body = match &send.json {
        Some(body) => body.clone(),
        None if method == "GET" || method == "HEAD" || client == "bare" => {
            return Ok(send.body.as_ref().map(|b| b.to_string().into_bytes()).unwrap_or_default());
        }
        None => usual_body(run, client, path),
    };
    if let Some(stream) = send.stream {
        body["stream"] = json!(stream);
    }
    if let Some(patch) = &send.body {
        merge(&mut body, patch);
    }
    if send.padding > 0
        && let Some(messages) = body.get_mut("messages").and_then(Value::as_array_mut)
    {
        messages.push(json!({ "role": "user", "content": "x".repeat(send.padding) }));
    }
    Ok(body.to_string().into_bytes())
}

fn usual_body(run: &Run<'_>, client: &str, path: &str) -> Value {
    let model = "claude-sonnet-4-20250514";
    let user = json!([{ "role": "user", "content": "hi" }]);
    match client {
        "code" => {
            let device = super::template::derived_hex("", "device", "main");
            let session = super::template::derived_uuid(run.scenario, "session", "main");
            json!({
                "model": model,
                "max_tokens": 1024,
                "system": [{
                    "type": "text", "text": IDENTITY, "cache_control": { "type": "ephemeral" }
                }],
                "messages": user,
                "metadata": { "user_id": format!("user_{device}_account__session_{session}") }
            })
        }
        "codex" => openai::codex_body(run),
        "openai" => openai::sdk_body(path),
        _ => json!({ "model": model, "max_tokens": 1024, "messages": user }),
    }
}

/// RFC 7396: objects merge, `null` removes, anything else replaces.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(members) = target.as_object_mut() else { return };
    for (name, change) in changes {
        if change.is_null() {
            members.shift_remove(name);
        } else {
            merge(members.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}

/// Sends it on a connection of its own.
pub async fn exchange(prepared: &Prepared, send: &Send, port: u16) -> Result<Answer> {
    tokio::time::sleep(Duration::from_millis(send.after_ms)).await;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.context("the service")?;
    stream.set_nodelay(true)?;
    stream.write_all(prepared.head.as_bytes()).await?;
    // A service may answer and close before it has read a body that it refuses.
    let _ = match prepared.chunk {
        Some(size) => write_chunked(&mut stream, &prepared.body, size.max(1)).await,
        None => stream.write_all(&prepared.body).await,
    };
    let patience = send.patience_ms.map_or(PATIENCE, Duration::from_millis);
    let leave = send.leave_after_ms.map(Duration::from_millis);
    let until = Instant::now() + leave.unwrap_or(patience).min(patience);
    let mut answer = Answer { ended: "complete", ..Answer::default() };
    let leave_at = send.leave_at.as_deref();
    let reading = receive(&mut stream, prepared.is_head, leave_at, &mut answer);
    match tokio::time::timeout_at(until, reading).await {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => answer.ended = "left",
        Ok(Err(_)) => answer.ended = "cut",
        Err(_) => answer.ended = if leave.is_some() { "left" } else { "patience" },
    }
    Ok(answer)
}

async fn write_chunked(stream: &mut TcpStream, body: &[u8], size: usize) -> std::io::Result<()> {
    for part in body.chunks(size) {
        stream.write_all(format!("{:x}\r\n", part.len()).as_bytes()).await?;
        stream.write_all(part).await?;
        stream.write_all(b"\r\n").await?;
    }
    stream.write_all(b"0\r\n\r\n").await
}

/// `Ok(false)` when the text to leave at has come.
async fn receive(
    stream: &mut TcpStream,
    is_head: bool,
    leave_at: Option<&str>,
    answer: &mut Answer,
) -> Result<bool> {
    let mut reader = Reader::new(stream);
    loop {
        answer.head = reader.head().await?.context("closed without an answer")?;
        let status = answer.head.first_line.split(' ').nth(1).and_then(|text| text.parse().ok());
        answer.status = status.context("status line")?;
        if answer.status != 100 {
            break;
        }
    }
    let mut framing = Framing::of_response(&answer.head, answer.status, is_head);
    while let Some(piece) = reader.piece(&mut framing).await? {
        answer.body.extend_from_slice(&piece);
        if let Some(text) = leave_at
            && String::from_utf8_lossy(&answer.body).contains(text)
        {
            return Ok(false);
        }
    }
    Ok(true)
}
