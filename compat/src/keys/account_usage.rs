//! Keys: token usage of accounts.

use super::keys;

keys! {
    /// Totals of an account.
    fn account_usage(account_id) = "account_usage:{account_id}";
    /// An account on a local day.
    fn account_usage_daily(account_id, date) = "account_usage:daily:{account_id}:{date}";
    /// An account in a local month.
    fn account_usage_monthly(account_id, month) = "account_usage:monthly:{account_id}:{month}";
    /// An account in a local hour, also by model.
    fn account_usage_hourly(account_id, date, hour) = "account_usage:hourly:{account_id}:{date}:{hour}";
    /// An account and model on a local day.
    fn account_usage_model_daily(account_id, model, date) = "account_usage:model:daily:{account_id}:{model}:{date}";
    /// An account and model in a local month.
    fn account_usage_model_monthly(account_id, model, month) = "account_usage:model:monthly:{account_id}:{model}:{month}";
    /// An account and model in a local hour.
    fn account_usage_model_hourly(account_id, model, date, hour) = "account_usage:model:hourly:{account_id}:{model}:{date}:{hour}";
    /// Account ids used in a local hour.
    fn account_usage_hourly_index(date, hour) = "account_usage:hourly:index:{date}:{hour}";
    /// 1 while the index is taken to be empty; hides data until removed.
    fn account_usage_hourly_index_empty(date, hour) = "account_usage:hourly:index:{date}:{hour}:empty";
    /// Account id, colon, model used in a local hour.
    fn account_usage_model_hourly_index(date, hour) = "account_usage:model:hourly:index:{date}:{hour}";
    /// 1 while the index is taken to be empty; hides data until removed.
    fn account_usage_model_hourly_index_empty(date, hour) = "account_usage:model:hourly:index:{date}:{hour}:empty";
    /// Account ids used on a local day.
    fn account_usage_daily_index(date) = "account_usage:daily:index:{date}";
    /// 1 while the index is taken to be empty; hides data until removed.
    fn account_usage_daily_index_empty(date) = "account_usage:daily:index:{date}:empty";
    /// Account id, colon, model used on a local day.
    fn account_usage_model_daily_index(date) = "account_usage:model:daily:index:{date}";
    /// 1 while the index is taken to be empty; hides data until removed.
    fn account_usage_model_daily_index_empty(date) = "account_usage:model:daily:index:{date}:empty";
}
