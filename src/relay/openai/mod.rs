//! Responses requests, and pictures, on ChatGPT accounts; requests for provider accounts go on to
//! `relay::responses` (`contract/openai-azure-droid.md §2, §3`).
//!
//! A request is adapted, then an account is chosen, then the account's kind decides who relays it. A client
//! of another dialect hands in a [`Shape`], through which it sees the answers.

mod ask;
mod choose;
mod codex;
mod images;
mod instructions;
mod plain;
mod shape;
mod stream;

use std::sync::Arc;

use compat::store::StoreError;
use serde_json::json;

pub use ask::ResponsesAsk;
use choose::Seat;
pub(super) use codex::{NO_MOMENT, collected};
pub use images::image_session;
pub use instructions::{Instructions, Source};
pub(super) use plain::UNNAMED_MODEL;
pub use shape::{Shape, ShapedStream};
pub(super) use shape::{Shaped, Unasked, whole};
pub(super) use stream::Watched;

use super::{Call, Relay, Reply, RequestBody};
use crate::{
    keys::{RouteFamily, Service, check_permission},
    platform::openai_codex,
    schedule::Prefetched,
    wire::{
        anthropic::sanitize::SafeError,
        body_rules::BodyRules,
        openai::{
            adapt::{self, Adaptation, Model, codex_model},
            session,
        },
    },
};

/// What the legacy service's runtime says of a model that is no text.
const MODEL_IS_NO_TEXT: &str = "requestedModel.startsWith is not a function";

/// A request on its way, as it was read for good.
pub(super) struct Asked {
    pub(super) ask: ResponsesAsk,
    /// The model, as the client or a rule named it.
    pub(super) model: Option<String>,
    /// What the conversation is kept under.
    pub(super) session: Option<String>,
    /// `service_tier`, for the costs.
    pub(super) service_tier: Option<String>,
}

impl Relay {
    /// Answers an admitted Responses request.
    pub async fn responses(
        self: &Arc<Self>,
        mut call: Call,
        prefetched: Result<Prefetched, StoreError>,
        ask: ResponsesAsk,
    ) -> Reply {
        if let Err(rejection) = check_permission(&call.key, RouteFamily::OpenAi, Service::OpenAi) {
            return Reply::json(rejection.status(), &rejection.body());
        }
        let genuine = openai_codex::is_genuine(&call.incoming.headers, call.incoming.body.root())
            .filter(|_| !ask.is_unified())
            .map(|text| text.into_owned());
        let asked = match self.adapt(&mut call, ask) {
            Ok(asked) => asked,
            Err(safe) => return thrown(safe),
        };
        let scheduled = asked.model.as_deref().map(codex_model);
        let session = asked.session.clone();
        match self.seat_openai(&call, Some(prefetched), session, scheduled).await {
            Ok(Seat::Codex(chosen, ready)) => self.codex(call, chosen, ready, asked, genuine).await,
            Ok(Seat::Provider(chosen, ready)) => self.provider(call, chosen, ready, asked).await,
            Err(refused) => refused.into_reply(),
        }
    }

    /// Adapts the request as its route and its key have it, and reads what is decided by.
    fn adapt(&self, call: &mut Call, ask: ResponsesAsk) -> Result<Asked, SafeError> {
        let incoming = &call.incoming;
        let record = &call.key.record;
        let is_codex = openai_codex::is_codex(&incoming.headers);
        let adapts = if ask.is_unified() {
            true
        } else {
            !is_codex && (!ask.heeds_switches() || record.enable_codex_adaptation)
        };
        let renames = adapts || !ask.heeds_switches();
        if renames && Model::of(incoming.body.root()) == Model::NoText {
            return Err(SafeError::of_message(MODEL_IS_NO_TEXT));
        }
        let instructions = if adapts { self.instructions.current() } else { None };
        let adaptation = Adaptation {
            model: renames,
            trim: adapts && !ask.is_unified(),
            instructions: instructions.as_deref(),
        };
        let mut body = adapt::adapted(&incoming.body, adaptation);
        if ask.heeds_switches() && record.enable_payload_rules {
            let rules = serde_json::Value::from(record.payload_rules.clone()).to_string();
            let rules = BodyRules::stored(&rules)
                .map_err(|error| SafeError::of_message(&error.to_string()))?;
            body = rules.apply(&body).unwrap_or(body);
        }
        call.trail.note("build", said(adaptation, is_codex));
        if body != *incoming.body.bytes()
            && let Ok(adapted) = RequestBody::parse(body)
        {
            call.incoming.body = Arc::new(adapted);
        }
        let incoming = &call.incoming;
        let root = incoming.body.root();
        let session = session::of_request(&incoming.headers, root)
            .map_err(|odd| SafeError::of_message(&odd.to_string()))?;
        let model = match Model::of(root) {
            Model::NoText => return Err(SafeError::of_message(MODEL_IS_NO_TEXT)),
            Model::Named(name) => Some(name),
            Model::Unset => None,
        };
        Ok(Asked {
            ask,
            model,
            session: session.as_deref().map(session::hash),
            service_tier: root.get_str("service_tier").map(|tier| tier.into_owned()),
        })
    }
}

/// A failure in the words of its code; the status is 500 whatever the code says.
pub(super) fn thrown(safe: SafeError) -> Reply {
    Reply::json(500, &json!({ "error": { "message": safe.message } }))
}

/// What was changed, in words.
fn said(adaptation: Adaptation<'_>, is_codex: bool) -> String {
    let client = if is_codex { "from a Codex client" } else { "from another client" };
    let trimmed = if adaptation.trim { "trimmed for Codex" } else { "not trimmed" };
    let instructed = match adaptation.instructions {
        Some(_) => "instructions set",
        None => "the client's instructions",
    };
    format!("{client}; {trimmed}; {instructed}")
}
