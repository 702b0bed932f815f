//! Why no account was chosen.

use std::sync::Arc;

use compat::{pool::Entry, store::StoreError};
use thiserror::Error;

use crate::error::Source;

/// Why no account was chosen. `Display` gives the legacy service's message.
#[derive(Clone, Debug, Error)]
pub enum Refusal {
    /// The key's own account cannot serve.
    #[error("Dedicated account {name} {}", why.text())]
    Dedicated {
        /// Its display name; the binding itself when there is no such account.
        name: String,
        /// Why.
        why: Dedicated,
    },
    /// The key's own account serves other models.
    #[error("Dedicated account {name} does not support model {model}")]
    DedicatedModel {
        /// Its display name.
        name: String,
        /// The model.
        model: String,
    },
    /// No shared account serves this model.
    #[error("No available OpenAI accounts support the requested model: {0}")]
    NoneForModel(String),
    /// No shared account at all.
    #[error("No available OpenAI accounts")]
    None,
    /// The key's group is gone.
    #[error("Group {0} not found")]
    GroupNotFound(String),
    /// The key's group is one of another platform.
    #[error("Group {0} is not an OpenAI group")]
    GroupPlatform(String),
    /// The key's group is empty.
    #[error("Group {0} has no members")]
    GroupEmpty(String),
    /// No member of the key's group can serve.
    #[error("No available accounts in group {0}")]
    GroupUnavailable(String),
    /// These accounts want their tokens refreshed before the choice is made; ask again with the outcome.
    #[error("tokens have to be refreshed first")]
    Refresh(Vec<Arc<Entry>>),
    /// Accounts could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a dedicated account cannot serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dedicated {
    /// No record.
    Missing,
    /// Switched off.
    Inactive,
    /// The vendor has refused its token.
    Unauthorized,
    /// In status `error`.
    Error,
    /// Limited by the vendor.
    Limited,
    /// Taken out of scheduling.
    Unschedulable,
    /// Its plan has ended.
    Expired,
}

impl Dedicated {
    fn text(self) -> &'static str {
        match self {
            Self::Missing => "not found",
            Self::Inactive => "is not active",
            Self::Unauthorized => "is unauthorized",
            Self::Error => "is not available (error status)",
            Self::Limited => "is currently rate limited",
            Self::Unschedulable => "is not schedulable",
            Self::Expired => "subscription has expired",
        }
    }
}

impl Refusal {
    /// Status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Dedicated { why: Dedicated::Missing, .. } | Self::GroupNotFound(_) => 404,
            Self::Dedicated { why: Dedicated::Limited, .. } => 429,
            Self::Dedicated { .. } => 403,
            Self::DedicatedModel { .. } | Self::NoneForModel(_) | Self::GroupPlatform(_) => 400,
            Self::None | Self::GroupEmpty(_) | Self::GroupUnavailable(_) => 402,
            Self::Refresh(_) | Self::Store(_) => 500,
        }
    }

    /// Where the fault lies.
    pub fn source_of_fault(&self) -> Source {
        match self {
            Self::Dedicated { why: Dedicated::Limited | Dedicated::Unauthorized, .. } => {
                Source::Upstream
            }
            _ => Source::Internal,
        }
    }

    /// Fixed label for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Dedicated { .. } | Self::DedicatedModel { .. } => "dedicated",
            Self::NoneForModel(_) | Self::None => "no_account",
            Self::GroupNotFound(_)
            | Self::GroupPlatform(_)
            | Self::GroupEmpty(_)
            | Self::GroupUnavailable(_) => "group",
            Self::Refresh(_) => "refresh",
            Self::Store(_) => "redis",
        }
    }
}
