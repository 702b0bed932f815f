//! The scripted vendors: one raw-socket HTTP/1.1 server that answers for every host.
//!
//! Records each request's head byte for byte (order and spelling of headers) and its body, and
//! answers from the scenario's script. It never improvises: a request that the script does not
//! foresee is answered 599 and marked in the observation.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncRead, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use super::{
    http::{Framing, Head, Reader, encoded},
    scenario::Reply,
};

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    pub head: Head,
    pub body: Vec<u8>,
    /// Scripted proxy that it came through.
    pub via: Option<&'static str>,
    /// `complete`, `aborted` (the caller left first) or `scripted` (the script broke it off).
    pub ended: &'static str,
    pub scripted: bool,
}

#[derive(Default)]
struct Script {
    replies: Vec<(Reply, bool)>,
    /// Nothing scripted: every request gets an ordinary message.
    open: bool,
    received: Vec<Received>,
    round: u64,
}

/// The server; cheap to clone.
#[derive(Clone)]
pub struct StandIn {
    script: Arc<Mutex<Script>>,
    /// Told at the start of each scenario; hanging exchanges of the last one end.
    next_round: Arc<Notify>,
}

impl StandIn {
    /// Listens on three loopback ports: direct, behind the HTTP proxy, behind the SOCKS5 proxy.
    pub async fn start(port: u16) -> Result<(Self, [u16; 3])> {
        let standin = Self { script: Arc::default(), next_round: Arc::default() };
        let mut ports = [0; 3];
        for (slot, via) in ports.iter_mut().zip([None, Some("http"), Some("socks5")]) {
            let wanted = if via.is_none() { port } else { 0 };
            let listener = TcpListener::bind(("127.0.0.1", wanted)).await?;
            *slot = listener.local_addr()?.port();
            let standin = standin.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let standin = standin.clone();
                    tokio::spawn(async move {
                        // A broken connection is an outcome of the scenario, not an error.
                        let _ = standin.serve(stream, via).await;
                    });
                }
            });
        }
        Ok((standin, ports))
    }

    /// Starts a scenario: its script replaces the last one's, its record is empty.
    pub fn begin(&self, replies: Option<&[Reply]>) {
        let mut script = self.script.lock();
        script.round += 1;
        script.open = replies.is_none();
        script.replies = replies.unwrap_or_default().iter().map(|r| (r.clone(), false)).collect();
        script.received.clear();
        drop(script);
        self.next_round.notify_waiters();
    }

    /// Requests so far, in order of arrival.
    pub fn received(&self) -> Vec<Received> {
        self.script.lock().received.clone()
    }

    /// Scripted replies that nothing asked for.
    pub fn unused(&self) -> usize {
        let script = self.script.lock();
        script.replies.iter().filter(|(reply, used)| !used && !reply.repeat).count()
    }

    async fn serve(&self, mut stream: TcpStream, via: Option<&'static str>) -> Result<()> {
        stream.set_nodelay(true)?;
        let (read, mut write) = stream.split();
        let mut reader = Reader::new(read);
        while let Some(head) = reader.head().await? {
            let body = reader.body(Framing::of_request(&head)).await?;
            let (reply, index, round) = self.choose(&head, &body, via);
            let plan = Plan::of(&reply, &body);
            let next_round = self.next_round.notified();
            let ended = tokio::select! {
                ended = play(&plan, &mut write) => ended,
                () = left(&mut reader) => "aborted",
                () = next_round => "scripted",
            };
            {
                let mut script = self.script.lock();
                if script.round == round
                    && let Some(received) = script.received.get_mut(index)
                {
                    received.ended = ended;
                }
            }
            match ended {
                "complete" => {}
                "reset" => {
                    // No bytes after this: the kernel answers the peer's data with RST.
                    let _ = stream.set_zero_linger();
                    return Ok(());
                }
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    fn choose(&self, head: &Head, body: &[u8], via: Option<&'static str>) -> (Reply, usize, u64) {
        let host = head.get("host").unwrap_or_default().to_owned();
        let path = head.first_line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut script = self.script.lock();
        let open = script.open;
        let found = script.replies.iter_mut().find(|(reply, used)| {
            (reply.repeat || !used)
                && reply.host.as_ref().is_none_or(|wanted| host.starts_with(wanted.as_str()))
                && reply.path.as_ref().is_none_or(|wanted| path.starts_with(wanted.as_str()))
        });
        let (reply, scripted) = match found {
            Some((reply, used)) => {
                *used = true;
                (reply.clone(), true)
            }
            None if open => (Reply::default(), true),
            None => {
                let error = json!({ "error": { "type": "unscripted", "message": "unscripted" } });
                (Reply { status: Some(599), json: Some(error), ..Reply::default() }, false)
            }
        };
        script.received.push(Received {
            head: head.clone(),
            body: body.to_vec(),
            via,
            ended: "complete",
            scripted,
        });
        (reply, script.received.len() - 1, script.round)
    }
}

/// Resolves once the peer has closed its side.
async fn left<R: AsyncRead + Unpin>(reader: &mut Reader<R>) {
    reader.closed().await;
}

/// A reply worked out to bytes and pauses.
struct Plan {
    before: Duration,
    fail: Option<String>,
    head: String,
    pieces: Vec<Piece>,
    then: Option<String>,
}

enum Piece {
    Bytes(Vec<u8>),
    Pause(Duration),
}

impl Plan {
    fn of(reply: &Reply, request: &[u8]) -> Self {
        let request: Value = serde_json::from_slice(request).unwrap_or_default();
        let streams = request.get("stream").and_then(Value::as_bool).unwrap_or(false);
        let default_message = Map::new();
        let message = match (&reply.message, &reply.json, &reply.text, &reply.sse) {
            (Some(message), ..) => Some(message),
            (None, None, None, None) => Some(&default_message),
            _ => None,
        };
        let mut pieces = Vec::new();
        let content_type = if let (Some(message), true) = (message, streams) {
            sse_pieces(&message_events(message, &request), reply.gap_ms, &mut pieces);
            "text/event-stream; charset=utf-8"
        } else if let Some(message) = message {
            pieces.push(Piece::Bytes(message_json(message, &request).to_string().into_bytes()));
            "application/json"
        } else if let Some(events) = &reply.sse {
            sse_pieces(events, reply.gap_ms, &mut pieces);
            "text/event-stream; charset=utf-8"
        } else if let Some(text) = &reply.text {
            pieces.push(Piece::Bytes(text.clone().into_bytes()));
            "text/plain"
        } else {
            let json = reply.json.clone().unwrap_or_default();
            pieces.push(Piece::Bytes(json.to_string().into_bytes()));
            "application/json"
        };
        let mut headers = vec![
            ("Date".to_owned(), "Tue, 02 Jan 2024 03:04:05 GMT".to_owned()),
            ("Content-Type".to_owned(), content_type.to_owned()),
            ("Connection".to_owned(), "keep-alive".to_owned()),
            ("request-id".to_owned(), "req_standin_1".to_owned()),
        ];
        for (name, value) in &reply.headers {
            headers.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
            match value {
                Value::Array(values) => {
                    let values = values.iter().filter_map(Value::as_str);
                    headers.extend(values.map(|value| (name.clone(), value.to_owned())));
                }
                Value::String(value) => headers.push((name.clone(), value.clone())),
                _ => {}
            }
        }
        if let Some(encoding) = &reply.encoding {
            headers.push(("Content-Encoding".to_owned(), encoding.clone()));
            pieces = vec![Piece::Bytes(encoded(encoding, &joined(&pieces)))];
        }
        if let Some(size) = reply.split {
            pieces = joined(&pieces)
                .chunks(size.max(1))
                .flat_map(|part| {
                    [Piece::Bytes(part.to_vec()), Piece::Pause(Duration::from_millis(4))]
                })
                .collect();
        }
        let whole = !content_type.starts_with("text/event-stream") && reply.then.is_none();
        if whole {
            headers.push(("Content-Length".to_owned(), joined(&pieces).len().to_string()));
        } else {
            headers.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
            for piece in &mut pieces {
                if let Piece::Bytes(bytes) = piece {
                    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
                    chunk.extend_from_slice(bytes);
                    chunk.extend_from_slice(b"\r\n");
                    *bytes = chunk;
                }
            }
            if reply.then.is_none() {
                pieces.push(Piece::Bytes(b"0\r\n\r\n".to_vec()));
            }
        }
        let status = reply.status.unwrap_or(200);
        let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let before = Duration::from_millis(reply.delay_ms);
        Self { before, fail: reply.fail.clone(), head, pieces, then: reply.then.clone() }
    }
}

async fn play<W: tokio::io::AsyncWrite + Unpin>(plan: &Plan, write: &mut W) -> &'static str {
    tokio::time::sleep(plan.before).await;
    match plan.fail.as_deref() {
        Some("reset") => return "reset",
        Some("hang") => std::future::pending::<()>().await,
        Some(_) => return "scripted",
        None => {}
    }
    if write.write_all(plan.head.as_bytes()).await.is_err() {
        return "aborted";
    }
    for piece in &plan.pieces {
        match piece {
            Piece::Bytes(bytes) => {
                if write.write_all(bytes).await.is_err() || write.flush().await.is_err() {
                    return "aborted";
                }
            }
            Piece::Pause(pause) => tokio::time::sleep(*pause).await,
        }
    }
    match plan.then.as_deref() {
        Some("reset") => {
            tokio::time::sleep(Duration::from_millis(50)).await;
            "reset"
        }
        Some("hang") => {
            std::future::pending::<()>().await;
            "scripted"
        }
        Some(_) => "scripted",
        None => "complete",
    }
}

fn joined(pieces: &[Piece]) -> Vec<u8> {
    let mut all = Vec::new();
    for piece in pieces {
        if let Piece::Bytes(bytes) = piece {
            all.extend_from_slice(bytes);
        }
    }
    all
}

fn sse_pieces(events: &[Value], gap_ms: u64, pieces: &mut Vec<Piece>) {
    for (index, event) in events.iter().enumerate() {
        if index > 0 && gap_ms > 0 {
            pieces.push(Piece::Pause(Duration::from_millis(gap_ms)));
        }
        if let Some(text) = event.as_str() {
            pieces.push(Piece::Bytes(text.as_bytes().to_vec()));
        } else if let Some(pause) = event.get("wait_ms").and_then(Value::as_u64) {
            pieces.push(Piece::Pause(Duration::from_millis(pause)));
        } else {
            let name = event.get("type").and_then(Value::as_str).unwrap_or("message");
            pieces.push(Piece::Bytes(format!("event: {name}\ndata: {event}\n\n").into_bytes()));
        }
    }
}

fn model_of(message: &Map<String, Value>, request: &Value) -> Value {
    message.get("model").or_else(|| request.get("model")).cloned().unwrap_or(json!("unknown"))
}

fn usage_of(message: &Map<String, Value>) -> Map<String, Value> {
    let mut usage = Map::new();
    for (name, value) in [
        ("input_tokens", json!(11)),
        ("cache_creation_input_tokens", json!(0)),
        ("cache_read_input_tokens", json!(0)),
        ("output_tokens", json!(7)),
    ] {
        usage.insert(name.to_owned(), value);
    }
    for (name, value) in message.get("usage").and_then(Value::as_object).into_iter().flatten() {
        if value.is_null() {
            usage.shift_remove(name);
        } else {
            usage.insert(name.clone(), value.clone());
        }
    }
    usage
}

fn content_of(message: &Map<String, Value>) -> Vec<Value> {
    let mut content = Vec::new();
    if let Some(thinking) = message.get("thinking") {
        content.push(json!({ "type": "thinking", "thinking": thinking, "signature": "c2ln" }));
    }
    let tool = message.get("tool");
    if message.contains_key("text") || tool.is_none() {
        let text = message.get("text").cloned().unwrap_or(json!("Hello from the stand-in."));
        content.push(json!({ "type": "text", "text": text }));
    }
    if let Some(name) = tool {
        content.push(json!({
            "type": "tool_use", "id": "toolu_standin_1", "name": name, "input": { "city": "Köln" }
        }));
    }
    content
}

fn stop_reason(message: &Map<String, Value>) -> Value {
    let usual = if message.contains_key("tool") { "tool_use" } else { "end_turn" };
    message.get("stop_reason").cloned().unwrap_or(json!(usual))
}

fn message_json(message: &Map<String, Value>, request: &Value) -> Value {
    let mut answer = json!({
        "id": "msg_standin_1", "type": "message", "role": "assistant",
        "model": model_of(message, request), "content": content_of(message),
        "stop_reason": stop_reason(message), "stop_sequence": null
    });
    if message.get("usage") != Some(&Value::Null) {
        answer["usage"] = Value::Object(usage_of(message));
    }
    answer
}

fn message_events(message: &Map<String, Value>, request: &Value) -> Vec<Value> {
    let usage = usage_of(message);
    let mut start_usage = usage.clone();
    start_usage.insert("output_tokens".to_owned(), json!(1));
    let mut start = json!({
        "id": "msg_standin_1", "type": "message", "role": "assistant",
        "model": model_of(message, request), "content": [], "stop_reason": null,
        "stop_sequence": null
    });
    let counted = message.get("usage") != Some(&Value::Null);
    if counted {
        start["usage"] = Value::Object(start_usage);
    }
    let mut events = vec![json!({ "type": "message_start", "message": start })];
    for (index, block) in content_of(message).into_iter().enumerate() {
        let (opening, deltas) = match block["type"].as_str() {
            Some("tool_use") => {
                let mut opening = block.clone();
                opening["input"] = json!({});
                let input = block["input"].to_string();
                let cut = input.floor_char_boundary(input.len() / 2);
                let delta =
                    |part: &str| json!({ "type": "input_json_delta", "partial_json": part });
                (opening, vec![delta(&input[..cut]), delta(&input[cut..])])
            }
            Some("thinking") => (
                json!({ "type": "thinking", "thinking": "", "signature": "" }),
                vec![
                    json!({ "type": "thinking_delta", "thinking": block["thinking"] }),
                    json!({ "type": "signature_delta", "signature": block["signature"] }),
                ],
            ),
            _ => {
                let text = block["text"].as_str().unwrap_or_default();
                let cut = text.floor_char_boundary(text.len() / 2);
                let delta = |part: &str| json!({ "type": "text_delta", "text": part });
                let opening = json!({ "type": "text", "text": "" });
                (opening, vec![delta(&text[..cut]), delta(&text[cut..])])
            }
        };
        events.push(json!({
            "type": "content_block_start", "index": index, "content_block": opening
        }));
        for delta in deltas {
            events.push(json!({ "type": "content_block_delta", "index": index, "delta": delta }));
        }
        events.push(json!({ "type": "content_block_stop", "index": index }));
    }
    let mut delta = json!({
        "type": "message_delta",
        "delta": { "stop_reason": stop_reason(message), "stop_sequence": null }
    });
    if counted && let Some(output) = usage.get("output_tokens") {
        delta["usage"] = json!({ "output_tokens": output });
    }
    events.push(delta);
    events.push(json!({ "type": "message_stop" }));
    events
}

fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown")
}
