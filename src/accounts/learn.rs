//! What is learned from Claude Code clients: their headers per account, the newest User-Agent, and the
//! first fingerprint of each account (contract/anthropic.md §3.3–§3.5).

use compat::{clock::iso, store::Cmd};
use serde_json::{Map, Value, json};

use super::Accounts;
use crate::{
    domain::HeaderList,
    platform::claude_official::client::{self, UNIFIED_AGENT_TTL_S, UnifiedAgent},
};

const AGENT_KEY: &str = "claude_code_user_agent:daily";
const CAPTURE_SECONDS: i64 = 604_800;

impl Accounts {
    /// The unified User-Agent to send, after this client's was taken into account.
    pub(super) async fn unified_agent(
        &self,
        client_agent: Option<&str>,
        stored: Option<&str>,
    ) -> Option<String> {
        let stored = stored.filter(|agent| !agent.is_empty());
        let ttl = UNIFIED_AGENT_TTL_S;
        match (client::unified_agent(client_agent, stored), client_agent) {
            (UnifiedAgent::Store, Some(agent)) => {
                let store = Cmd::new("SETEX").arg(AGENT_KEY).arg(ttl).arg(agent);
                self.0.ports.writes.send(vec![store]).await;
                Some(agent.to_owned())
            }
            (UnifiedAgent::Renew, _) => {
                let renew = Cmd::new("EXPIRE").arg(AGENT_KEY).arg(ttl);
                self.0.ports.writes.send(vec![renew]).await;
                stored.map(str::to_owned)
            }
            _ => stored.map(str::to_owned),
        }
    }

    /// Keeps an account's first fingerprint (JSON of its `x-stainless-*` headers).
    pub async fn remember_fingerprint(&self, account_id: &str, fingerprint: String) {
        let key = format!("fmt_claude_req:stainless_headers:{account_id}");
        let keep = Cmd::new("SET").arg(key).arg(fingerprint).arg("NX");
        self.0.ports.writes.send(vec![keep]).await;
    }

    /// Keeps the headers of a Claude Code client for the account, if none or older ones are stored.
    pub(super) async fn capture_headers(&self, account_id: &str, headers: &HeaderList) {
        let Some((headers, version)) = client::capture(headers) else { return };
        let key = format!("claude_code_headers:{account_id}");
        let stored = match self.run(Cmd::new("GET").arg(&key)).await {
            Ok(reply) => reply.text().ok().flatten(),
            Err(_) => return,
        };
        if let Some(stored) = stored.filter(|stored| !stored.is_empty()) {
            let Ok(stored) = serde_json::from_str::<Value>(&stored) else { return };
            let agent = stored.get("headers").and_then(|headers| headers.get("user-agent"));
            if !client::capture_is_newer(&version, agent.and_then(Value::as_str)) {
                return;
            }
        }
        let headers: Map<String, Value> =
            headers.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let capture =
            json!({ "headers": headers, "version": version, "updatedAt": iso(self.now_ms()) });
        let store = Cmd::new("SETEX").arg(key).arg(CAPTURE_SECONDS).arg(capture.to_string());
        self.0.ports.writes.send(vec![store]).await;
    }
}
