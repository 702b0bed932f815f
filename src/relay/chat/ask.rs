//! What a chat request asks for, found out before anything is known about its key.

use std::sync::Arc;

use serde_json::json;

use super::super::{Family, Reply, RequestBody};
use crate::{
    domain::HeaderList,
    keys::Service,
    wire::{
        anthropic::session_hash,
        convert::{
            ConvertError, chat_to_anthropic, chat_to_responses, dropped, prompt_to_chat,
            responses_to_chat::Naming,
        },
        json::{Tree, Value},
        openai::session,
    },
};

/// Model of requests on the unified routes that name none.
const DEFAULT_MODEL: &str = "claude-3-5-sonnet-20241022";

/// The routes on which chat requests arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatRoute {
    /// `/api` and `/openai`: the model decides on the platform. Else `/openai/claude`.
    pub unified: bool,
    /// `/v1/completions` in place of `/v1/chat/completions`.
    pub prompt: bool,
}

/// A chat request, read and converted.
#[derive(Debug)]
pub struct ChatAsk {
    /// The chat request: the client's own body, or what the route makes of it.
    pub(super) body: Arc<RequestBody>,
    pub(super) route: ChatRoute,
    pub(super) outcome: Outcome,
}

/// A request of the Responses API that was a chat request.
#[derive(Debug)]
pub(super) struct ForResponses {
    pub(super) body: Arc<RequestBody>,
    /// What its answer has to be named.
    pub(super) naming: Naming,
}

/// What becomes of a request, if its key allows it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Nothing.
    Refused(Refusal),
    /// It is for accounts of another platform.
    Other(Service),
    /// A Messages request.
    Claude(Result<Arc<RequestBody>, ConvertError>),
    /// A Responses request.
    OpenAi(Result<ForResponses, ConvertError>),
}

/// Why a request is refused whatever its key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NoMessages,
    NoPrompt,
    /// The model is no text.
    Model(ChatRoute),
}

impl Refusal {
    pub(super) fn reply(self) -> Reply {
        let (status, message, kind, code) = match self {
            Self::NoMessages => (
                400,
                "Messages array is required and cannot be empty",
                "invalid_request_error",
                "invalid_request",
            ),
            Self::NoPrompt => {
                (400, "Prompt is required", "invalid_request_error", "invalid_request")
            }
            Self::Model(route) => (500, route.fault(), "server_error", "internal_error"),
        };
        let error = json!({ "message": message, "type": kind, "code": code });
        Reply::json(status, &json!({ "error": error }))
    }
}

impl ChatRoute {
    /// What clients are told when their request cannot be worked with.
    pub(super) fn fault(self) -> &'static str {
        match self.prompt {
            true => "Failed to process completion request",
            false => "Internal server error",
        }
    }
}

impl ChatAsk {
    /// Reads a request that arrived on this route.
    pub fn read(body: &Arc<RequestBody>, route: ChatRoute) -> Self {
        let default = route.unified.then_some(DEFAULT_MODEL);
        let refused =
            |refusal| Self { body: Arc::clone(body), route, outcome: Outcome::Refused(refusal) };
        let root = body.root();
        let chat = match (route.prompt, default) {
            (true, default) => match prompt_to_chat::request(root, default) {
                Some(chat) => rebuilt(chat),
                None => return refused(Refusal::NoPrompt),
            },
            (false, Some(_)) if !has_messages(root) => return refused(Refusal::NoMessages),
            (false, Some(default)) if root.get_truthy("model").is_none() => {
                let mut chat = Tree::Raw(root);
                chat.set("model", Tree::string(default));
                rebuilt(chat.to_json())
            }
            (false, _) => Some(Arc::clone(body)),
        };
        let Some(chat) = chat else { return refused(Refusal::NoMessages) };
        let outcome = match platform(chat.root(), route) {
            Err(refusal) => Outcome::Refused(refusal),
            Ok(Service::Claude) => Outcome::Claude(converted(chat.root())),
            Ok(Service::OpenAi) => Outcome::OpenAi(for_responses(chat.root())),
            Ok(service) => Outcome::Other(service),
        };
        Self { body: chat, route, outcome }
    }

    /// Whose accounts may serve it.
    pub fn family(&self) -> Family {
        match self.outcome {
            Outcome::OpenAi(_) => Family::OpenAi,
            _ => Family::Claude,
        }
    }

    /// Names the conversation, as far as the request gives one.
    pub fn session_hash(&self, headers: &HeaderList) -> Option<String> {
        match &self.outcome {
            Outcome::Claude(Ok(converted)) => session_hash(converted.root()),
            Outcome::OpenAi(Ok(converted)) => {
                let named = session::of_request(headers, converted.body.root()).ok().flatten();
                named.as_deref().map(session::hash)
            }
            _ => None,
        }
    }

    /// Whether accounts of another platform serve it, which are not served here yet.
    pub fn is_elsewhere(&self) -> bool {
        matches!(self.outcome, Outcome::Other(_))
    }
}

/// What of the request has no counterpart, for the trail.
pub(super) fn said(table: &'static [dropped::Dropped], chat: &RequestBody) -> String {
    let names = dropped::named(table, chat.root());
    match names.is_empty() {
        true => "chat request converted".to_owned(),
        false => format!("chat request converted, without {}", names.join(", ")),
    }
}

fn has_messages(root: Value<'_>) -> bool {
    root.get("messages").is_some_and(|messages| messages.elements().next().is_some())
}

/// Whose models these are, by the name's first letters.
fn platform(chat: Value<'_>, route: ChatRoute) -> Result<Service, Refusal> {
    if !route.unified {
        return Ok(Service::Claude);
    }
    Ok(service_of(&chat.get_str("model").ok_or(Refusal::Model(route))?))
}

fn service_of(model: &str) -> Service {
    match model.to_lowercase() {
        model if model.starts_with("gemini-") => Service::Gemini,
        model if model.starts_with("gpt-") => Service::OpenAi,
        _ => Service::Claude,
    }
}

/// Platform of a chat request that names this model, on the routes where the model decides.
pub fn platform_of(model: Option<&str>) -> &'static str {
    match service_of(model.unwrap_or(DEFAULT_MODEL)) {
        Service::OpenAi => "openai",
        Service::Gemini => "gemini",
        _ => "claude",
    }
}

fn converted(chat: Value<'_>) -> Result<Arc<RequestBody>, ConvertError> {
    rebuilt(chat_to_anthropic::request(chat)?.into()).ok_or(ConvertError::Shape("too deep"))
}

fn for_responses(chat: Value<'_>) -> Result<ForResponses, ConvertError> {
    let model = chat.get_str("model").unwrap_or_default();
    let converted = chat_to_responses::request(chat)?;
    let body = rebuilt(converted.body.into()).ok_or(ConvertError::Shape("too deep"))?;
    Ok(ForResponses { body, naming: Naming::new(converted.names, &model) })
}

/// JSON that was put together here, as a body.
fn rebuilt(json: Vec<u8>) -> Option<Arc<RequestBody>> {
    RequestBody::parse(json.into()).ok().map(Arc::new)
}
