//! One client request on its way through the phases.

use std::{borrow::Cow, sync::Arc};

use compat::relay_config::RelayConfig;
use tokio_util::sync::CancellationToken;

use super::{ChatClient, Trail};
use crate::{
    domain::{HeaderList, RequestId},
    keys::{Admitted, ApiKeySnapshot, ClientBody},
    wire::body::RequestBody,
};

/// What arrived, before anything is known about its key.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Id of the request, as in `X-Request-ID`.
    pub request_id: RequestId,
    /// Arrival, epoch milliseconds.
    pub received_ms: i64,
    /// HTTP method.
    pub method: http::Method,
    /// Path and query as the client wrote them.
    pub original_url: String,
    /// Credential as presented, from whichever place.
    pub credential: Option<String>,
    /// Headers, names lower-cased, after the browser rewrite.
    pub headers: HeaderList,
    /// Body; an absent one is an empty object.
    pub body: Arc<RequestBody>,
    /// Whether somebody else serves what is not served here.
    pub may_decline: bool,
    /// Cancelled when the client has left.
    pub gone: CancellationToken,
}

impl Incoming {
    /// The path without the query, as usage records name it.
    pub fn endpoint(&self) -> &str {
        self.original_url.split_once('?').map_or(self.original_url.as_str(), |(path, _)| path)
    }
}

/// An admitted request. Dropping it gives its slot back.
pub struct Call {
    /// What arrived.
    pub incoming: Incoming,
    /// Whose key it is.
    pub key: Arc<ApiKeySnapshot>,
    /// The relay settings in effect.
    pub config: Arc<RelayConfig>,
    /// What admission gave: slot, window, headers.
    pub admitted: Admitted,
    /// Decisions so far.
    pub trail: Trail,
    /// Set for clients that speak chat completions. `incoming` then holds the converted request, and the
    /// headers that the vendor is shown in place of the client's.
    pub chat: Option<ChatClient>,
}

impl Call {
    /// Lets go of the body but for what settling reads of it: a stream may stay open for minutes. With
    /// request details on, the body is part of what is settled.
    pub(super) fn forget_body(&mut self) {
        if !self.config.detail_capture
            && let Some(kept) = self.incoming.body.essentials()
        {
            self.incoming.body = Arc::new(kept);
        }
    }

    /// Runs work for the client. Once the client has left, the work goes on without the key's slot,
    /// which the legacy service frees at that moment.
    pub(super) async fn while_connected<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = self.incoming.gone.cancelled() => {}
        }
        if let Some(slot) = &self.admitted.slot {
            slot.give_back();
        }
        work.await
    }
}

impl ClientBody for RequestBody {
    fn model(&self) -> Option<Cow<'_, str>> {
        self.model()
    }

    fn system_texts(&self) -> Option<Vec<Cow<'_, str>>> {
        let entries = self.system().filter(|system| system.is_array())?.elements();
        Some(entries.map(|entry| entry.get_str("text").unwrap_or_default()).collect())
    }

    fn user_id(&self) -> Option<Cow<'_, str>> {
        self.user_id()
    }
}
