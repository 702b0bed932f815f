//! Providers with an API key: what the console and the CCR relay share.

use bytes::Bytes;
use compat::record::ModelMap;

use super::{
    Call, Relay,
    choose::Chosen,
    exchange::half_read,
    failure::Failure,
    official::sent,
    plain::{PlainReply, read_all},
};
use crate::{
    accounts::{Slot, SlotError},
    domain::ProxyConfig,
    keys::MessageTurn,
    platform::provider::{self, BuildError, Built},
    upstream::{SendError, SendErrorKind, UpstreamResponse},
    wire::json::Doc,
};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How one of the platforms builds its request.
pub(super) type Build = fn(&provider::Call<'_>) -> Result<Built, BuildError>;

/// An account that may be asked, with everything held for it.
pub(super) struct Held {
    pub(super) account: provider::Account,
    proxy: Option<ProxyConfig>,
    /// The account's slot, for one with a limit.
    _slot: Option<Slot>,
    /// The turn of a user message; given back when the vendor has answered.
    pub(super) turn: Option<MessageTurn>,
}

impl Relay {
    /// Takes the account's slot, if it has any, and builds nothing yet.
    pub(super) async fn hold(
        &self,
        chosen: &Chosen,
        turn: Option<MessageTurn>,
    ) -> Result<Held, Failure> {
        let ready = self
            .accounts
            .provider_ready(chosen.entry())
            .map_err(|error| Failure::Account(error.to_string()))?;
        let slot =
            self.accounts.acquire_slot(chosen.entry()).await.map_err(|error| match error {
                SlotError::Full => Failure::ConsoleFull,
                SlotError::Store(error) => Failure::Internal(error.to_string()),
            })?;
        let record = &ready.record;
        let account = provider::Account {
            api_url: record.get("apiUrl").to_owned(),
            api_key: ready.api_key,
            user_agent: Some(record.get("userAgent").to_owned()).filter(|agent| !agent.is_empty()),
            models: pairs(&ready.models),
        };
        Ok(Held { account, proxy: ready.proxy, _slot: slot, turn })
    }

    /// One exchange with the provider, up to the reply's head.
    pub(super) async fn ask(
        &self,
        call: &Call,
        held: &Held,
        build: Build,
        path: Option<&str>,
    ) -> Result<UpstreamResponse, SendError> {
        let built = build(&provider::Call {
            body: &call.incoming.body,
            headers: &call.incoming.headers,
            account: &held.account,
            path,
            beta: None,
            keep_alive: held.proxy.is_none() || self.settings.proxy_keep_alive,
        })
        .map_err(|error| SendError::new(SendErrorKind::Invalid, error.to_string()))?;
        let request = self.to_send(built.request, held.proxy.clone());
        let answered = self.sender.send(request).await;
        call.trail.note("send", sent(&answered));
        answered
    }

    /// One exchange with the provider, to the reply's end.
    pub(super) async fn ask_whole(
        &self,
        call: &Call,
        held: &Held,
        build: Build,
        path: Option<&str>,
    ) -> Result<PlainReply, SendError> {
        let response = self.ask(call, held, build, path).await?;
        let body = read_all(response.body).await.map_err(half_read)?;
        let body = as_library_reads(body);
        Ok(PlainReply { status: response.status, headers: response.headers, body })
    }
}

/// A plain answer as the legacy client library hands it on: without a byte order mark, and where it is a
/// JSON string, that string's text.
fn as_library_reads(body: Bytes) -> Bytes {
    let body =
        if body.starts_with(BYTE_ORDER_MARK) { body.slice(BYTE_ORDER_MARK.len()..) } else { body };
    if body.trim_ascii_start().first() != Some(&b'"') {
        return body;
    }
    let text = Doc::parse(body.clone()).ok().and_then(|doc| {
        let text = doc.root().as_str()?.into_owned();
        Some(Bytes::from(text))
    });
    text.unwrap_or(body)
}

/// What a failed plain exchange is to the client: a timeout is reported as the client's leaving, as the
/// legacy service does.
pub(super) fn plain_failure(error: SendError) -> Failure {
    match error.kind {
        SendErrorKind::IdleTimeout => Failure::ClientGone,
        _ => Failure::verbatim(error),
    }
}

/// A model map as the builder takes it.
fn pairs(models: &ModelMap) -> Vec<(String, String)> {
    let ModelMap::Map(map) = models else { return Vec::new() };
    let name = |to: &serde_json::Value| to.as_str().map(str::to_owned);
    map.iter().filter_map(|(asked, to)| Some((asked.clone(), name(to)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_its_text() {
        let read = |text: &'static [u8]| as_library_reads(Bytes::from_static(text));
        assert_eq!(read(b" \"t\\n\" "), "t\n");
        assert_eq!(read(b"\xef\xbb\xbf{}"), "{}");
        for same in [&b"{\"a\":\"t\"}"[..], b"\"t", b"", b"plain", b"\"a\" \"b\""] {
            assert_eq!(read(same), same);
        }
    }
}
