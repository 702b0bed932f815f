//! Keys: rate windows, concurrency, queues and locks.

use super::keys;

keys! {
    /// Start of the rate window of a key in epoch milliseconds; lives one window.
    fn rate_window_start(key_id) = "rate_limit:window_start:{key_id}";
    /// Requests in the rate window.
    fn rate_window_requests(key_id) = "rate_limit:requests:{key_id}";
    /// Tokens in the rate window; a late reply makes it anew without expiry.
    fn rate_window_tokens(key_id) = "rate_limit:tokens:{key_id}";
    /// Rated USD in the rate window; a late reply makes it anew without expiry.
    fn rate_window_cost(key_id) = "rate_limit:cost:{key_id}";
    /// Older limit mark of an account; only ever deleted.
    fn old_rate_limit(account_id) = "ratelimit:{account_id}";
    /// Running requests of a key, scored by lease end in epoch milliseconds.
    fn key_leases(key_id) = "concurrency:{key_id}";
    /// Running requests of a console account, scored by lease end.
    fn console_account_leases(account_id) = "concurrency:console_account:{account_id}";
    /// Requests of a key that wait for a slot.
    fn queue_length(key_id) = "concurrency:queue:{key_id}";
    /// What became of waiting requests.
    fn queue_counters(key_id) = "concurrency:queue:stats:{key_id}";
    /// Last 500 waits of a key in milliseconds.
    fn queue_waits(key_id) = "concurrency:queue:wait_times:{key_id}";
    /// Last 2000 waits of all keys in milliseconds.
    const QUEUE_WAITS = "concurrency:queue:wait_times:global";
    /// Held while a token is refreshed; the value names the holder.
    fn token_refresh_lock(platform, account_id) = "token_refresh_lock:{platform}:{account_id}";
    /// Held while a stopped account is brought back.
    fn account_recovery_lock(account_id) = "lock:account:{account_id}:recovery";
    /// Held while the weekly costs are recomputed at start.
    fn weekly_cost_init_lock(date) = "lock:init:weekly_opus_cost:{date}";
    /// Held by the one user message an account handles; the value is its request id.
    fn user_message_lock(account_id) = "user_msg_queue_lock:{account_id}";
    /// When the lock was last released, server clock in epoch milliseconds.
    fn user_message_last(account_id) = "user_msg_queue_last:{account_id}";
}
