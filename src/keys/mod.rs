//! API keys: who may send what, how much and how many at a time.
//!
//! [`Keys::lookup`] finds and validates the key, [`Keys::check`] compares it with the request (pure),
//! [`Keys::admit_limits`] takes a slot and counts the request in one round trip. Every refusal is a
//! [`Rejection`] with the exact reply of the legacy service. Nothing here knows a platform or HTTP
//! framework.

mod browser;
mod client;
mod credential;
mod limits;
mod lookup;
pub mod manage;
mod message_queue;
mod model;
mod rejection;
mod restriction;
mod slot;
mod snapshot;
#[cfg(test)]
mod tests;
mod upkeep;
mod wait;

use std::sync::Arc;

use compat::{
    clock::{Clock, LocalCalendar},
    relay_config::RelayConfig,
    store::Store,
};
use jiff::tz::TimeZone;

use crate::domain::Secret;

pub use browser::rewrite_browser_request;
pub use client::{ClaudeCodeRules, ClientBody, ClientRequest, is_claude_code, is_token_count};
pub use credential::present;
pub use limits::{Admitted, Ask, Step, WindowInfo};
pub use message_queue::{MessageQueue, MessageTurn, TurnError, is_user_message};
pub use model::is_claude_family;
pub use rejection::{KeyFault, Refusal, Rejection, Spent};
pub use restriction::{RouteFamily, Service, check_model, check_permission, may_list_model};
pub use slot::{LeasePlan, Slot, SlotKeeper};
pub use snapshot::ApiKeySnapshot;
pub use wait::Gone;

/// What the operator configured about keys.
#[derive(Clone, Debug)]
pub struct KeySettings {
    /// `API_KEY_PREFIX`, default `cr_`.
    pub prefix: String,
    /// `ENCRYPTION_KEY`; part of every key's lookup hash.
    pub encryption_key: Secret,
    /// The service's local calendar (`TIMEZONE_OFFSET`).
    pub calendar: LocalCalendar,
    /// The process's own time zone (`TZ`): the daily limit names its next midnight.
    pub process_zone: TimeZone,
    /// `CONCURRENCY_MAX_LIFETIME_MINUTES`, default 10: renewals of a slot stop after this long.
    pub slot_lifetime_minutes: i64,
}

/// Answers for API keys. Cheap to share.
pub struct Keys {
    store: Arc<dyn Store>,
    clock: Clock,
    settings: KeySettings,
    rules: ClaudeCodeRules,
    cache: lookup::Cache,
    keeper: Arc<SlotKeeper>,
}

impl Keys {
    /// Builds the service. `keeper` must be running ([`SlotKeeper::run`]) for slots to be given back.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Clock,
        settings: KeySettings,
        rules: ClaudeCodeRules,
        keeper: Arc<SlotKeeper>,
    ) -> Self {
        Self { store, clock, settings, rules, cache: lookup::Cache::default(), keeper }
    }

    /// Compares the key with the client that uses it: listed clients, then Claude Code only.
    ///
    /// # Errors
    /// The refusal to send.
    pub fn check(
        &self,
        key: &ApiKeySnapshot,
        request: &ClientRequest<'_>,
        config: &RelayConfig,
    ) -> Result<(), Rejection> {
        client::check(&self.rules, key, request, config).map_err(Rejection::from)
    }

    /// The keeper of this service's slots.
    pub fn keeper(&self) -> &Arc<SlotKeeper> {
        &self.keeper
    }
}
