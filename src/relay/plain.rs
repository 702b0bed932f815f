//! Plain (not streamed) replies: reading them whole and handing them on.

use bytes::{Bytes, BytesMut};
use compat::keys::AccountKind;
use futures_util::{StreamExt, stream::BoxStream};

use super::{Call, Relay, Reply, ReplyBody, choose::Chosen, failure::Failure, settle::Served};
use crate::{
    domain::{AccountId, HeaderList},
    upstream::SendError,
    wire::{
        anthropic::{usage_of_reply, warmup},
        json::{Doc, Kind, stringify},
    },
};

/// Headers of a vendor's reply that do not reach the client.
const DROPPED: [&str; 3] = ["content-encoding", "transfer-encoding", "content-length"];

/// A vendor's plain reply, or one made in its place.
#[derive(Clone, Debug)]
pub(super) struct PlainReply {
    /// HTTP status.
    pub(super) status: u16,
    /// The vendor's headers.
    pub(super) headers: HeaderList,
    /// Complete body.
    pub(super) body: Bytes,
}

impl PlainReply {
    /// A JSON reply of our own.
    pub(super) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            headers: [("content-type", "application/json")].into_iter().collect(),
            body: body.to_string().into(),
        }
    }

    /// The headers that reach the client.
    pub(super) fn passed_headers(&self) -> HeaderList {
        let passed = |name: &str| !DROPPED.iter().any(|dropped| name.eq_ignore_ascii_case(dropped));
        self.headers.iter().filter(|(name, _)| passed(name)).collect()
    }
}

/// Reads a body to its end.
pub(super) async fn read_all(
    mut body: BoxStream<'static, Result<Bytes, SendError>>,
) -> Result<Bytes, SendError> {
    let Some(first) = body.next().await.transpose()? else { return Ok(Bytes::new()) };
    let Some(second) = body.next().await.transpose()? else { return Ok(first) };
    let mut whole = BytesMut::with_capacity((first.len() + second.len()) * 2);
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&second);
    while let Some(chunk) = body.next().await.transpose()? {
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

impl Relay {
    /// Books a plain reply's usage and makes the client's answer of it.
    pub(super) async fn hand_on(
        &self,
        call: &Call,
        account_id: &AccountId,
        kind: AccountKind,
        plain: PlainReply,
    ) -> Reply {
        if let Some(client) = &call.chat {
            return self.hand_on_chat(call, client, (account_id, kind), plain).await;
        }
        let headers = plain.passed_headers();
        let parsed = Doc::parse_deep(plain.body.clone());
        // Asking `null` for its counts fails in the legacy service, which then sends the text.
        let Some(doc) = parsed.ok().filter(|doc| doc.root().kind() != Kind::Null) else {
            return Reply { status: plain.status, headers, body: ReplyBody::Text(plain.body) };
        };
        let model = call.incoming.body.model();
        if let Some(usage) = usage_of_reply(doc.root(), model.as_deref()) {
            let served = Served { call, account_id, kind, status: plain.status, stream: false };
            self.book(&served, &usage).await;
        }
        Reply { status: plain.status, headers, body: ReplyBody::Json(rewritten(&doc)) }
    }

    /// Runs a plain exchange on behalf of a client. When the client leaves, the exchange may still
    /// finish within the cap, so that what it cost is booked.
    pub(super) async fn for_client<T>(
        &self,
        call: &Call,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let patience = async {
            call.incoming.gone.cancelled().await;
            tokio::time::sleep(self.settings.after_client.time).await;
        };
        call.while_connected(async {
            tokio::select! {
                done = work => done,
                () = patience => Err(Failure::ClientGone),
            }
        })
        .await
    }

    /// The answer to a warm-up request.
    pub(super) fn warmup_reply(&self, call: Call, stream: bool) -> Reply {
        let model = call.incoming.body.model();
        if !stream {
            return Reply {
                status: 200,
                headers: HeaderList::new(),
                body: ReplyBody::Json(warmup::reply(model.as_deref(), &warmup_id()).into()),
            };
        }
        let events = warmup::events(model.as_deref(), &warmup_id());
        let (client, receiver) = tokio::sync::mpsc::channel(super::pump::CLIENT_QUEUE);
        self.tasks.spawn(async move {
            for event in events {
                if client.send(event).await.is_err() {
                    break;
                }
                tokio::time::sleep(warmup::EVENT_INTERVAL).await;
            }
            drop(call);
        });
        Reply { status: 200, headers: Reply::stream_headers(), body: ReplyBody::Stream(receiver) }
    }
}

/// A reply's JSON as the legacy service writes it anew; entity tag and length hang on these bytes.
pub(super) fn rewritten(doc: &Doc) -> Bytes {
    let text = stringify(doc.root());
    if text == *doc.text() { doc.text().clone() } else { text.into() }
}

/// Twenty random hex digits.
fn warmup_id() -> String {
    let mut id = uuid::Uuid::new_v4().simple().to_string();
    id.truncate(20);
    id
}

/// Names the account of a chosen call for booking.
pub(super) fn served_by(chosen: &Chosen) -> (AccountId, AccountKind) {
    (chosen.id(), chosen.account_kind())
}
