//! The demo's printed requests, made by itself.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tokio::time::sleep;

use super::{super::Output, alone::MODEL, client::Ask};

/// How long usage may take to show.
const SETTLE: Duration = Duration::from_secs(5);

/// Whether the service answers.
///
/// # Errors
/// When it does not.
pub(super) async fn health(base: &str) -> anyhow::Result<()> {
    let status = Ask::get("/health", None).send(base).await?.status;
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
        let answer = Ask::message(Some(key), body).send(base).await?;
        let (status, answer) = (answer.status, answer.body);
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
            let answer = Ask::get("/api/v1/usage", Some(key)).send(base).await?;
            let usage: Value = serde_json::from_str(&answer.body)?;
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
