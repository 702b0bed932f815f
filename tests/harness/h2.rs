//! The stand-in's HTTP/2 side: the legacy service's AWS client speaks nothing else.
//!
//! Requests are recorded in the form of HTTP/1.1, `:authority` as `host`; answers come from the same
//! script and the same plans.

use std::{future::poll_fn, time::Duration};

use anyhow::Result;
use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    server::{self, SendResponse},
};
use http::{Request, Response};
use tokio::{net::TcpStream, sync::mpsc};

use super::{
    http::Head,
    standin::{Piece, Plan, StandIn},
};

/// First bytes of every HTTP/2 connection.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// How a connection is to end.
enum End {
    Close,
    Reset,
}

/// Whether a connection begins as HTTP/2 does. Takes nothing of it.
pub async fn begins(stream: &TcpStream) -> bool {
    let mut seen = [0; PREFACE.len()];
    loop {
        match stream.peek(&mut seen).await {
            Ok(0) | Err(_) => return false,
            Ok(count) if PREFACE.starts_with(&seen[..count]) => {
                if count == PREFACE.len() {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok(_) => return false,
        }
    }
}

/// Serves one connection to its end.
pub async fn serve(
    standin: &StandIn,
    stream: &mut TcpStream,
    via: Option<&'static str>,
) -> Result<()> {
    let mut connection = server::handshake(&mut *stream).await?;
    let (end, mut ends) = mpsc::channel(4);
    let last = loop {
        tokio::select! {
            next = connection.accept() => match next {
                Some(Ok((request, respond))) => {
                    tokio::spawn(exchange(standin.clone(), request, respond, via, end.clone()));
                }
                _ => break End::Close,
            },
            Some(end) = ends.recv() => break end,
        }
    };
    drop(connection);
    if matches!(last, End::Reset) {
        // No bytes after this: the kernel answers the peer's data with RST.
        let _ = stream.set_zero_linger();
    }
    Ok(())
}

async fn exchange(
    standin: StandIn,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    via: Option<&'static str>,
    end: mpsc::Sender<End>,
) {
    let (parts, mut incoming) = request.into_parts();
    let target = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let mut head =
        Head { first_line: format!("{} {target} HTTP/2", parts.method), headers: Vec::new() };
    if let Some(authority) = parts.uri.authority() {
        head.headers.push(("host".to_owned(), authority.to_string()));
    }
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        head.headers.push((name.to_string(), value));
    }
    let mut body = Vec::new();
    while let Some(Ok(chunk)) = incoming.data().await {
        let _ = incoming.flow_control().release_capacity(chunk.len());
        body.extend_from_slice(&chunk);
    }
    let (reply, index, round) = standin.choose(&head, &body, via);
    let plan = Plan::of(&reply, &head, &body);
    let next_round = standin.next_round();
    let ended = tokio::select! {
        ended = play(&plan, &mut respond) => ended,
        () = next_round.notified() => "scripted",
    };
    standin.note_end(index, round, ended);
    match ended {
        "complete" | "aborted" => {}
        "reset" => drop(end.send(End::Reset).await),
        _ => drop(end.send(End::Close).await),
    }
}

async fn play(plan: &Plan, respond: &mut SendResponse<Bytes>) -> &'static str {
    tokio::select! {
        () = tokio::time::sleep(plan.before) => {}
        _ = poll_fn(|cx| respond.poll_reset(cx)) => return "aborted",
    }
    match plan.fail.as_deref() {
        Some("reset") => return "reset",
        Some("hang") => {
            let _ = poll_fn(|cx| respond.poll_reset(cx)).await;
            return "aborted";
        }
        Some(_) => return "scripted",
        None => {}
    }
    let mut head = Response::builder().status(plan.status);
    for (name, value) in &plan.headers {
        // Connection headers do not exist here.
        if !name.eq_ignore_ascii_case("connection") {
            head = head.header(name, value);
        }
    }
    let Ok(head) = head.body(()) else { return "scripted" };
    let Ok(mut body) = respond.send_response(head, false) else { return "aborted" };
    for piece in &plan.plain {
        match piece {
            Piece::Bytes(bytes) => {
                if body.send_data(Bytes::from(bytes.clone()), false).is_err() {
                    return "aborted";
                }
                tokio::task::yield_now().await;
            }
            Piece::Pause(pause) => {
                tokio::select! {
                    () = tokio::time::sleep(*pause) => {}
                    () = reset(&mut body) => return "aborted",
                }
            }
        }
    }
    if plan.then.is_some() {
        // What was sent is to arrive first.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    match plan.then.as_deref() {
        Some("reset") => "reset",
        Some("hang") => {
            reset(&mut body).await;
            "aborted"
        }
        Some(_) => "scripted",
        None => match body.send_data(Bytes::new(), true) {
            Ok(()) => "complete",
            Err(_) => "aborted",
        },
    }
}

async fn reset(body: &mut SendStream<Bytes>) {
    let _ = poll_fn(|cx| body.poll_reset(cx)).await;
}
