//! How a Responses request arrived.

use std::sync::Arc;

use super::{super::Incoming, Shape};
use crate::wire::openai::session;

/// Mount of the routes.
const MOUNT: &str = "/openai";
const COMPACT: &str = "/responses/compact";
/// The path that chat requests are rewritten to.
const REWRITTEN: &str = "/v1/responses";

/// A Responses request's route.
#[derive(Clone)]
pub struct ResponsesAsk {
    path: String,
    compact: bool,
    shape: Option<Arc<dyn Shape>>,
}

impl ResponsesAsk {
    /// A request on one of the Responses routes.
    pub fn client(original_url: &str) -> Self {
        Self {
            path: below_mount(original_url).to_owned(),
            compact: original_url.contains(COMPACT),
            shape: None,
        }
    }

    /// A request that a client of another dialect stands behind; its body is a Responses request already,
    /// but for the instructions.
    pub fn unified(original_url: &str, shape: Arc<dyn Shape>) -> Self {
        let compact = original_url.contains(COMPACT);
        Self { path: REWRITTEN.to_owned(), compact, shape: Some(shape) }
    }

    /// What the conversation is kept under, as far as the request is readable before its key's rules are
    /// known.
    pub fn session_hash(incoming: &Incoming) -> Option<String> {
        let named = session::of_request(&incoming.headers, incoming.body.root()).ok().flatten();
        named.as_deref().map(session::hash)
    }

    /// Path below the mount, in the client's spelling.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether a conversation is to be compacted. The legacy service looks at the whole URL.
    pub(in crate::relay) fn is_compact(&self) -> bool {
        self.compact
    }

    pub(super) fn is_unified(&self) -> bool {
        self.shape.is_some()
    }

    /// Whether the key's switches and rules count: on the two plain routes in their usual spelling alone.
    pub(super) fn heeds_switches(&self) -> bool {
        let plain = matches!(self.path.as_str(), "/responses" | "/v1/responses");
        plain && !self.compact && !self.is_unified()
    }

    /// What the client sees answers through.
    pub(in crate::relay) fn shape(&self) -> Option<&Arc<dyn Shape>> {
        self.shape.as_ref()
    }
}

/// A path as the router below the mount sees it: without query, mount, and a doubled slash after it.
fn below_mount(original_url: &str) -> &str {
    let path = original_url.split(['?', '#']).next().unwrap_or_default();
    let below = path.get(MOUNT.len()..).unwrap_or_default();
    if below.starts_with("//") { below.get(1..).unwrap_or_default() } else { below }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/openai/responses", "/responses", true, false)]
    #[case("/OpenAI//v1/responses?x=1", "/v1/responses", true, false)]
    #[case("/openai/v1/responses/", "/v1/responses/", false, false)]
    #[case("/openai/Responses", "/Responses", false, false)]
    #[case("/openai/v1/responses/compact", "/v1/responses/compact", false, true)]
    #[case("/openai/responses?to=/responses/compact", "/responses", false, true)]
    fn routes(
        #[case] url: &str,
        #[case] path: &str,
        #[case] heeds_switches: bool,
        #[case] compact: bool,
    ) {
        let ask = ResponsesAsk::client(url);
        assert_eq!(ask.path(), path);
        assert_eq!((ask.heeds_switches(), ask.is_compact()), (heeds_switches, compact));
    }
}
