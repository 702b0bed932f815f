//! Who administers: logins that Node made are valid here and the other way round
//! (contract/admin-api.md §2). Nothing here knows HTTP; refusals carry what Node answers.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use compat::{
    clock::{Clock, iso},
    date::date_ms,
    session,
    store::{Store, StoreError},
};
use thiserror::Error;

use crate::domain::HeaderList;

/// A login ends this long after its last use, whatever its expiry in Redis.
const IDLE_MAX_MS: i64 = 24 * 60 * 60 * 1000;
/// Lengths of a token, in UTF-16 units.
const LENGTH: std::ops::RangeInclusive<usize> = 32..=512;

/// An administrator who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Name.
    pub username: String,
    /// Login time, ISO 8601.
    pub login_time: String,
}

/// Why somebody is not taken for an administrator.
#[derive(Clone, Debug, Error)]
pub enum AdminRefusal {
    /// No token.
    #[error("Please provide an admin token")]
    Missing,
    /// A token of a length that none has.
    #[error("Admin token format is invalid")]
    Format,
    /// No such login.
    #[error("Invalid or expired admin session")]
    Unknown,
    /// The key holds no login: a name or a login time is missing.
    #[error("Session data corrupted or incomplete")]
    Incomplete,
    /// Not used for a day.
    #[error("Admin session has expired due to inactivity")]
    Idle,
    /// Redis cannot be asked.
    #[error("Internal server error during admin authentication")]
    Unavailable(#[source] StoreError),
}

impl AdminRefusal {
    /// HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Unavailable(_) => 500,
            _ => 401,
        }
    }

    /// `error` of the answer; `message` is the display.
    pub fn error(&self) -> &'static str {
        match self {
            Self::Missing => "Missing admin token",
            Self::Format => "Invalid admin token format",
            Self::Unknown => "Invalid admin token",
            Self::Incomplete => "Invalid session",
            Self::Idle => "Session expired",
            Self::Unavailable(_) => "Authentication error",
        }
    }
}

/// Logins of administrators.
pub struct Admins {
    store: Arc<dyn Store>,
    clock: Clock,
}

impl Admins {
    /// Logins in Redis.
    pub fn new(store: Arc<dyn Store>, clock: Clock) -> Self {
        Self { store, clock }
    }

    /// The administrator that a request shows itself to be from; notes the use.
    ///
    /// The token is 32 random bytes and only ever a key in Redis, so no comparison here could tell
    /// anything by its time.
    ///
    /// # Errors
    /// The refusal.
    pub async fn authenticate(&self, headers: &HeaderList) -> Result<Admin, AdminRefusal> {
        let token = token(headers).ok_or(AdminRefusal::Missing)?;
        if !LENGTH.contains(&token.encode_utf16().count()) {
            return Err(AdminRefusal::Format);
        }
        let reply = self.store.run(session::read(token).into()).await;
        let reply = reply.map_err(AdminRefusal::Unavailable)?.pop();
        let found = reply.map_or_else(|| Ok(session::Session::default()), session::session);
        let found = found.map_err(AdminRefusal::Unavailable)?;
        if !found.exists {
            return Err(AdminRefusal::Unknown);
        }
        let (Some(username), Some(login_time)) = (found.username, found.login_time) else {
            self.end(token).await;
            return Err(AdminRefusal::Incomplete);
        };
        let now = self.clock.now_ms();
        let last = date_ms(found.last_activity.as_deref().unwrap_or(&login_time));
        if last.is_some_and(|last| now - last > IDLE_MAX_MS) {
            self.end(token).await;
            return Err(AdminRefusal::Idle);
        }
        if let Err(error) = self.store.run(session::touch(token, &iso(now)).into()).await {
            tracing::debug!(%error, "the use of an admin login was not noted");
        }
        Ok(Admin { username, login_time })
    }

    /// Removes what is no login, as Node does.
    async fn end(&self, token: &str) {
        if let Err(error) = self.store.run(session::end(token).into()).await {
            tracing::debug!(%error, "an invalid admin login was not removed");
        }
    }
}

/// The token: `Authorization`, with or without `Bearer`, else `X-Admin-Token`. Node looks for a cookie as
/// well, but reads none, so a cookie is no login here either.
fn token(headers: &HeaderList) -> Option<&str> {
    let authorization = headers.get("authorization").map(without_bearer);
    authorization
        .filter(|token| !token.is_empty())
        .or_else(|| headers.get("x-admin-token").filter(|token| !token.is_empty()))
}

fn without_bearer(text: &str) -> &str {
    let rest = text.get(6..).filter(|_| text[..6].eq_ignore_ascii_case("bearer"));
    match rest.filter(|rest| rest.starts_with(js::is_space)) {
        Some(rest) => js::trim_start(rest),
        None => text,
    }
}
