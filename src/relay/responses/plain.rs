//! Providers' plain answers.

use super::{Relay, Seated};
use crate::{
    domain::HeaderList,
    relay::{
        Call, Reply, ReplyBody,
        exchange::half_read,
        openai::{Unasked, whole},
        plain::read_all,
    },
    upstream::UpstreamResponse,
    wire::openai::{
        data,
        events::Rules,
        usage::{self, Reading},
    },
};

impl Relay {
    /// Books an answer and hands it on.
    pub(super) async fn provider_plain(
        &self,
        call: &Call,
        seated: &Seated,
        response: UpstreamResponse,
    ) -> Reply {
        let status = response.status;
        let body = match self.with_client(call, read_all(response.body)).await.map_err(half_read) {
            Ok(body) => body,
            Err(error) => return self.provider_broken(seated, &error).await,
        };
        self.accounts.responses_answered(seated.chosen.entry()).await;
        let mut answer = data::as_data(body.clone());
        let unasked = Unasked::read(&seated.asked.ask, status, Rules::Provider, (&body, &answer));
        if let Some(unasked) = unasked {
            self.provider_told_limit(seated, unasked.limit).await;
            match unasked.answer {
                Ok(gathered) => answer = gathered,
                Err(refusal) => return refusal,
            }
        }
        let root = answer.root();
        let inner = root.get_truthy("response");
        let told =
            root.get_truthy("usage").or_else(|| inner.and_then(|inner| inner.get_truthy("usage")));
        if let Some(told) = told {
            let model = root
                .get_truthy("model")
                .or_else(|| inner.and_then(|inner| inner.get_truthy("model")));
            let model = model.map(|model| model.to_js_text().into_owned());
            let counts = usage::read(told, Reading::PROVIDER);
            self.book_provider(call, seated, status, model, &counts).await;
        }
        let body = whole(&seated.asked.ask, status, &answer);
        Reply { status, headers: HeaderList::new(), body: ReplyBody::Json(body) }
    }
}
