//! The demo's own client: one request a connection, as Claude Code would send it where that matters.

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// What a Claude Code client says of itself.
const CLAUDE_CODE: [(&str, &str); 13] = [
    ("accept", "application/json"),
    ("user-agent", "claude-cli/2.0.14 (external, cli)"),
    ("x-app", "cli"),
    ("anthropic-version", "2023-06-01"),
    ("anthropic-beta", "claude-code-20250219,interleaved-thinking-2025-05-14"),
    ("anthropic-dangerous-direct-browser-access", "true"),
    ("x-stainless-lang", "js"),
    ("x-stainless-os", "Linux"),
    ("x-stainless-arch", "x64"),
    ("x-stainless-runtime", "node"),
    ("x-stainless-runtime-version", "v22.11.0"),
    ("x-stainless-package-version", "0.60.0"),
    ("x-stainless-retry-count", "0"),
];

/// One request.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask {
    /// `GET` without a body, `POST` with one.
    pub body: Option<Value>,
    pub path: String,
    /// Key in plain text.
    pub key: Option<String>,
    /// On top of the usual ones.
    pub headers: Vec<(&'static str, String)>,
    /// Whether Claude Code sends it.
    pub claude_code: bool,
}

/// What came back, whole.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub body: String,
}

impl Ask {
    /// A request without a body.
    pub(super) fn get(path: &str, key: Option<&str>) -> Self {
        Self { path: path.to_owned(), key: key.map(str::to_owned), ..Self::default() }
    }

    /// A message.
    pub(super) fn message(key: Option<&str>, body: Value) -> Self {
        Self { body: Some(body), ..Self::get("/api/v1/messages", key) }
    }

    /// Sends it to `base` and waits for the end of the answer.
    ///
    /// # Errors
    /// When there is no connection, or the answer breaks off.
    pub(super) async fn send(&self, base: &str) -> anyhow::Result<Answer> {
        let authority = base.trim_start_matches("http://");
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = self.request(authority)?;
        // The connection ends with its sender.
        let exchange = async move {
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.context("the answer breaks off")?;
            let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            anyhow::Ok(Answer { status, body })
        };
        let (answer, _) = tokio::join!(exchange, connection);
        answer
    }

    fn request(&self, authority: &str) -> anyhow::Result<Request<Full<Bytes>>> {
        let method = if self.body.is_some() { "POST" } else { "GET" };
        let mut request =
            Request::builder().method(method).uri(&self.path).header("host", authority);
        if let Some(key) = &self.key {
            request = request.header("x-api-key", key);
        }
        if self.claude_code {
            for (name, value) in CLAUDE_CODE {
                request = request.header(name, value);
            }
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let body = match &self.body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        Ok(request.body(Full::new(body))?)
    }
}

/// The body of a message as Claude Code makes it; `session` is a UUID.
pub(super) fn claude_code_body(model: &str, session: &str, text: &str, stream: bool) -> Value {
    let mut body = json!({
        "model": model,
        "max_tokens": 1024,
        "system": [{
            "type": "text",
            "text": crate::platform::claude_official::SYSTEM_LINE,
            "cache_control": { "type": "ephemeral" },
        }],
        "messages": [{ "role": "user", "content": text }],
        "metadata": { "user_id": format!("user_{}_account__session_{session}", "0a".repeat(32)) },
    });
    if stream {
        body["stream"] = json!(true);
    }
    body
}
