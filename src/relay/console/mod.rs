//! The console relay: accounts of Anthropic-compatible providers (contract/anthropic.md §5.1).

mod plain;
mod stream;

use compat::record::ModelMap;

use super::{Call, Relay, choose::Chosen, failure::Failure, official::sent};
use crate::{
    accounts::{Slot, SlotError},
    domain::ProxyConfig,
    keys::MessageTurn,
    platform::claude_console as console,
    upstream::{SendError, SendErrorKind, UpstreamRequest, UpstreamResponse},
};

/// A console account that may be asked, with everything held for it.
struct Held {
    account: console::Account,
    proxy: Option<ProxyConfig>,
    /// The account's slot, for one with a limit.
    _slot: Option<Slot>,
    /// The turn of a user message; given back when the vendor has answered.
    turn: Option<MessageTurn>,
}

impl Relay {
    /// Takes the account's slot and builds nothing yet.
    async fn hold_console(
        &self,
        chosen: &Chosen,
        turn: Option<MessageTurn>,
    ) -> Result<Held, Failure> {
        let ready = self
            .accounts
            .console_ready(chosen.entry())
            .map_err(|error| Failure::Account(error.to_string()))?;
        let slot =
            self.accounts.acquire_slot(chosen.entry()).await.map_err(|error| match error {
                SlotError::Full => Failure::ConsoleFull,
                SlotError::Store(error) => Failure::Internal(error.to_string()),
            })?;
        let record = &ready.record;
        let account = console::Account {
            api_url: record.get("apiUrl").to_owned(),
            api_key: ready.api_key,
            user_agent: Some(record.get("userAgent").to_owned()).filter(|agent| !agent.is_empty()),
            models: pairs(&ready.models),
        };
        Ok(Held { account, proxy: ready.proxy, _slot: slot, turn })
    }

    /// One exchange with the provider, up to the reply's head.
    async fn ask_console(
        &self,
        call: &Call,
        held: &Held,
        path: Option<&str>,
    ) -> Result<UpstreamResponse, SendError> {
        let built = console::build(&console::Call {
            body: &call.incoming.body,
            headers: &call.incoming.headers,
            account: &held.account,
            path,
            beta: None,
            keep_alive: held.proxy.is_none() || self.settings.proxy_keep_alive,
        })
        .map_err(|error| SendError::new(SendErrorKind::Invalid, error.to_string()))?;
        let request = built.request;
        let answered = self
            .sender
            .send(UpstreamRequest {
                method: http::Method::POST,
                url: request.url,
                headers: request.headers,
                body: request.body,
                proxy: held.proxy.clone(),
                idle_timeout: self.settings.request_timeout,
                decode_body: true,
            })
            .await;
        call.trail.note("send", sent(&answered));
        answered
    }
}

/// A model map as the builder takes it.
fn pairs(models: &ModelMap) -> Vec<(String, String)> {
    let ModelMap::Map(map) = models else { return Vec::new() };
    let name = |to: &serde_json::Value| to.as_str().map(str::to_owned);
    map.iter().filter_map(|(asked, to)| Some((asked.clone(), name(to)?))).collect()
}
