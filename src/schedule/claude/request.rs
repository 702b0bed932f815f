//! The question, and why there may be no answer.

use compat::{account_state::Family, store::StoreError};
use thiserror::Error;

use crate::{
    domain::AccountId,
    error::{Retry, Source},
};

/// The model named by the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model<'a> {
    /// None: missing, empty, null, false or 0.
    Unspecified,
    /// A name.
    Name(&'a str),
    /// Something that is no text, with its JavaScript text form for messages.
    NotText(&'a str),
}

/// An account that the client's session is bound to (global session binding).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForcedAccount<'a> {
    /// Account id.
    pub account_id: &'a str,
    /// Legacy account type; only `claude-official` binds.
    pub account_type: &'a str,
}

/// Accounts named by the API key; empty texts bind nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyBindings<'a> {
    /// `claudeAccountId`: an official account, or `group:{id}`.
    pub claude: &'a str,
    /// `claudeConsoleAccountId`.
    pub console: &'a str,
    /// `bedrockAccountId`.
    pub bedrock: &'a str,
}

/// What selection needs to know of a request.
#[derive(Clone, Copy, Debug)]
pub struct SelectRequest<'a> {
    /// Accounts named by the key.
    pub bindings: KeyBindings<'a>,
    /// Hash of the conversation, when it has one.
    pub session_hash: Option<&'a str>,
    /// Requested model, with its vendor prefix.
    pub model: Model<'a>,
    /// Account that the session is bound to.
    pub forced: Option<ForcedAccount<'a>>,
}

/// Why a dedicated account cannot serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// Missing, switched off, or in status `error`.
    InactiveOrError,
    /// Cooling down.
    TemporarilyUnavailable,
    /// Taken out of scheduling.
    NotSchedulable,
}

impl Unavailable {
    /// Name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InactiveOrError => "inactive_or_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::NotSchedulable => "not_schedulable",
        }
    }
}

/// Why no account was chosen. `Display` gives the legacy service's message.
#[derive(Clone, Debug, Error)]
pub enum SelectError {
    /// The account that the session is bound to cannot serve (`SESSION_BINDING_ACCOUNT_UNAVAILABLE`).
    #[error("Session binding account unavailable")]
    SessionBinding {
        /// That account.
        account_id: AccountId,
    },
    /// The key's own account is limited (`CLAUDE_DEDICATED_RATE_LIMITED`).
    #[error("{}", dedicated_limited(*.family))]
    DedicatedLimited {
        /// That account.
        account_id: AccountId,
        /// When the limit ends, as stored (ISO).
        ends_at: Option<String>,
        /// The limited family; `None` when the whole account is.
        family: Option<Family>,
    },
    /// The key's own account cannot serve (`CLAUDE_DEDICATED_UNAVAILABLE`).
    #[error("Dedicated Claude account is unavailable ({})", reason.as_str())]
    DedicatedUnavailable {
        /// That account.
        account_id: AccountId,
        /// Why.
        reason: Unavailable,
    },
    /// Every console account that could serve has no free slot (`CONSOLE_ACCOUNT_CONCURRENCY_FULL`).
    #[error("All available Claude Console accounts have reached their concurrency limit")]
    ConsoleFull,
    /// No shared account serves this model.
    #[error("No available Claude accounts support the requested model: {0}")]
    NoneForModel(String),
    /// No shared account at all.
    #[error("No available Claude accounts (neither official nor console)")]
    None,
    /// No CCR account.
    #[error("No available CCR accounts support the requested model: {0}")]
    NoCcr(String),
    /// The key's group is gone.
    #[error("Group {0} not found")]
    GroupNotFound(String),
    /// The key's group is empty.
    #[error("Group {0} has no members")]
    GroupEmpty(String),
    /// No member of the key's group can serve.
    #[error("No available accounts in group {0}")]
    GroupUnavailable(String),
    /// The model is no text; the message is the one JavaScript gives.
    #[error("{0}")]
    ModelType(&'static str),
    /// Accounts could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SelectError {
    /// Where the fault lies.
    pub fn source_of_fault(&self) -> Source {
        match self {
            Self::ModelType(_) => Source::Client,
            Self::DedicatedLimited { .. } => Source::Upstream,
            _ => Source::Internal,
        }
    }

    /// Only a full console pool is worth another selection, after the sticky mapping was dropped.
    pub fn retry(&self) -> Retry {
        match self {
            Self::ConsoleFull => Retry::OtherAccount,
            _ => Retry::No,
        }
    }

    /// Fixed label for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::SessionBinding { .. } => "session_binding",
            Self::DedicatedLimited { .. } => "dedicated_limited",
            Self::DedicatedUnavailable { .. } => "dedicated_unavailable",
            Self::ConsoleFull => "console_full",
            Self::NoneForModel(_) | Self::None | Self::NoCcr(_) => "no_account",
            Self::GroupNotFound(_) | Self::GroupEmpty(_) | Self::GroupUnavailable(_) => "group",
            Self::ModelType(_) => "model_type",
            Self::Store(_) => "redis",
        }
    }
}

fn dedicated_limited(family: Option<Family>) -> String {
    match family {
        None => "Dedicated Claude account is rate limited".to_owned(),
        Some(family) => {
            format!("Dedicated Claude account reached its {} model limit", family.as_str())
        }
    }
}
