//! Global session binding: a client session stays with its first official account
//! (contract/anthropic.md §2.3).

use std::sync::Arc;

use compat::{
    clock::{Clock, iso},
    pool::{AccountPool, Kind, Need},
    relay_config::RelayConfig,
    session_binding::{self, Binding},
    store::{Store, StoreError},
    write_behind::WriteBehind,
};

use super::ForcedAccount;

/// What is known of a session.
#[derive(Clone, Debug, PartialEq)]
pub enum BindingCheck {
    /// Bindings do not apply: switched off, no session id, or bound to another kind of account.
    Off,
    /// First request of the session; bind it once an official account is chosen.
    New,
    /// Bound; only this account may serve.
    Bound(Binding),
    /// Bound to an account that is gone or broken; refuse with this message.
    Invalid(String),
}

impl BindingCheck {
    /// For explanations.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::New => "first request of the session",
            Self::Bound(_) => "bound",
            Self::Invalid(_) => "bound to an account that is gone or broken",
        }
    }

    /// The account that selection must use.
    pub fn forced(&self) -> Option<ForcedAccount<'_>> {
        match self {
            Self::Bound(binding) => Some(ForcedAccount {
                account_id: binding.account_id(),
                account_type: binding.account_type(),
            }),
            _ => None,
        }
    }
}

/// Reads and writes session bindings.
pub struct SessionBindings {
    store: Arc<dyn Store>,
    pool: Arc<AccountPool>,
    writes: WriteBehind,
    clock: Clock,
}

impl SessionBindings {
    /// Bindings over these ports.
    pub fn new(
        store: Arc<dyn Store>,
        pool: Arc<AccountPool>,
        writes: WriteBehind,
        clock: Clock,
    ) -> Self {
        Self { store, pool, writes, clock }
    }

    /// Looks up a session; a valid binding is renewed. No Redis command without a session, which is how
    /// callers say that bindings are switched off.
    ///
    /// # Errors
    /// When Redis does not answer; the legacy service then goes on without binding.
    pub async fn check(
        &self,
        config: &RelayConfig,
        session_id: Option<&str>,
    ) -> Result<BindingCheck, StoreError> {
        let Some(session_id) = session_id.filter(|id| !id.is_empty()) else {
            return Ok(BindingCheck::Off);
        };
        let replies = self.store.run(session_binding::get(session_id).into()).await?;
        let reply = replies.into_iter().next().unwrap_or(compat::store::Reply::Nil);
        let Some(binding) = session_binding::binding(reply)? else { return Ok(BindingCheck::New) };
        if binding.account_type() != Kind::Official.as_str() {
            return Ok(BindingCheck::Off);
        }
        let id: Arc<str> = Arc::from(binding.account_id());
        let snapshot = self.pool.snapshot(&[Need::Account(Kind::Official, id.clone())]).await?;
        let valid = snapshot
            .get(Kind::Official, &id)
            .is_some_and(|entry| entry.get("isActive") != "false" && entry.status() != "error");
        if !valid {
            return Ok(BindingCheck::Invalid(config.session_binding_message.clone()));
        }
        let ttl_s = session_binding::ttl_s(config.session_binding_ttl_days);
        let now = iso(self.clock.now_ms());
        self.writes.send(vec![session_binding::touch(session_id, &binding, &now, ttl_s)]).await;
        Ok(BindingCheck::Bound(binding))
    }

    /// Binds a new session to the official account that was chosen for it.
    pub async fn bind(&self, config: &RelayConfig, session_id: &str, account_id: &str) {
        let now = iso(self.clock.now_ms());
        let binding = Binding::new(account_id, Kind::Official.as_str(), &now);
        let ttl_s = session_binding::ttl_s(config.session_binding_ttl_days);
        self.writes.send(vec![session_binding::set(session_id, &binding, ttl_s)]).await;
    }
}
