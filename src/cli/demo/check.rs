//! The demo's printed requests, made by itself.

use std::time::Duration;

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, time::sleep};

use super::{super::Output, run::MODEL};

/// How long usage may take to show.
const SETTLE: Duration = Duration::from_secs(5);

/// Whether the service answers.
///
/// # Errors
/// When it does not.
pub(super) async fn health(base: &str) -> anyhow::Result<()> {
    let (status, _) = ask(base, "GET", "/health", "", Bytes::new()).await?;
    anyhow::ensure!(status == 200, "/health answered {status}");
    Ok(())
}

/// Makes the JSON and the SSE request and waits until both are accounted for.
///
/// # Errors
/// When an answer or the account of it is wrong.
pub(super) async fn requests(base: &str, key: &str, output: &Output) -> anyhow::Result<()> {
    for stream in [false, true] {
        let body = serde_json::json!({
            "model": MODEL,
            "max_tokens": 256,
            "stream": stream,
            "messages": [{ "role": "user", "content": "Hello" }],
        });
        let body = Bytes::from(body.to_string());
        let (status, answer) = ask(base, "POST", "/api/v1/messages", key, body).await?;
        anyhow::ensure!(status == 200, "a request was answered {status}: {answer}");
        if stream {
            anyhow::ensure!(
                answer.contains("event: message_stop"),
                "the stream has no end: {answer}"
            );
        } else {
            let message: Value = serde_json::from_str(&answer).context("the answer is no JSON")?;
            let output = message.pointer("/usage/output_tokens").and_then(Value::as_u64);
            anyhow::ensure!(output.is_some(), "the answer tells no usage: {answer}");
        }
    }
    let settled = async {
        loop {
            let (_, answer) = ask(base, "GET", "/api/v1/usage", key, Bytes::new()).await?;
            let usage: Value = serde_json::from_str(&answer)?;
            if usage.pointer("/usage/total/requests").and_then(Value::as_u64) == Some(2) {
                return anyhow::Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SETTLE, settled)
        .await
        .context("the two requests were not accounted for")??;
    output.line("");
    output.line("Checked: the JSON and the SSE request were answered and accounted for.");
    output.line("");
    Ok(())
}

async fn ask(
    base: &str,
    method: &str,
    path: &str,
    key: &str,
    body: Bytes,
) -> anyhow::Result<(u16, String)> {
    let authority = base.trim_start_matches("http://");
    let stream = TcpStream::connect(authority).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", authority)
        .header("x-api-key", key)
        .header("content-type", "application/json")
        .header("connection", "close")
        .body(Full::new(body))?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        anyhow::Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    let (answer, _) = tokio::join!(exchange, connection);
    answer
}
