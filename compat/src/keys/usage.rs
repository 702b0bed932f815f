//! Keys: token usage of keys and models.

use super::keys;

keys! {
    /// Totals of a key.
    fn usage(key_id) = "usage:{key_id}";
    /// A key on a local day.
    fn usage_daily(key_id, date) = "usage:daily:{key_id}:{date}";
    /// A key in a local month.
    fn usage_monthly(key_id, month) = "usage:monthly:{key_id}:{month}";
    /// A key in a local hour.
    fn usage_hourly(key_id, date, hour) = "usage:hourly:{key_id}:{date}:{hour}";
    /// A model on a local day, all keys.
    fn usage_model_daily(model, date) = "usage:model:daily:{model}:{date}";
    /// A model in a local month, all keys.
    fn usage_model_monthly(model, month) = "usage:model:monthly:{model}:{month}";
    /// A model in a local hour, all keys.
    fn usage_model_hourly(model, date, hour) = "usage:model:hourly:{model}:{date}:{hour}";
    /// A key and model on a local day, with cost in micro-USD.
    fn usage_key_model_daily(key_id, model, date) = "usage:{key_id}:model:daily:{model}:{date}";
    /// A key and model in a local month, with cost in micro-USD.
    fn usage_key_model_monthly(key_id, model, month) = "usage:{key_id}:model:monthly:{model}:{month}";
    /// A key and model in a local hour, with cost in micro-USD.
    fn usage_key_model_hourly(key_id, model, date, hour) = "usage:{key_id}:model:hourly:{model}:{date}:{hour}";
    /// A key and model since ever, with cost in micro-USD.
    fn usage_key_model_total(key_id, model) = "usage:{key_id}:model:alltime:{model}";
    /// Key ids used on a local day.
    fn usage_daily_index(date) = "usage:daily:index:{date}";
    /// 1 while the index is taken to be empty; hides data until removed.
    fn usage_daily_index_empty(date) = "usage:daily:index:{date}:empty";
    /// Key ids used in a local hour.
    fn usage_hourly_index(date, hour) = "usage:hourly:index:{date}:{hour}";
    /// 1 while the index is taken to be empty; hides data until removed.
    fn usage_hourly_index_empty(date, hour) = "usage:hourly:index:{date}:{hour}:empty";
    /// Models used on a local day.
    fn usage_model_daily_index(date) = "usage:model:daily:index:{date}";
    /// 1 while the index is taken to be empty; hides data until removed.
    fn usage_model_daily_index_empty(date) = "usage:model:daily:index:{date}:empty";
    /// Models used in a local hour.
    fn usage_model_hourly_index(date, hour) = "usage:model:hourly:index:{date}:{hour}";
    /// 1 while the index is taken to be empty; hides data until removed.
    fn usage_model_hourly_index_empty(date, hour) = "usage:model:hourly:index:{date}:{hour}:empty";
    /// Models used in a local month.
    fn usage_model_monthly_index(month) = "usage:model:monthly:index:{month}";
    /// 1 while the index is taken to be empty; hides data until removed.
    fn usage_model_monthly_index_empty(month) = "usage:model:monthly:index:{month}:empty";
    /// Key id, colon, model used on a local day.
    fn usage_key_model_daily_index(date) = "usage:keymodel:daily:index:{date}";
    /// 1 while the index is taken to be empty; hides data until removed.
    fn usage_key_model_daily_index_empty(date) = "usage:keymodel:daily:index:{date}:empty";
    /// Key id, colon, model used in a local hour.
    fn usage_key_model_hourly_index(date, hour) = "usage:keymodel:hourly:index:{date}:{hour}";
    /// 1 while the index is taken to be empty; hides data until removed.
    fn usage_key_model_hourly_index_empty(date, hour) = "usage:keymodel:hourly:index:{date}:{hour}:empty";
    /// Local months with any model usage.
    const USAGE_MONTHS = "usage:model:monthly:months";
    /// Totals of everything.
    const USAGE_TOTAL = "usage:global:total";
    /// Everything on a local day.
    fn usage_total_daily(date) = "usage:global:daily:{date}";
    /// Everything in a local month.
    fn usage_total_monthly(month) = "usage:global:monthly:{month}";
    /// Last 200 requests of a key as JSON, newest first.
    fn usage_records(key_id) = "usage:records:{key_id}";
    /// Everything in a minute of the epoch; lives twice the metrics window.
    fn minute_metrics(minute) = "system:metrics:minute:{minute}";
    /// Billing events for outside consumers, about the last 100000.
    const BILLING_EVENTS = "billing:events";
}
