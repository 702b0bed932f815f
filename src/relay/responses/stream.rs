//! Providers' streamed answers.

use std::sync::Arc;

use super::{Relay, Seated};
use crate::{
    accounts::ResponsesLimit,
    relay::{
        Call, Reply, ReplyBody,
        openai::{Shaped, Watched},
        pump::End,
        reply::EVENT_HEADERS,
    },
    upstream::UpstreamResponse,
    wire::openai::events::{EventTap, Limit, Rules, is_no_moment},
};

impl Relay {
    /// Hands a stream on; whatever its status was, the client's is 200.
    pub(super) fn provider_events(
        self: &Arc<Self>,
        call: Call,
        seated: Seated,
        response: UpstreamResponse,
    ) -> Reply {
        let (mut pump, receiver) = self.pump(response.body);
        let mut tap = Shaped::new(&seated.asked.ask, 200, Watched::new(Rules::Provider));
        let relay = Arc::clone(self);
        self.tasks.spawn(async move {
            let end = tap.hand_on(&call, &mut pump).await;
            // A stream that was not read to its end counts nothing.
            if matches!(end, End::Complete) {
                relay.provider_ended(&call, &seated, &tap.tap.events).await;
            }
            drop(pump);
        });
        let headers = EVENT_HEADERS.into_iter().collect();
        Reply { status: 200, headers, body: ReplyBody::Stream(receiver) }
    }

    async fn provider_ended(&self, call: &Call, seated: &Seated, seen: &EventTap) {
        if let Some(counts) = seen.counts() {
            let model = seen.model().map(str::to_owned);
            self.book_provider(call, seated, 200, model, counts).await;
        }
        self.provider_told_limit(seated, seen.limit()).await;
    }

    /// Marks the account if a limit was told among its events.
    pub(super) async fn provider_told_limit(&self, seated: &Seated, limit: Option<Limit>) {
        let Some(limit) = limit else { return };
        let end = limit.resets_in_s.filter(|s| !is_no_moment(self.clock.now_ms(), *s));
        let limit = ResponsesLimit { resets_in_s: end, headers: None };
        let session = seated.session.as_deref();
        self.accounts.responses_limited(seated.chosen.entry(), limit, session).await;
    }
}
