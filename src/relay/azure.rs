//! Azure OpenAI (`contract/openai-azure-droid.md §7`): one exchange with the chosen account, whatever comes
//! of it is the client's answer.
//!
//! A stream is answered 200 whatever the vendor said, and what the vendor breaks off just ends, as in the
//! legacy service. Nothing is booked of a stream that is not complete.

use std::sync::Arc;

use bytes::Bytes;
use compat::{keys::AccountKind, pool::Entry, store::StoreError};

use super::{
    Call, Relay, Reply, ReplyBody,
    exchange::half_read,
    official::sent,
    plain::{read_all, rewritten},
    pump::{End, Tap},
    reply::EVENT_HEADERS,
    settle::{Served, Terms},
};
use crate::{
    domain::{AccountId, HeaderList, TokenUsage},
    platform::azure_openai::{self as azure, Endpoint, Named, Reading, Usage, UsageTap},
    schedule::{Prefetched, azure::Ask},
    upstream::{SendError, SendErrorKind, UpstreamResponse},
    wire::json::{self, Doc},
};

/// Header that names a client's session.
pub const SESSION_HEADER: &str = "x-session-id";

impl Relay {
    /// Serves a request to one of Azure's endpoints.
    pub async fn azure(
        self: &Arc<Self>,
        call: Call,
        prefetched: Result<Prefetched, StoreError>,
        endpoint: Endpoint,
    ) -> Reply {
        let entry = match self.azure_account(&call, prefetched).await {
            Ok(entry) => entry,
            Err(message) => return failed(&message, None),
        };
        let stream = endpoint.streams() && call.incoming.body.root().get_truthy("stream").is_some();
        if stream {
            self.azure_stream(call, entry, endpoint).await
        } else {
            call.while_connected(self.azure_plain(&call, &entry, endpoint)).await
        }
    }

    async fn azure_account(
        &self,
        call: &Call,
        prefetched: Result<Prefetched, StoreError>,
    ) -> Result<Arc<Entry>, String> {
        let session = call.incoming.headers.get(SESSION_HEADER).filter(|name| !name.is_empty());
        let ask = Ask { session };
        let prefetched = prefetched.map_err(|error| error.to_string())?;
        let mut considered = Vec::new();
        let outcome = self.scheduler.select(&ask, prefetched, &mut considered).await;
        call.trail.chosen(session, &considered, &outcome);
        outcome.map(|selection| selection.account).map_err(|refusal| refusal.to_string())
    }

    async fn azure_plain(&self, call: &Call, entry: &Arc<Entry>, endpoint: Endpoint) -> Reply {
        let response = match self.azure_send(call, entry, endpoint, false).await {
            Ok(response) => response,
            Err(error) => return self.azure_failed(entry, error).await,
        };
        let (status, headers) = (response.status, response.headers);
        let body = match read_all(response.body).await {
            Ok(body) => body,
            Err(error) => return self.azure_failed(entry, half_read(error)).await,
        };
        self.accounts.azure_answered(entry, status, &headers).await;
        let doc = Doc::parse_deep(body.clone()).ok();
        let usage = doc.as_ref().and_then(|doc| azure::usage_of_reply(doc.root()));
        if let Some(usage) = usage {
            self.azure_book(call, entry, usage, (status, false)).await;
        }
        let mut passed = HeaderList::from_iter([("Content-Type", "application/json")]);
        azure::passed_headers(&headers).iter().for_each(|(name, value)| passed.set(name, value));
        let body = doc.map_or_else(|| as_string(&body), |doc| rewritten(&doc));
        Reply { status, headers: passed, body: ReplyBody::Json(body) }
    }

    async fn azure_stream(
        self: &Arc<Self>,
        mut call: Call,
        entry: Arc<Entry>,
        endpoint: Endpoint,
    ) -> Reply {
        let response = match self.azure_send(&call, &entry, endpoint, true).await {
            Ok(response) => response,
            Err(error) => return self.azure_failed(&entry, error).await,
        };
        self.accounts.azure_answered(&entry, response.status, &response.headers).await;
        call.forget_body();
        let mut headers = HeaderList::from_iter(EVENT_HEADERS);
        let passed = azure::passed_headers(&response.headers);
        passed.iter().for_each(|(name, value)| headers.set(name, value));
        let (mut pump, receiver) = self.pump(response.body);
        let exact = self.settings.azure_exact_usage;
        let reading = if exact { Reading::WHOLE } else { Reading::LEGACY };
        let mut tap = AzureTap(UsageTap::new(reading));
        let relay = Arc::clone(self);
        if call.incoming.gone.is_cancelled() {
            // Nobody is left to read it, and nothing of it is booked.
            self.tasks.spawn(async move { call.while_connected(pump.drain()).await });
            return Reply { status: 200, headers, body: ReplyBody::Stream(receiver) };
        }
        self.tasks.spawn(async move {
            match call.while_connected(pump.run(&mut tap)).await {
                End::Complete => {
                    if let Some(usage) = tap.0.finish() {
                        relay.azure_book(&call, &entry, usage, (200, true)).await;
                    }
                }
                End::Shutdown => {
                    let text = "The service is restarting, please retry";
                    let body = azure::error_body(text, None);
                    let _ = pump.client.send(format!("data: {body}\n\n").into()).await;
                }
                End::Cut(_) | End::ClientGone => {}
            }
            drop(pump);
        });
        Reply { status: 200, headers, body: ReplyBody::Stream(receiver) }
    }

    /// One exchange with the vendor, up to the answer's head.
    async fn azure_send(
        &self,
        call: &Call,
        entry: &Arc<Entry>,
        endpoint: Endpoint,
        stream: bool,
    ) -> Result<UpstreamResponse, SendError> {
        let ready = self.accounts.azure_ready(entry);
        let request = azure::build(&azure::Call {
            endpoint,
            body: &call.incoming.body,
            account: &ready.account,
            stream,
            keep_alive: ready.proxy.is_none() || self.settings.proxy_keep_alive,
        })
        .map_err(|error| {
            call.trail.note("build", error.to_string());
            let code = error.code();
            SendError::new(SendErrorKind::Invalid, error.to_string()).with_code(code)
        })?;
        let answered = self.sender.send(self.to_send(request, ready.proxy)).await;
        call.trail.note("send", sent(&answered));
        answered
    }

    async fn azure_failed(&self, entry: &Arc<Entry>, error: SendError) -> Reply {
        self.accounts.azure_broken(entry).await;
        if error.kind == SendErrorKind::IdleTimeout {
            let waited = self.settings.request_timeout.as_millis();
            return failed(&format!("timeout of {waited}ms exceeded"), Some("ECONNABORTED"));
        }
        failed(&error.message, error.code)
    }

    /// Books an answer and the account's totals. The first name of the model counts: the vendor's, then
    /// the one asked for.
    async fn azure_book(
        &self,
        call: &Call,
        entry: &Arc<Entry>,
        usage: Usage,
        (status, stream): (u16, bool),
    ) {
        let exact = self.settings.azure_exact_usage;
        let tokens = if exact { azure::without_cached(usage.tokens) } else { usage.tokens };
        let total = tokens.total();
        let name = match usage.model.or(|| Named::of(call.incoming.body.root())) {
            Named::Nothing => Some(None),
            Named::Model(name) => Some(Some(name)),
            Named::Odd => None,
        };
        if let Some(model) = name {
            let account_id = AccountId::from(&*entry.id);
            let kind = AccountKind::AzureOpenAi;
            let served = Served { call, account_id: &account_id, kind, status, stream };
            let terms = Terms { window: false, ..Terms::simple(None) };
            self.book_as(&served, &TokenUsage { model, ..tokens }, terms).await;
        }
        self.accounts.azure_used(entry, total).await;
    }
}

/// The answer when nothing came of the request.
fn failed(message: &str, code: Option<&str>) -> Reply {
    Reply::json(500, &azure::error_body(message, code))
}

/// Text that is no JSON, as a JSON string.
fn as_string(body: &Bytes) -> Bytes {
    let text = String::from_utf8_lossy(body);
    let mut out = Vec::with_capacity(body.len() + 2);
    json::encode(text.strip_prefix('\u{feff}').unwrap_or(&text), &mut out);
    out.into()
}

struct AzureTap(UsageTap);

impl Tap for AzureTap {
    fn chunk(&mut self, chunk: Bytes) -> Option<Bytes> {
        self.0.chunk(&chunk);
        Some(chunk)
    }

    fn finish(&mut self) -> Option<Bytes> {
        None
    }

    fn is_settled(&self) -> bool {
        // Without its client a stream counts nothing, so there is no reason to read on.
        true
    }
}
