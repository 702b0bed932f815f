//! The running service's own word on its health.

use std::time::Duration;

use anyhow::Context;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the service said.
pub(in crate::cli) struct ServiceHealth {
    /// Where it was asked.
    pub url: String,
    /// The answer, or why there is none.
    pub up: Result<Value, String>,
}

impl ServiceHealth {
    pub(super) fn to_json(&self) -> Value {
        match &self.up {
            Ok(health) => json!({ "url": self.url, "up": true, "health": health }),
            Err(error) => json!({ "url": self.url, "up": false, "error": error }),
        }
    }
}

/// Asks the service that listens on `host` and `port` at a path.
pub(in crate::cli) async fn ask(host: &str, port: u16, path: &'static str) -> ServiceHealth {
    let host = local(host);
    let authority = authority(host, port);
    let up = match timeout(PATIENCE, get((host, port), &authority, path)).await {
        Ok(answer) => answer.map_err(|error| format!("{error:#}")),
        Err(_) => Err("no answer in time".to_owned()),
    };
    ServiceHealth { url: format!("http://{authority}"), up }
}

/// What is answered at a path, whatever the status; `host` as in [`ask`].
///
/// # Errors
/// When nobody answers in time.
pub(in crate::cli) async fn fetch(host: &str, port: u16, path: &str) -> anyhow::Result<Bytes> {
    let host = local(host);
    timeout(PATIENCE, body((host, port), &authority(host, port), path))
        .await
        .context("no answer in time")?
}

/// Listening everywhere includes here.
fn local(host: &str) -> &str {
    match host {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    }
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

async fn get(address: (&str, u16), authority: &str, path: &str) -> anyhow::Result<Value> {
    let answer = body(address, authority, path).await?;
    serde_json::from_slice(&answer).context("the answer is no JSON; is this the relay's port?")
}

async fn body(address: (&str, u16), authority: &str, path: &str) -> anyhow::Result<Bytes> {
    let stream = TcpStream::connect(address).await.context("cannot connect")?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header("host", authority)
        .header("accept", "application/json")
        .header("connection", "close")
        .body(Empty::<Bytes>::new())?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        anyhow::Ok(response.into_body().collect().await?.to_bytes())
    };
    let (answer, _) = tokio::join!(exchange, connection);
    answer
}
