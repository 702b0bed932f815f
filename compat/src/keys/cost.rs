//! Keys: costs and ranks.

use super::keys;

keys! {
    /// Rated USD of a key on a local day; the daily limit reads it.
    fn cost_daily(key_id, date) = "usage:cost:daily:{key_id}:{date}";
    /// Rated USD of a key in a local month.
    fn cost_monthly(key_id, month) = "usage:cost:monthly:{key_id}:{month}";
    /// Rated USD of a key in a local hour.
    fn cost_hourly(key_id, date, hour) = "usage:cost:hourly:{key_id}:{date}:{hour}";
    /// Rated USD of a key since ever; the total limit reads it.
    fn cost_total(key_id) = "usage:cost:total:{key_id}";
    /// USD of a key since ever, before rates.
    fn real_cost_total(key_id) = "usage:cost:real:total:{key_id}";
    /// USD of a key on a local day, before rates.
    fn real_cost_daily(key_id, date) = "usage:cost:real:daily:{key_id}:{date}";
    /// Rated USD on Claude models in the week of the key; the weekly limit reads it.
    fn weekly_cost(key_id, period) = "usage:opus:weekly:{key_id}:{period}";
    /// Weekly cost by ISO week; no writer is left.
    fn old_weekly_cost(key_id, week) = "usage:opus:weekly:{key_id}:{week}";
    /// Rated USD on Claude models since ever.
    fn claude_cost_total(key_id) = "usage:opus:total:{key_id}";
    /// USD on Claude models in the week of the key, before rates.
    fn real_weekly_cost(key_id, period) = "usage:opus:real:weekly:{key_id}:{period}";
    /// USD on Claude models since ever, before rates.
    fn real_claude_cost_total(key_id) = "usage:opus:real:total:{key_id}";
    /// Keys by rated cost; range is today, 7days, 30days or all.
    fn cost_rank(range) = "cost_rank:{range}";
    /// A rank being built, then renamed; one that stays was abandoned.
    fn cost_rank_build(range, epoch_ms) = "cost_rank:{range}:temp:{epoch_ms}";
    /// When a rank was built, of how many keys, in what time.
    fn cost_rank_state(range) = "cost_rank_meta:{range}";
    /// Held while a rank is built.
    fn cost_rank_lock(range) = "cost_rank_lock:{range}";
}
