//! What is measured: addresses with their requests.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use bytes::Bytes;
use compat::{
    store::{RedisConfig, RedisStore},
    testing::TestRedis,
};
use serde_json::json;

use super::{
    children::Server,
    load::Load,
    options::{Kind, Options},
};

/// One thing to put load on.
pub struct Target {
    /// Name in reports.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its process, when it is a child.
    pub server: Option<Server>,
    /// A service behind it that is its own; ends with it.
    pub behind: Option<Server>,
    /// Its Redis, when it has one we can ask.
    pub redis: Option<Redis>,
    /// Whether it knows the key; else it passes on what the upstream understands.
    relays: bool,
    api_key: String,
}

/// A database we can ask.
pub struct Redis {
    /// Connection.
    pub store: RedisStore,
    /// Process, when it is a child.
    pub pid: Option<u32>,
    /// The child, when it is this target's own; ends with it.
    #[expect(dead_code, reason = "held for its end")]
    pub server: Option<TestRedis>,
}

impl Target {
    /// Something that passes requests on as they are.
    pub fn bare(name: &str, address: SocketAddr, server: Option<Server>) -> Self {
        let (name, api_key) = (name.to_owned(), "none".to_owned());
        Self { name, address, server, behind: None, redis: None, relays: false, api_key }
    }

    /// A relay that knows the key.
    pub fn relay(
        name: &str,
        address: SocketAddr,
        server: Option<Server>,
        redis: Option<Redis>,
        api_key: String,
    ) -> Self {
        let name = name.to_owned();
        Self { name, address, server, behind: None, redis, relays: true, api_key }
    }

    /// The same relay by another address.
    pub fn behind(&self, name: &str, server: Server) -> Self {
        let (address, api_key) = (server.address, self.api_key.clone());
        Self {
            name: name.to_owned(),
            address,
            server: Some(server),
            behind: None,
            redis: None,
            relays: self.relays,
            api_key,
        }
    }

    /// A load of this target.
    pub fn load(&self, options: &Options, kind: Kind, clients: usize) -> Load {
        Load {
            address: self.address,
            request: self.request(kind, options.body_bytes),
            marker: match kind {
                Kind::Json => b"stop_reason",
                Kind::Sse => b"message_stop",
                Kind::Responses => b"response.completed",
            },
            clients,
            warm_up: options.warm_up,
            span: options.span,
        }
    }

    /// A request with a body of about that size.
    pub fn request(&self, kind: Kind, body_bytes: usize) -> Bytes {
        let messages = json!([{ "role": "user", "content": "" }]);
        let (path, agent, mut body, place) = match kind {
            Kind::Responses => {
                let body = json!({
                    "model": "gpt-5-codex", "stream": true, "store": false,
                    "instructions": "You answer briefly.", "input": messages,
                });
                let path = if self.relays { "/openai" } else { "/backend-api/codex" };
                (format!("{path}/responses"), "codex_cli_rs/0.46.0", body, "/input/0/content")
            }
            Kind::Json | Kind::Sse => {
                let body = json!({
                    "model": "claude-sonnet-4-20250514", "max_tokens": 1024,
                    "stream": kind == Kind::Sse, "system": "You answer briefly.",
                    "messages": messages,
                });
                let path = if self.relays { "/api" } else { "" };
                (format!("{path}/v1/messages"), "crs-bench/1.0", body, "/messages/0/content")
            }
        };
        let missing = body_bytes.saturating_sub(body.to_string().len());
        let line = "The quick brown fox jumps over the lazy dog. ";
        let text: String = line.chars().cycle().take(missing).collect();
        if let Some(content) = body.pointer_mut(place) {
            *content = text.into();
        }
        let body = body.to_string();
        format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             x-api-key: {}\r\nanthropic-version: 2023-06-01\r\nUser-Agent: {agent}\r\n\
             Accept: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            self.api_key,
            body.len()
        )
        .into()
    }
}

/// Reads `redis://:password@host:port/db`.
pub fn redis_from_url(text: &str) -> Result<RedisStore> {
    let url = url::Url::parse(text).context("LEGACY_REDIS is no redis:// URL")?;
    let config = RedisConfig {
        host: url.host_str().context("LEGACY_REDIS has no host")?.to_owned(),
        port: url.port().unwrap_or(6379),
        password: url.password().unwrap_or_default().to_owned(),
        db: url.path().trim_matches('/').parse().unwrap_or(0),
        ..RedisConfig::default()
    };
    Ok(RedisStore::open(&config)?)
}
