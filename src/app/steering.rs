//! Who answers a request, and whether it is done a second time: the rollout's decision put to work.

use std::sync::Arc;

use http::Method;

use crate::{
    api::middleware::path,
    domain::HeaderList,
    keys,
    rollout::{Ask, Decision, Phase, Rollout, Serve},
    sidecar::{
        forward::RequestHead,
        routing::{Route, Routing},
        shadow::Shadow,
    },
};

/// Headers that may carry a key.
const KEY_HEADERS: [&str; 4] = ["x-api-key", "x-goog-api-key", "authorization", "api-key"];

/// Decides by the rollout; shows requests to the shadow side.
pub(super) struct Steering {
    pub(super) rollout: Arc<Rollout>,
    pub(super) shadow: Arc<Shadow>,
}

impl Steering {
    fn decision(&self, head: &RequestHead) -> Option<Decision> {
        let method = Method::from_bytes(head.method().as_bytes()).ok()?;
        let canonical = path::canonical(head.path());
        // Who asks matters during canary alone.
        let credential = match self.rollout.phase() {
            Phase::Canary => credential(head),
            _ => None,
        };
        let ask = Ask { method: &method, path: &canonical, credential: credential.as_deref() };
        Some(self.rollout.decide_at_once(&ask))
    }
}

impl Routing for Steering {
    fn decide(&self, head: &RequestHead) -> Route {
        // What the rollout cannot judge is Node's.
        let Some(decision) = self.decision(head) else { return Route::Legacy { trace: None } };
        match decision.serve {
            Serve::Own if !head.upgrades() => Route::Own,
            Serve::Own => Route::Legacy { trace: None },
            Serve::Legacy if decision.shadow => {
                Route::Legacy { trace: self.shadow.begin(head, "") }
            }
            Serve::Legacy => Route::Legacy { trace: None },
        }
    }

    fn phase(&self) -> String {
        self.rollout.phase().to_string()
    }
}

/// The key that a request presents, as the own front will find it.
fn credential(head: &RequestHead) -> Option<String> {
    let mut headers = HeaderList::new();
    for (name, value) in head.headers() {
        let known = KEY_HEADERS.iter().find(|known| name.eq_ignore_ascii_case(known));
        let Some(known) = known else { continue };
        let value = String::from_utf8_lossy(value).into_owned();
        match headers.get(known).map(|first| format!("{first}, {value}")) {
            None => headers.push(*known, value),
            // Of this one the first counts, of the others all, joined.
            Some(_) if *known == "authorization" => {}
            Some(joined) => headers.set(known, joined),
        }
    }
    let query = head.target().split_once('?').map(|(_, query)| query);
    let key = query.and_then(|query| path::query_value(query, "key"));
    keys::present(&headers, key.as_deref())
}
