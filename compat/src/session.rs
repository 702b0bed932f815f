//! Logins of the administrator, `session:{token}` (contract/redis.md §i, contract/admin-api.md §2).
//!
//! Commands only; what makes a login valid is decided by the caller. Tokens are secrets.

use crate::{
    keys, lua,
    store::{Cmd, Reply, StoreError},
};

/// Life of a login in seconds, renewed by each use.
const LIFE_S: i64 = 86_400;

/// Fields of a login. All keys of the form `session:*` hold hashes, also those that are no logins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Who logged in.
    pub username: Option<String>,
    /// When, ISO 8601.
    pub login_time: Option<String>,
    /// Last use, ISO 8601.
    pub last_activity: Option<String>,
    /// Whether there is such a key at all.
    pub exists: bool,
}

/// Reads a login; read the reply with [`session`].
pub fn read(token: &str) -> Cmd {
    Cmd::new("HGETALL").arg(keys::admin_session(token))
}

/// Reads the reply to [`read`].
///
/// # Errors
/// When the key is no hash or Redis refused.
pub fn session(reply: Reply) -> Result<Session, StoreError> {
    let mut fields = reply.map()?;
    let exists = !fields.is_empty();
    let mut take = |name: &str| fields.remove(name).filter(|text| !text.is_empty());
    Ok(Session {
        username: take("username"),
        login_time: take("loginTime"),
        last_activity: take("lastActivity"),
        exists,
    })
}

/// Notes a use and renews the life of a login that still exists. The legacy service writes all fields
/// back here and so brings back a login that ended meanwhile; this does not.
pub fn touch(token: &str, now_iso: &str) -> Cmd {
    Cmd::script(&lua::SESSION_TOUCH, [keys::admin_session(token)]).arg(now_iso).arg(LIFE_S)
}

/// Ends a login.
pub fn end(token: &str) -> Cmd {
    Cmd::new("DEL").arg(keys::admin_session(token))
}
