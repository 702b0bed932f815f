//! Phase *admit*: key, client, limits. Reads of the later phases travel along with the key's.

use std::{borrow::Cow, sync::Arc};

use compat::{pool::Family, relay_config::RelayConfig, store::StoreError};

use super::{Call, Incoming, Relay, Trail};
use crate::{
    keys::{Admitted, Ask, ClientRequest, Rejection, is_token_count},
    schedule::Prefetched,
};

/// An admitted call, and what was read for choosing its account.
pub struct Admission {
    /// The call.
    pub call: Call,
    /// Accounts and sticky mapping as of arrival.
    pub prefetched: Result<Prefetched, StoreError>,
}

impl Relay {
    /// Admits a request: two round trips at most, one for everything that is read, one for everything
    /// that is counted. Accounts of `family` are read, and `session` names the conversation on relay
    /// routes.
    ///
    /// # Errors
    /// The refusal to send.
    pub async fn admit(
        &self,
        incoming: Incoming,
        family: Family,
        session: Option<&str>,
    ) -> Result<Admission, Rejection> {
        let trail = self.trails.begin(
            &incoming.request_id,
            incoming.received_ms,
            &incoming.method,
            incoming.endpoint(),
        );
        let admission = self.admit_on(incoming, family, session, &trail).await;
        if let Err(rejection) = &admission {
            trail.note("admit", format!("refused: {} {}", rejection.status(), rejection.label()));
        }
        admission
    }

    async fn admit_on(
        &self,
        incoming: Incoming,
        family: Family,
        session: Option<&str>,
        trail: &Trail,
    ) -> Result<Admission, Rejection> {
        let (key, prefetched) = tokio::join!(
            self.keys.lookup(incoming.credential.as_deref()),
            self.scheduler.prefetch(family, session),
        );
        let key = key?;
        trail.note("admit", format!("key {}", key.id));
        let settings =
            prefetched.as_ref().ok().and_then(|read| read.snapshot().settings.as_deref());
        let config = self.config_of(settings);
        if let Ok(read) = &prefetched {
            self.billing.observe_rates(read.snapshot().service_rates.as_deref());
        }
        let client = ClientRequest {
            headers: &incoming.headers,
            original_url: &incoming.original_url,
            body: &*incoming.body,
        };
        self.keys.check(&key, &client, &config)?;
        let model = incoming.body.model().unwrap_or(Cow::Borrowed(""));
        let ask = Ask {
            token_count: is_token_count(&incoming.original_url),
            model: &model,
            config: &config,
            gone: &incoming.gone,
        };
        let admitted = self.keys.admit_limits(&key, ask).await?;
        drop(model);
        trail.note("admit", held(&admitted));
        let trail = trail.clone();
        Ok(Admission {
            call: Call { incoming, key, config, admitted, trail, chat: None },
            prefetched,
        })
    }

    /// The relay settings in `text`, parsed anew only when the text has changed.
    fn config_of(&self, text: Option<&str>) -> Arc<RelayConfig> {
        let mut kept = self.config.lock();
        if let Some((kept_text, config)) = &*kept
            && kept_text.as_deref() == text
        {
            return Arc::clone(config);
        }
        let config = Arc::new(RelayConfig::parse(text));
        *kept = Some((text.map(str::to_owned), Arc::clone(&config)));
        config
    }
}

/// What admission gave, in words.
fn held(admitted: &Admitted) -> String {
    let slot = if admitted.slot.is_some() { "a slot taken" } else { "no slot needed" };
    let window = if admitted.window.is_some() { "counted in its window" } else { "no window" };
    format!("admitted: {slot}, {window}")
}
