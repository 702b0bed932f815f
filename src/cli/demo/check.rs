//! The demo's printed requests, made by itself.

use std::time::Duration;

use anyhow::Context;
use compat::{
    keys,
    store::{Batch, Cmd, RedisStore, Reply, Store},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    super::Output,
    alone::{CODEX_AGENT, CODEX_MODEL, MODEL},
    client::Ask,
    database::Database,
};
use crate::wire::sse::data_of;

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

/// Makes the Codex request and waits until its cost is booked: what the vendor counted, at the model's price.
///
/// # Errors
/// When the answer or the account of it is wrong.
pub(super) async fn codex(
    base: &str,
    key: &str,
    key_id: &str,
    database: &Database,
    output: &Output,
) -> anyhow::Result<()> {
    /// Dollars per token of input and output.
    const PRICES: (f64, f64) = (1.25e-6, 1e-5);
    let store = RedisStore::open(&database.config())?;
    let before = spent(&store, key_id).await?;
    let ask = Ask {
        path: "/openai/responses".to_owned(),
        body: Some(json!({ "model": CODEX_MODEL, "stream": true, "input": "Hello" })),
        key: Some(key.to_owned()),
        headers: vec![("user-agent", CODEX_AGENT.to_owned())],
        ..Ask::default()
    };
    let answer = ask.send(base).await?;
    let (status, body) = (answer.status, answer.body);
    anyhow::ensure!(status == 200, "a Codex request was answered {status}: {body}");
    let mut events = body.lines().filter_map(|line| data_of(line.as_bytes()));
    let last = events.next_back().context("the answer has no events")?;
    let last: Value = serde_json::from_slice(last).context("an event is no JSON")?;
    anyhow::ensure!(last["type"] == "response.completed", "the stream has no end: {body}");
    let tokens = |name: &str| last["response"]["usage"][name].as_f64().context("no usage");
    let cost = tokens("input_tokens")? * PRICES.0 + tokens("output_tokens")? * PRICES.1;
    let booked = async {
        loop {
            let now = spent(&store, key_id).await?;
            if now > before {
                return anyhow::Ok(now - before);
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let booked = tokio::time::timeout(SETTLE, booked);
    let booked = booked.await.context("the Codex request was not accounted for")??;
    anyhow::ensure!((booked - cost).abs() < 1e-9, "the Codex request cost {booked}, not {cost}");
    output.line(&format!("Checked: the Codex request was answered and cost ${cost:.6}."));
    output.line("");
    Ok(())
}

/// What a key has cost so far, in dollars.
async fn spent(store: &RedisStore, key_id: &str) -> anyhow::Result<f64> {
    let reply = store.run(Batch::from(Cmd::new("GET").arg(keys::cost_total(key_id)))).await?.pop();
    let text = reply.map(Reply::text).transpose()?.flatten();
    Ok(text.map_or(Ok(0.0), |text| text.parse())?)
}
