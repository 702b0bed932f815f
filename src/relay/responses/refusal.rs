//! Providers' refusals.

use bytes::Bytes;

use super::{Relay, Seated};
use crate::{
    accounts::ResponsesLimit,
    domain::HeaderList,
    platform::openai_responses as responses,
    relay::{
        Call, Reply, ReplyBody,
        exchange::half_read,
        openai::{NO_MOMENT, collected},
        plain::read_all,
    },
    upstream::{SendError, SendErrorKind, UpstreamResponse},
    wire::openai::{data, events::is_no_moment},
};

impl Relay {
    /// The account is limited. What the provider says of it reaches the client as it is.
    pub(super) async fn provider_limited(
        &self,
        call: &Call,
        seated: &Seated,
        response: UpstreamResponse,
    ) -> Reply {
        let headers = response.headers.clone();
        let (resets_in_s, error) = if seated.stream {
            match collected(response.body).await {
                (body, None) => responses::limit_of_stream(&body),
                (_, Some(_)) => responses::limit_of_stream(b""),
            }
        } else {
            match self.whole_refusal(call, response).await {
                Ok(body) => responses::limit(body),
                Err(error) => return self.provider_broken(seated, &error).await,
            }
        };
        let entry = seated.chosen.entry();
        if let Some(seconds) = resets_in_s
            && is_no_moment(self.clock.now_ms(), seconds)
        {
            // The legacy service fails on such an end: after it has marked the account as far as it can
            // without one, or at once where it is a number.
            if seconds.is_nan() {
                let marked = ResponsesLimit { resets_in_s: None, headers: None };
                self.accounts.responses_limited(entry, marked, None).await;
            }
            return self
                .provider_broken(seated, &SendError::new(SendErrorKind::Protocol, NO_MOMENT))
                .await;
        }
        let limit = ResponsesLimit { resets_in_s, headers: Some(&headers) };
        self.accounts.responses_limited(entry, limit, seated.session.as_deref()).await;
        told(429, error)
    }

    /// Any other error. Only a 401 reaches the client with all of the provider's words.
    pub(super) async fn provider_refused(
        &self,
        call: &Call,
        seated: &Seated,
        response: UpstreamResponse,
    ) -> Reply {
        let status = response.status;
        let error = if seated.stream {
            responses::error_of_stream(&collected(response.body).await.0)
        } else {
            match self.whole_refusal(call, response).await {
                Ok(body) => data::as_data(body),
                Err(error) => return self.provider_broken(seated, &error).await,
            }
        };
        if status == 401 || status >= 500 {
            let session = seated.session.as_deref();
            self.accounts.responses_failed(seated.chosen.entry(), status, session).await;
        }
        if status == 401 {
            return told(401, responses::unauthorized(&error));
        }
        told(status, data::without_routes(error.root()))
    }

    async fn whole_refusal(
        &self,
        call: &Call,
        response: UpstreamResponse,
    ) -> Result<Bytes, SendError> {
        self.with_client(call, read_all(response.body)).await.map_err(half_read)
    }
}

fn told(status: u16, error: Bytes) -> Reply {
    Reply { status, headers: HeaderList::new(), body: ReplyBody::Json(error) }
}
