//! The layouts of the counter hashes and their indexes (contract/redis.md §d, redis-keys.tsv).
//!
//! Zero increments are part of the layouts: they create fields that readers expect.

use super::{
    TokenCounts, UsageEvent, UsageSettings, model,
    write_set::{Change, Hashes},
};

use crate::keys;

const DAY: i64 = 86_400;
const DAILY_TTL: i64 = 32 * DAY;
const MONTHLY_TTL: i64 = 365 * DAY;
const HOURLY_TTL: i64 = 7 * DAY;

/// Sums over requests that share hour, key, model and account.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sums {
    requests: i64,
    input: i64,
    /// Output as key, model and global counters take it; see [`key_output`].
    output: i64,
    /// Output as account counters take it.
    account_output: i64,
    cache_create: i64,
    cache_read: i64,
    ephemeral_5m: i64,
    ephemeral_1h: i64,
    long_requests: i64,
    long_input: i64,
    long_output: i64,
    long_account_output: i64,
    /// Micro-USD; `None` until a request cost something.
    real_micro: Option<i64>,
    rated_micro: Option<i64>,
}

impl Sums {
    pub(super) fn add(&mut self, event: &UsageEvent) {
        let tokens = &event.tokens;
        self.requests += 1;
        self.input += tokens.input;
        self.output += key_output(tokens);
        self.account_output += tokens.output;
        self.cache_create += tokens.cache_create;
        self.cache_read += tokens.cache_read;
        self.ephemeral_5m += tokens.ephemeral_5m;
        self.ephemeral_1h += tokens.ephemeral_1h;
        if event.long_context {
            self.long_requests += 1;
            self.long_input += tokens.input;
            self.long_output += key_output(tokens);
            self.long_account_output += tokens.output;
        }
        add_micro(&mut self.real_micro, event.cost.total);
        add_micro(&mut self.rated_micro, event.rated);
    }

    /// All sums but those of money, with another output count.
    fn classes(&self, output: i64) -> Classes {
        Classes {
            requests: self.requests,
            input: self.input,
            output,
            cache_create: self.cache_create,
            cache_read: self.cache_read,
            ephemeral_5m: self.ephemeral_5m,
            ephemeral_1h: self.ephemeral_1h,
        }
    }
}

/// What most layouts are made of.
#[derive(Clone, Copy)]
struct Classes {
    requests: i64,
    input: i64,
    output: i64,
    cache_create: i64,
    cache_read: i64,
    ephemeral_5m: i64,
    ephemeral_1h: i64,
}

impl Classes {
    fn core(&self) -> i64 {
        self.input + self.output
    }

    fn all(&self) -> i64 {
        self.core() + self.cache_create + self.cache_read
    }

    /// The seven fields that every counter has.
    fn base(&self) -> [(&'static str, i64); 7] {
        [
            ("inputTokens", self.input),
            ("outputTokens", self.output),
            ("cacheCreateTokens", self.cache_create),
            ("cacheReadTokens", self.cache_read),
            ("requests", self.requests),
            ("ephemeral5mTokens", self.ephemeral_5m),
            ("ephemeral1hTokens", self.ephemeral_1h),
        ]
    }

    /// The fields of a lifetime total.
    fn totals(&self) -> [(&'static str, i64); 9] {
        [
            ("totalTokens", self.core()),
            ("totalInputTokens", self.input),
            ("totalOutputTokens", self.output),
            ("totalCacheCreateTokens", self.cache_create),
            ("totalCacheReadTokens", self.cache_read),
            ("totalAllTokens", self.all()),
            ("totalEphemeral5mTokens", self.ephemeral_5m),
            ("totalEphemeral1hTokens", self.ephemeral_1h),
            ("totalRequests", self.requests),
        ]
    }
}

/// Key parts of one local hour: `YYYY-MM-DD`, `YYYY-MM`, `HH`.
pub(super) struct Dates {
    pub(super) date: String,
    pub(super) month: String,
    pub(super) hour: String,
}

impl Dates {
    pub(super) fn of(settings: &UsageSettings, hour_number: i64) -> Self {
        let calendar = settings.calendar;
        let at = calendar.hour_start_ms(hour_number);
        Self {
            date: calendar.date(at),
            month: calendar.month(at),
            hour: format!("{:02}", calendar.hour_of_day(at)),
        }
    }
}

/// Adds the counters of one group to the change.
pub(super) fn count(
    change: &mut Change,
    dates: &Dates,
    key: &str,
    model: &str,
    account: Option<&str>,
    sums: &Sums,
) {
    let model = model::normalized(model);
    count_key(change, dates, key, &model, sums);
    count_global(change, dates, sums);
    index_key(change, dates, key, &model);
    if let Some(account) = account {
        count_account(change, dates, account, &model, sums);
        index_account(change, dates, account, &model);
    }
}

/// Counters of one UTC minute; `ttl` in seconds.
pub(super) fn count_minute(change: &mut Change, minute: i64, ttl: i64, sums: &Sums) {
    let all = sums.classes(sums.output);
    let key = keys::minute_metrics(minute);
    let fields = change.hashes.of(&key);
    fields.add("requests", all.requests);
    fields.add("totalTokens", all.all());
    fields.add("inputTokens", all.input);
    fields.add("outputTokens", all.output);
    fields.add("cacheCreateTokens", all.cache_create);
    fields.add("cacheReadTokens", all.cache_read);
    change.expire(key, ttl);
}

/// Output as the per-key counters take it: a request without input and output books all its tokens,
/// cache included, as output, on top of the cache counters.
fn key_output(tokens: &TokenCounts) -> i64 {
    if tokens.output == 0 && tokens.input == 0 { tokens.total() } else { tokens.output }
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, and costs are far smaller")]
fn add_micro(sum: &mut Option<i64>, usd: f64) {
    if usd > 0.0 {
        let micro = crate::number::round(usd * 1_000_000.0) as i64;
        *sum = Some(sum.unwrap_or(0).saturating_add(micro));
    }
}

fn count_key(change: &mut Change, dates: &Dates, key: &str, model: &str, sums: &Sums) {
    let Dates { date, month, hour } = dates;
    let classes = sums.classes(sums.output);

    let total = change.hashes.of(&keys::usage(key));
    classes.totals().into_iter().for_each(|(field, n)| total.add(field, n));
    if sums.long_requests > 0 {
        total.add("totalLongContextInputTokens", sums.long_input);
        total.add("totalLongContextOutputTokens", sums.long_output);
        total.add("totalLongContextRequests", sums.long_requests);
    }
    let daily = keys::usage_daily(key, date);
    if sums.long_requests > 0 {
        let daily = change.hashes.of(&daily);
        daily.add("longContextInputTokens", sums.long_input);
        daily.add("longContextOutputTokens", sums.long_output);
        daily.add("longContextRequests", sums.long_requests);
    }
    for (name, ttl) in [
        (daily, DAILY_TTL),
        (keys::usage_monthly(key, month), MONTHLY_TTL),
        (keys::usage_hourly(key, date, hour), HOURLY_TTL),
    ] {
        change.hashes.of(&name).add("tokens", classes.core());
        period(change, name, ttl, classes);
    }
    for (name, ttl) in [
        (keys::usage_model_daily(model, date), DAILY_TTL),
        (keys::usage_model_monthly(model, month), MONTHLY_TTL),
        (keys::usage_model_hourly(model, date, hour), HOURLY_TTL),
    ] {
        period(change, name, ttl, classes);
    }
    for (name, ttl) in [
        (keys::usage_key_model_daily(key, model, date), DAILY_TTL),
        (keys::usage_key_model_monthly(key, model, month), MONTHLY_TTL),
        (keys::usage_key_model_hourly(key, model, date, hour), HOURLY_TTL),
    ] {
        micro_costs(&mut change.hashes, &name, sums);
        period(change, name, ttl, classes);
    }
    let alltime = keys::usage_key_model_total(key, model);
    classes.base().into_iter().for_each(|(field, n)| change.hashes.of(&alltime).add(field, n));
    micro_costs(&mut change.hashes, &alltime, sums);
}

fn count_global(change: &mut Change, dates: &Dates, sums: &Sums) {
    let classes = sums.classes(sums.output);
    let total = change.hashes.of(keys::USAGE_TOTAL);
    classes.base().into_iter().for_each(|(field, n)| total.add(field, n));
    total.add("allTokens", classes.all());
    period(change, keys::usage_total_daily(&dates.date), DAILY_TTL, classes);
    period(change, keys::usage_total_monthly(&dates.month), MONTHLY_TTL, classes);
}

fn count_account(change: &mut Change, dates: &Dates, account: &str, model: &str, sums: &Sums) {
    let Dates { date, month, hour } = dates;
    let classes = sums.classes(sums.account_output);

    let total = change.hashes.of(&keys::account_usage(account));
    classes.totals().into_iter().for_each(|(field, n)| total.add(field, n));
    if sums.long_requests > 0 {
        total.add("totalLongContextInputTokens", sums.long_input);
        total.add("totalLongContextOutputTokens", sums.long_account_output);
        total.add("totalLongContextRequests", sums.long_requests);
    }
    let daily = keys::account_usage_daily(account, date);
    if sums.long_requests > 0 {
        let daily = change.hashes.of(&daily);
        daily.add("longContextInputTokens", sums.long_input);
        daily.add("longContextOutputTokens", sums.long_account_output);
        daily.add("longContextRequests", sums.long_requests);
    }
    let hourly = keys::account_usage_hourly(account, date, hour);
    let by_model = change.hashes.of(&hourly);
    for (field, n) in classes.base() {
        by_model.add(format!("model:{model}:{field}"), n);
    }
    by_model.add(format!("model:{model}:allTokens"), classes.all());
    for (name, ttl) in [
        (daily, DAILY_TTL),
        (keys::account_usage_monthly(account, month), MONTHLY_TTL),
        (hourly, HOURLY_TTL),
    ] {
        change.hashes.of(&name).add("tokens", classes.core());
        period(change, name, ttl, classes);
    }
    for (name, ttl) in [
        (keys::account_usage_model_daily(account, model, date), DAILY_TTL),
        (keys::account_usage_model_monthly(account, model, month), MONTHLY_TTL),
        (keys::account_usage_model_hourly(account, model, date, hour), HOURLY_TTL),
    ] {
        period(change, name, ttl, classes);
    }
}

/// The fields and the life of one period's counter.
fn period(change: &mut Change, name: String, ttl: i64, classes: Classes) {
    let fields = change.hashes.of(&name);
    classes.base().into_iter().for_each(|(field, n)| fields.add(field, n));
    fields.add("allTokens", classes.all());
    change.expire(name, ttl);
}

fn micro_costs(hashes: &mut Hashes, name: &str, sums: &Sums) {
    let fields = hashes.of(name);
    if let Some(micro) = sums.real_micro {
        fields.add("realCostMicro", micro);
    }
    if let Some(micro) = sums.rated_micro {
        fields.add("ratedCostMicro", micro);
    }
}

fn index_key(change: &mut Change, dates: &Dates, key: &str, model: &str) {
    let Dates { date, month, hour } = dates;
    change.index(keys::usage_daily_index(date), key.to_owned(), DAILY_TTL);
    change.index(keys::usage_hourly_index(date, hour), key.to_owned(), HOURLY_TTL);
    change.index(keys::usage_model_daily_index(date), model.to_owned(), DAILY_TTL);
    change.index(keys::usage_model_hourly_index(date, hour), model.to_owned(), HOURLY_TTL);
    change.index(keys::usage_model_monthly_index(month), model.to_owned(), MONTHLY_TTL);
    let pair = format!("{key}:{model}");
    change.index(keys::usage_key_model_daily_index(date), pair.clone(), DAILY_TTL);
    change.index(keys::usage_key_model_hourly_index(date, hour), pair, HOURLY_TTL);
    // The one index without a life and without an "empty" marker.
    change.member(keys::USAGE_MONTHS.to_owned(), month.clone());
}

fn index_account(change: &mut Change, dates: &Dates, account: &str, model: &str) {
    let Dates { date, hour, .. } = dates;
    let pair = format!("{account}:{model}");
    change.index(keys::account_usage_hourly_index(date, hour), account.to_owned(), HOURLY_TTL);
    change.index(keys::account_usage_model_hourly_index(date, hour), pair.clone(), HOURLY_TTL);
    change.index(keys::account_usage_daily_index(date), account.to_owned(), DAILY_TTL);
    change.index(keys::account_usage_model_daily_index(date), pair, DAILY_TTL);
}
