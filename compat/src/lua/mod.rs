//! Scripts that run inside Redis.
//!
//! The legacy service sends its own scripts by text, so ours need the same effect, not the same words
//! (contract/redis.md §k.17). Names appear in metrics and traces.

use crate::store::Script;

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $label:literal, $file:literal;)*) => {$(
        $(#[$doc])*
        pub static $name: Script = Script { name: $label, source: include_str!($file) };
    )*};
}

scripts! {
    /// Takes or extends a lease; returns the number of leases.
    CONCURRENCY_ACQUIRE = "concurrency.acquire", "concurrency_acquire.lua";
    /// Extends a lease that still exists; returns 1, or 0 when it is gone.
    CONCURRENCY_REFRESH = "concurrency.refresh", "concurrency_refresh.lua";
    /// Gives a lease back; returns the number of leases left.
    CONCURRENCY_RELEASE = "concurrency.release", "concurrency_release.lua";
    /// Drops expired leases and returns the number of live ones.
    CONCURRENCY_COUNT = "concurrency.count", "concurrency_count.lua";
    /// Drops expired leases, and what is no set of leases; returns how many.
    CONCURRENCY_PURGE = "concurrency.purge", "concurrency_purge.lua";
    /// Lease, request window and cost counters of one key in one go.
    ADMIT = "admit", "admit.lua";
    /// API key record by the hash of the key; reads only.
    API_KEY_LOOKUP = "apikey.lookup", "apikey_lookup.lua";
    /// Notes an API key's first use; returns 1, or 0 when there is nothing to note any more.
    API_KEY_ACTIVATE = "apikey.activate", "apikey_activate.lua";
    /// Switches off a key past its end of life; returns 1, or 0 when it changed meanwhile.
    API_KEY_EXPIRE = "apikey.expire", "apikey_expire.lua";
    /// Counts a waiting request; returns how many wait.
    QUEUE_ENTER = "queue.enter", "queue_enter.lua";
    /// Takes a waiting request off the count; returns how many are left.
    QUEUE_LEAVE = "queue.leave", "queue_leave.lua";
    /// Deletes a lock if its value is ours.
    COMPARE_AND_DELETE = "lock.release", "compare_and_delete.lua";
    /// Renews a lock's life if its value is ours; returns 1, or 0.
    COMPARE_AND_EXPIRE = "lock.renew", "compare_and_expire.lua";
    /// Gives a key an expiry if it has none; returns 1 if so.
    EXPIRE_LASTING = "expire.lasting", "expire_lasting.lua";
    /// Deletes a key that has no expiry; returns 1 if so.
    DELETE_LASTING = "delete.lasting", "delete_lasting.lua";
    /// Takes the user-message lock of an account.
    USER_MESSAGE_ACQUIRE = "user_message.acquire", "user_message_acquire.lua";
    /// Replaces the rollout record if its version is the expected one, and notes it in the history.
    ROLLOUT_REPLACE = "rollout.replace", "rollout_replace.lua";
    /// Notes a sign of life of an administrator's login that still exists; returns 1, or 0.
    SESSION_TOUCH = "session.touch", "session_touch.lua";
    /// Gives the user-message lock back and notes when.
    USER_MESSAGE_RELEASE = "user_message.release", "user_message_release.lua";
}
