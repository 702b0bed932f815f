//! Who answers a request, and whether it is done a second time: the rollout's decision put to work.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::Method;

use crate::{
    api::middleware::path,
    domain::HeaderList,
    keys,
    relay::platform_of,
    rollout::{Ask, Decision, Phase, Reason, Rollout, Serve},
    sidecar::{
        forward::RequestHead,
        routing::{Answer, BodyStart, Route, Routing},
        shadow::{Shadow, route_of},
    },
    wire::json::EarlyMember,
};

/// Headers that may carry a key.
const KEY_HEADERS: [&str; 4] = ["x-api-key", "x-goog-api-key", "authorization", "api-key"];

/// Decides by the rollout; shows requests to the shadow side.
#[derive(Clone)]
pub(super) struct Steering {
    pub(super) rollout: Arc<Rollout>,
    pub(super) shadow: Arc<Shadow>,
}

impl Steering {
    fn route(&self, decision: Decision, head: &RequestHead, peer: IpAddr) -> Route {
        match decision.serve {
            Serve::Own if !head.upgrades() => Route::Own,
            Serve::Legacy if decision.shadow => {
                Route::Legacy { trace: self.shadow.begin(head, &peer.to_string()) }
            }
            Serve::Legacy if decision.reason == Reason::RouteNotOwned => {
                if self.rollout.phase() != Phase::Observe {
                    self.shadow.not_owned(&route_of(head.target()));
                }
                Route::Legacy { trace: None }
            }
            Serve::Own | Serve::Legacy => Route::Legacy { trace: None },
        }
    }
}

/// What of a request decides.
struct Asked {
    method: Method,
    /// In the canonical spelling.
    path: String,
    credential: Option<String>,
    platform: Option<&'static str>,
}

impl Asked {
    fn ask(&self) -> Ask<'_> {
        Ask {
            method: &self.method,
            path: &self.path,
            credential: self.credential.as_deref(),
            platform: self.platform,
        }
    }
}

/// A chat request whose model decides: it is looked for in the beginning of the body.
struct ByModel {
    steering: Steering,
    head: RequestHead,
    peer: IpAddr,
    asked: Asked,
    model: EarlyMember,
}

impl BodyStart for ByModel {
    fn look(&mut self, piece: &[u8]) -> bool {
        self.model.feed(piece);
        self.model.found().is_some()
    }

    fn decide(mut self: Box<Self>) -> Answer {
        self.asked.platform = self.model.found().map(|found| platform_of(found.text()));
        self.steering.answer(self.asked, &self.head, self.peer)
    }
}

impl Steering {
    fn answer(&self, asked: Asked, head: &RequestHead, peer: IpAddr) -> Answer {
        if let Some(decision) = self.rollout.decide_now(&asked.ask()) {
            return Answer::Now(self.route(decision, head, peer));
        }
        let (own, head) = (self.clone(), head.clone());
        Answer::Later(Box::pin(async move {
            let decision = own.rollout.decide(&asked.ask()).await;
            own.route(decision, &head, peer)
        }))
    }
}

impl Routing for Steering {
    fn decide(&self, head: &RequestHead, peer: IpAddr) -> Answer {
        // What the rollout cannot judge is Node's.
        let Ok(method) = Method::from_bytes(head.method().as_bytes()) else {
            return Answer::Now(Route::Legacy { trace: None });
        };
        // Who asks matters only when some keys are served and others not.
        let credential = match self.rollout.phase() {
            Phase::Canary | Phase::Primary => credential(head),
            _ => None,
        };
        let path = path::canonical(head.path()).into_owned();
        let asked = Asked { method, path, credential, platform: None };
        // Of a client that waits to be asked for its body there is nothing to see, nor of a packed one.
        let shows = head.header("expect").is_none() && head.header("content-encoding").is_none();
        if shows && self.rollout.asks_for_model(&asked.ask()) {
            let (steering, head) = (self.clone(), head.clone());
            let model = EarlyMember::new("model");
            return Answer::AfterBody(Box::new(ByModel { steering, head, peer, asked, model }));
        }
        self.answer(asked, head, peer)
    }

    fn answered(&self, own: bool, fault: bool, first_byte: Duration) {
        match own {
            true => self.rollout.meter().own(fault, first_byte),
            false => self.rollout.meter().legacy(first_byte),
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
