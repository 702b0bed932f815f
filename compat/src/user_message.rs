//! The lock that serialises user messages per account (contract/redis.md §g). Its clock is the
//! server's.

use crate::{
    lua,
    store::{Cmd, Reply, StoreError},
};

/// What an attempt to take the lock gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is ours.
    Taken,
    /// The last message is too recent: try again after this many milliseconds.
    Pause(i64),
    /// Another request holds it.
    Held,
}

/// Tries to take the lock of an account for `ttl_ms`, not before `pause_ms` after the last release.
pub fn acquire(account_id: &str, request_id: &str, ttl_ms: i64, pause_ms: i64) -> Cmd {
    Cmd::script(&lua::USER_MESSAGE_ACQUIRE, keys(account_id))
        .arg(request_id)
        .arg(ttl_ms)
        .arg(pause_ms)
}

/// Reads the reply to [`acquire`].
///
/// # Errors
/// When Redis refused the script.
pub fn turn(reply: Reply) -> Result<Turn, StoreError> {
    let Reply::Array(parts) = reply else {
        return Err(StoreError::Shape(format!("{reply:?} to the user-message lock")));
    };
    let mut numbers = parts.into_iter().map(Reply::int);
    let mut next = || numbers.next().unwrap_or(Ok(0));
    Ok(match (next()?, next()?) {
        (1, _) => Turn::Taken,
        (_, wait) if wait > 0 => Turn::Pause(wait),
        _ => Turn::Held,
    })
}

/// Gives the lock back if it is ours, and notes the time.
pub fn release(account_id: &str, request_id: &str) -> Cmd {
    Cmd::script(&lua::USER_MESSAGE_RELEASE, keys(account_id)).arg(request_id)
}

fn keys(account_id: &str) -> [String; 2] {
    [format!("user_msg_queue_lock:{account_id}"), format!("user_msg_queue_last:{account_id}")]
}
