//! The scripted vendors: one raw-socket HTTP/1.1 server that answers for every host, and HTTP/2
//! (see `h2`) for whoever begins with that.
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
    aws, h2,
    http::{Framing, Head, Reader, encoded},
    message::{message_events, message_json},
    responses::{self, Dialect},
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
        if h2::begins(&stream).await {
            return h2::serve(self, &mut stream, via).await;
        }
        let (read, mut write) = stream.split();
        let mut reader = Reader::new(read);
        while let Some(head) = reader.head().await? {
            let body = reader.body(Framing::of_request(&head)).await?;
            let (reply, index, round) = self.choose(&head, &body, via);
            let plan = Plan::of(&reply, &head, &body);
            let next_round = self.next_round.notified();
            let ended = tokio::select! {
                ended = play(&plan, &mut write) => ended,
                () = left(&mut reader) => "aborted",
                () = next_round => "scripted",
            };
            self.note_end(index, round, ended);
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

    /// How an exchange of the running scenario ended.
    pub fn note_end(&self, index: usize, round: u64, ended: &'static str) {
        let mut script = self.script.lock();
        if script.round == round
            && let Some(received) = script.received.get_mut(index)
        {
            received.ended = ended;
        }
    }

    /// Told when the scenario is over.
    pub fn next_round(&self) -> Arc<Notify> {
        Arc::clone(&self.next_round)
    }

    /// The script's reply to a request, the request's place in the record, and the scenario's number.
    pub fn choose(
        &self,
        head: &Head,
        body: &[u8],
        via: Option<&'static str>,
    ) -> (Reply, usize, u64) {
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

/// The `Date` of ordinary replies: the same in every run.
const LONG_PAST: &str = "Tue, 02 Jan 2024 03:04:05 GMT";

fn now() -> String {
    jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A reply worked out to bytes and pauses.
pub struct Plan {
    pub before: Duration,
    pub fail: Option<String>,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// The body without HTTP/1.1's framing.
    pub plain: Vec<Piece>,
    pub then: Option<String>,
    head: String,
    pieces: Vec<Piece>,
}

#[derive(Clone)]
pub enum Piece {
    Bytes(Vec<u8>),
    Pause(Duration),
}

impl Plan {
    /// Host and target decide in which dialect an ordinary message is told; Bedrock's requests do not say
    /// in their body whether they stream.
    pub fn of(reply: &Reply, head: &Head, request: &[u8]) -> Self {
        let target = head.first_line.split(' ').nth(1).unwrap_or_default();
        let dialect = Dialect::of(head.get("host").unwrap_or_default(), target);
        let mut request: Value = serde_json::from_slice(request).unwrap_or_default();
        let model = target.strip_prefix("/model/").and_then(|rest| rest.split_once('/'));
        let bedrock = model.is_some();
        if let (Some((model, _)), Some(body)) = (model, request.as_object_mut()) {
            body.insert("model".to_owned(), json!(model.replace("%3A", ":")));
        }
        let streams = request.get("stream").and_then(Value::as_bool).unwrap_or(false);
        let streams = streams || bedrock && target.ends_with("-stream");
        let default_message = Map::new();
        let message = match (&reply.message, &reply.json, &reply.text, &reply.sse) {
            _ if reply.aws.is_some() => None,
            (Some(message), ..) => Some(message),
            (None, None, None, None) => Some(&default_message),
            _ => None,
        };
        let mut pieces = Vec::new();
        let aws_events = match message {
            Some(message) if bedrock && streams => Some(message_events(message, &request)),
            _ => reply.aws.clone(),
        };
        let content_type = if let Some(events) = aws_events {
            for event in &events {
                pieces.push(match event.get("wait_ms").and_then(Value::as_u64) {
                    Some(pause) => Piece::Pause(Duration::from_millis(pause)),
                    None => Piece::Bytes(aws::frame(event)),
                });
            }
            "application/vnd.amazon.eventstream"
        } else if let (Some(message), true) = (message, streams) {
            let events = match dialect {
                Some(dialect) => responses::events(dialect, message, &request),
                None => message_events(message, &request),
            };
            sse_pieces(&events, reply.gap_ms, &mut pieces);
            "text/event-stream; charset=utf-8"
        } else if let Some(message) = message {
            let whole = match dialect {
                Some(dialect) => responses::whole(dialect, message, &request),
                None => message_json(message, &request),
            };
            pieces.push(Piece::Bytes(whole.to_string().into_bytes()));
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
            // A wrong clock would have the AWS client correct its own.
            ("Date".to_owned(), if bedrock { now() } else { LONG_PAST.to_owned() }),
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
        let plain = pieces.clone();
        let whole = content_type != "application/vnd.amazon.eventstream"
            && !content_type.starts_with("text/event-stream")
            && reply.then.is_none();
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
        let mut plain = plain;
        if let Some(parts) = &reply.wire {
            pieces = wire_pieces(parts);
        }
        let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
        for (name, value) in &headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        if reply.wire.is_some() {
            head.clear();
        }
        if let Some(most) = reply.cut {
            plain = first_bytes(plain, most);
            pieces.insert(0, Piece::Bytes(std::mem::take(&mut head).into_bytes()));
            pieces = first_bytes(pieces, most);
        }
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("transfer-encoding"));
        let before = Duration::from_millis(reply.delay_ms);
        let (fail, mut then) = (reply.fail.clone(), reply.then.clone());
        if reply.cut.is_some() {
            then.get_or_insert_with(|| "cut".to_owned());
        }
        Self { before, fail, status, headers, plain, then, head, pieces }
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

/// Exact bytes as a scenario declares them.
fn wire_pieces(parts: &[Value]) -> Vec<Piece> {
    let piece = |part: &Value| {
        if let Some(pause) = part.get("wait_ms").and_then(Value::as_u64) {
            return Piece::Pause(Duration::from_millis(pause));
        }
        let hex = part.get("hex").and_then(Value::as_str);
        Piece::Bytes(match hex {
            Some(digits) => hex::decode(digits).unwrap_or_default(),
            None => part.as_str().unwrap_or_default().as_bytes().to_vec(),
        })
    };
    parts.iter().map(piece).collect()
}

/// The beginning of an answer; pauses after its end are gone.
fn first_bytes(pieces: Vec<Piece>, most: usize) -> Vec<Piece> {
    let mut left = most;
    let mut kept = Vec::new();
    for piece in pieces {
        if left == 0 {
            break;
        }
        kept.push(match piece {
            Piece::Bytes(mut bytes) => {
                bytes.truncate(left);
                left -= bytes.len();
                Piece::Bytes(bytes)
            }
            pause => pause,
        });
    }
    kept
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

fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown")
}
