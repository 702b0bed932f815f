//! Services and models that a key may use, and how each route family says no
//! (contract/auth-limits-usage.md §1.7).

use super::{ApiKeySnapshot, Refusal, Rejection, model};

/// A service as permissions name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Claude.
    Claude,
    /// Gemini, also Antigravity.
    Gemini,
    /// OpenAI.
    OpenAi,
    /// Droid.
    Droid,
}

/// Routes that share their refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteFamily {
    /// `/v1/messages` under `/api`, `/claude` and the forced vendors.
    Messages,
    /// `/v1/messages/count_tokens` there.
    CountTokens,
    /// Routes in the dialect of OpenAI: unified, `/openai`, `/openai/claude`.
    OpenAi,
    /// `/openai/gemini`.
    OpenAiGemini,
    /// `/gemini`.
    Gemini,
    /// `/droid`.
    Droid,
    /// `/azure`, which checks nothing.
    Azure,
}

impl Service {
    /// The word in a key's permissions.
    pub fn word(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Gemini => "gemini",
            Self::OpenAi => "openai",
            Self::Droid => "droid",
        }
    }

    /// The name in messages.
    pub fn title(self) -> &'static str {
        match self {
            Self::Claude => "Claude",
            Self::Gemini => "Gemini",
            Self::OpenAi => "OpenAI",
            Self::Droid => "Droid",
        }
    }
}

/// Whether the key may use the service on this route.
///
/// # Errors
/// The refusal to send.
pub fn check_permission(
    key: &ApiKeySnapshot,
    family: RouteFamily,
    service: Service,
) -> Result<(), Rejection> {
    if family == RouteFamily::Azure || key.record.permissions.allows(service.word()) {
        Ok(())
    } else {
        Err(Refusal::Permission { family, service }.into())
    }
}

/// Whether the key may use the model on this route. A list of models forbids them, except under
/// `/openai/gemini`, where it allows them (legacy quirk).
///
/// # Errors
/// The refusal to send.
pub fn check_model(
    key: &ApiKeySnapshot,
    family: RouteFamily,
    model: &str,
) -> Result<(), Rejection> {
    let listed = |model: &str| key.record.restricted_models.iter().any(|listed| listed == model);
    if !key.record.enable_model_restriction || key.record.restricted_models.is_empty() {
        return Ok(());
    }
    let refused = match family {
        RouteFamily::Messages | RouteFamily::OpenAi => listed(model::effective(model)),
        RouteFamily::OpenAiGemini => !listed(model),
        RouteFamily::CountTokens
        | RouteFamily::Gemini
        | RouteFamily::Droid
        | RouteFamily::Azure => false,
    };
    if refused { Err(Refusal::Model { family, model: model.to_owned() }.into()) } else { Ok(()) }
}

/// Whether a model shows in this route family's model list for the key.
pub fn may_list_model(key: &ApiKeySnapshot, family: RouteFamily, model: &str) -> bool {
    if !key.record.enable_model_restriction || key.record.restricted_models.is_empty() {
        return true;
    }
    let listed = key.record.restricted_models.iter().any(|listed| listed == model);
    if family == RouteFamily::OpenAiGemini { listed } else { !listed }
}
