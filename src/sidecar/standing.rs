//! How Node is: asked through its own `/health`.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Limited};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout};

use super::forward::{Forwarder, own_head, rewrite::Rewrite};

/// Longest wait for Node's answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most that is read of it.
const MOST: usize = 64 * 1024;

/// What Node said of itself.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Status of its `/health`; `None` when there was no answer.
    pub status: Option<u16>,
    /// Its word for its state, such as `healthy`.
    pub health: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Time to its whole answer.
    pub latency: Duration,
    /// Why there was no answer.
    pub error: Option<String>,
}

impl Standing {
    /// Whether it serves.
    pub fn is_up(&self) -> bool {
        self.status.is_some_and(|status| status < 500)
    }

    /// For `/crs/health`.
    pub fn to_json(&self) -> Value {
        let mut shown = Map::new();
        let mut put = |name: &str, value: Value| shown.insert(name.to_owned(), value);
        put("reachable", self.status.is_some().into());
        put("status", self.status.into());
        put("health", self.health.as_deref().into());
        put("version", self.version.as_deref().into());
        let micros = u64::try_from(self.latency.as_micros()).unwrap_or(u64::MAX);
        put("latencyMs", (micros as f64 / 1000.0).into());
        if let Some(error) = &self.error {
            put("error", error.as_str().into());
        }
        Value::Object(shown)
    }
}

/// Asks Node.
pub async fn ask(forwarder: &Arc<Forwarder>) -> Standing {
    let began = Instant::now();
    let mut standing = match timeout(PATIENCE, answer(forwarder)).await {
        Ok(standing) => standing,
        Err(_) => Standing { error: Some("no answer in time".to_owned()), ..Standing::default() },
    };
    standing.latency = began.elapsed();
    standing
}

async fn answer(forwarder: &Arc<Forwarder>) -> Standing {
    let mut standing = Standing::default();
    let Some(head) = own_head("/health") else { return standing };
    let peer = Ipv4Addr::LOCALHOST.into();
    let with = Rewrite { peer, trust_proxy: false, trace: None };
    let response = match forwarder.ask(&head, &Bytes::new(), with).await {
        Ok(response) => response,
        Err(failure) => {
            let cause = failure.cause.map(|cause| cause.to_string());
            standing.error = Some(cause.unwrap_or_else(|| failure.kind.label().to_owned()));
            return standing;
        }
    };
    standing.status = Some(response.status().as_u16());
    let body = Limited::new(response.into_body(), MOST).collect().await;
    let body = body.map(|body| BytesMut::from(&body.to_bytes()[..])).unwrap_or_default();
    let told: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| told.get(name).and_then(Value::as_str).map(str::to_owned);
    standing.health = text("status");
    standing.version = text("version");
    standing
}
