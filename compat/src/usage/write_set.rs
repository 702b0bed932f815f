//! The net change of many requests.
//!
//! Merging happens twice: events fall into groups (same hour, key, model, account), then groups fall
//! into keys. Increments add up, index members unite, the latest use wins, records keep the newest 200.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use bytes::Bytes;

use super::{
    UsageEvent, UsageSettings,
    amount::Amount,
    counters::{self, Dates, Sums},
    entries, model,
};
use crate::{
    clock::{iso, minute_number},
    keys,
    store::{Cmd, IntoArg, Script},
};

const DAY: i64 = 86_400;
const KEY_TTL: i64 = 365 * DAY;
const RECORDS_TTL: i64 = 90 * DAY;
/// How many usage records a key keeps.
const RECORDS_KEPT: usize = 200;
const BILLING_CAP: &str = "100000";
/// More members than this travel in several commands, as scripts cannot pass on endless argument lists.
const MEMBERS_PER_COMMAND: usize = 1000;

/// Notes the last use of an API key on its record and in the index, unless the record is gone or a later
/// use is already there. Arguments after the two keys: record ttl, member, ISO time, epoch ms.
static TOUCH: Script = Script {
    name: "usage.touch",
    source: concat!(
        include_str!("touch.lua"),
        "return touch(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], ARGV[4])"
    ),
};

/// Merged effects of any number of events.
#[derive(Clone, Debug, Default)]
pub struct WriteSet {
    events: usize,
    groups: HashMap<Group, Sums>,
    minutes: BTreeMap<i64, Sums>,
    costs: HashMap<(i64, String), Costs>,
    weekly: HashMap<(String, String), Costs>,
    windows: BTreeMap<String, (i64, Amount)>,
    records: BTreeMap<String, Vec<String>>,
    billing: Vec<String>,
    details: Vec<entries::Detail>,
    used: BTreeMap<String, i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Group {
    hour: i64,
    key: String,
    model: String,
    account: Option<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Costs {
    rated: Amount,
    real: Amount,
}

/// A net change, key by key.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub(super) hashes: Hashes,
    floats: BTreeMap<String, Amount>,
    members: BTreeMap<String, BTreeSet<String>>,
    deleted: BTreeSet<String>,
    ttls: BTreeMap<String, i64>,
    /// Billing events.
    billing: Vec<String>,
    /// Commands that do not merge any further.
    tail: Vec<Cmd>,
}

/// Hash increments by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Hashes(BTreeMap<String, Fields>);

/// Increments by field.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(BTreeMap<Cow<'static, str>, i64>);

impl WriteSet {
    /// Adds the effects of one request.
    pub fn add(&mut self, event: &UsageEvent, settings: &UsageSettings) {
        let calendar = settings.calendar;
        let hour = calendar.hour_number(event.at_ms);
        let key = &event.key.id;
        let group = Group {
            hour,
            key: key.clone(),
            model: event.model.clone(),
            account: event.account_id.clone(),
        };
        self.events += 1;
        self.groups.entry(group).or_default().add(event);
        self.minutes.entry(minute_number(event.at_ms)).or_default().add(event);
        if event.cost.total > 0.0 {
            self.costs.entry((hour, key.clone())).or_default().add(event);
            if counts_weekly(event) {
                let KeyRef { weekly_reset_day, weekly_reset_hour, .. } = event.key;
                let period = calendar.period(event.at_ms, weekly_reset_day, weekly_reset_hour);
                self.weekly.entry((key.clone(), period)).or_default().add(event);
            }
        }
        if let Some(charge) = event.window {
            let window = self.windows.entry(key.clone()).or_default();
            window.0 += charge.tokens;
            if charge.cost > 0.0 {
                window.1 += Amount::from_f64(charge.cost);
            }
        }
        let records = self.records.entry(key.clone()).or_default();
        records.push(entries::usage_record(event));
        if records.len() >= 2 * RECORDS_KEPT {
            records.drain(..records.len() - RECORDS_KEPT);
        }
        if settings.billing_events && event.recording == Recording::Detailed {
            self.billing.push(entries::billing_event(event));
        }
        self.details.extend(entries::detail(event));
        let used = self.used.entry(key.clone()).or_insert(event.at_ms);
        *used = event.at_ms.max(*used);
    }

    /// Number of events added.
    pub fn len(&self) -> usize {
        self.events
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// The net change.
    pub fn change(self, settings: &UsageSettings) -> Change {
        let mut change = Change::default();
        for (group, sums) in &self.groups {
            let dates = Dates::of(settings, group.hour);
            let account = group.account.as_deref();
            counters::count(&mut change, &dates, &group.key, &group.model, account, sums);
        }
        let minute_ttl = settings.metrics_window_minutes * 120;
        for (minute, sums) in &self.minutes {
            counters::count_minute(&mut change, *minute, minute_ttl, sums);
        }
        for ((hour, key), costs) in &self.costs {
            change.count_costs(&Dates::of(settings, *hour), key, *costs);
        }
        for ((key, period), costs) in &self.weekly {
            change.count_weekly(key, period, *costs);
        }
        for (key, (tokens, cost)) in self.windows {
            if tokens > 0 {
                change.tail.push(crate::rate_window::add_tokens(&key, tokens));
            }
            if cost != Amount::default() {
                change.tail.push(crate::rate_window::add_cost(&key, &cost.to_string()));
            }
        }
        for (key, used) in self.used {
            change.tail.push(touch(&key, used));
        }
        for (key, records) in self.records {
            change.keep_records(&key, records);
        }
        change.billing = self.billing;
        for detail in self.details {
            change.keep_detail(detail);
        }
        change
    }
}

impl Change {
    /// The change as commands. In any order they have the same effect, except that a key's life is set
    /// after its increments.
    pub fn commands(self) -> Vec<Cmd> {
        let mut cmds = Vec::new();
        for (key, Fields(fields)) in self.hashes.0 {
            let key = Bytes::from(key);
            for (field, by) in fields {
                cmds.push(Cmd::new("HINCRBY").arg(key.clone()).arg(field.into_owned()).arg(by));
            }
        }
        for (key, amount) in self.floats {
            cmds.push(Cmd::new("INCRBYFLOAT").arg(key).arg(amount.to_string()));
        }
        for (key, members) in self.members {
            let members: Vec<String> = members.into_iter().collect();
            for some in members.chunks(MEMBERS_PER_COMMAND) {
                cmds.push(Cmd::new("SADD").arg(&key).args(some));
            }
        }
        let deleted: Vec<String> = self.deleted.into_iter().collect();
        for some in deleted.chunks(MEMBERS_PER_COMMAND) {
            cmds.push(Cmd::new("DEL").args(some));
        }
        cmds.extend(self.tail);
        for event in self.billing {
            let words = [keys::BILLING_EVENTS, "MAXLEN", "~", BILLING_CAP, "*", "data"];
            cmds.push(Cmd::new("XADD").args(words).arg(event));
        }
        for (key, ttl) in self.ttls {
            cmds.push(Cmd::new("EXPIRE").arg(key).arg(ttl));
        }
        cmds
    }

    /// The change as the steps that the ledger's script takes: words and their number before them.
    pub(super) fn steps(mut self) -> Vec<Bytes> {
        let mut steps = Vec::new();
        let mut layouts: HashMap<Vec<Cow<'static, str>>, usize> = HashMap::new();
        for (key, Fields(fields)) in std::mem::take(&mut self.hashes.0) {
            let ttl = self.ttls.remove(&key).unwrap_or(-1);
            let (names, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
            let count = names.len();
            let known = layouts.len();
            let layout = *layouts.entry(names).or_insert_with_key(|names| {
                steps.push((1 + count).into_arg());
                steps.push(Bytes::from_static(b"f"));
                steps.extend(names.iter().map(|name| Bytes::copy_from_slice(name.as_bytes())));
                known + 1
            });
            steps.push((4 + count).into_arg());
            steps.push(Bytes::from_static(b"h"));
            steps.push(key.into_arg());
            steps.push(ttl.into_arg());
            steps.push(layout.into_arg());
            steps.extend(values.into_iter().map(IntoArg::into_arg));
        }
        for event in std::mem::take(&mut self.billing) {
            steps.push(2_usize.into_arg());
            steps.push(Bytes::from_static(b"b"));
            steps.push(event.into_arg());
        }
        for cmd in self.commands() {
            let (kind, args) = match cmd {
                Cmd::Words(args) => (Bytes::from_static(b"c"), args),
                Cmd::Script { args, .. } => (Bytes::from_static(b"t"), args),
            };
            steps.push((1 + args.len()).into_arg());
            steps.push(kind);
            steps.extend(args);
        }
        steps
    }

    /// Sets a key's life, seconds; the longest wins.
    pub(super) fn expire(&mut self, key: String, ttl: i64) {
        let known = self.ttls.entry(key).or_insert(ttl);
        *known = ttl.max(*known);
    }

    /// Adds a member to a set.
    pub(super) fn member(&mut self, key: String, member: String) {
        self.members.entry(key).or_default().insert(member);
    }

    /// Adds a member to an index, sets its life and removes its "empty" marker, which would hide the
    /// member from readers for up to an hour.
    pub(super) fn index(&mut self, key: String, member: String, ttl: i64) {
        self.deleted.insert(keys::empty_marker(&key));
        self.expire(key.clone(), ttl);
        self.member(key, member);
    }

    fn float(&mut self, key: String, amount: Amount, ttl: Option<i64>) {
        if let Some(ttl) = ttl {
            self.expire(key.clone(), ttl);
        }
        *self.floats.entry(key).or_default() += amount;
    }

    fn count_costs(&mut self, dates: &Dates, key: &str, costs: Costs) {
        let Dates { date, month, hour } = dates;
        let Costs { rated, real } = costs;
        self.float(keys::cost_daily(key, date), rated, Some(30 * DAY));
        self.float(keys::cost_monthly(key, month), rated, Some(90 * DAY));
        self.float(keys::cost_hourly(key, date, hour), rated, Some(7 * DAY));
        self.float(keys::cost_total(key), rated, None);
        self.float(keys::real_cost_total(key), real, None);
        self.float(keys::real_cost_daily(key, date), real, Some(30 * DAY));
    }

    fn count_weekly(&mut self, key: &str, period: &str, costs: Costs) {
        let Costs { rated, real } = costs;
        self.float(keys::weekly_cost(key, period), rated, Some(14 * DAY));
        self.float(keys::claude_cost_total(key), rated, None);
        self.float(keys::real_weekly_cost(key, period), real, Some(14 * DAY));
        self.float(keys::real_claude_cost_total(key), real, None);
    }

    fn keep_records(&mut self, key: &str, mut records: Vec<String>) {
        records.drain(..records.len().saturating_sub(RECORDS_KEPT));
        let key = keys::usage_records(key);
        self.tail.push(Cmd::new("LPUSH").arg(&key).args(records));
        self.tail.push(Cmd::new("LTRIM").arg(&key).arg(0_i64).arg(RECORDS_KEPT - 1));
        self.expire(key, RECORDS_TTL);
    }

    fn keep_detail(&mut self, detail: entries::Detail) {
        let index = keys::request_details_of_day(&detail.day);
        let item = keys::request_detail(&detail.request_id);
        self.tail
            .push(Cmd::new("SET").arg(item).arg(detail.json).arg("EX").arg(detail.ttl_seconds));
        self.tail.push(Cmd::new("ZADD").arg(&index).arg(detail.at_ms).arg(detail.request_id));
        self.expire(index, detail.ttl_seconds + DAY);
    }
}

impl Hashes {
    pub(super) fn of(&mut self, key: &str) -> &mut Fields {
        if !self.0.contains_key(key) {
            self.0.insert(key.to_owned(), Fields::default());
        }
        self.0.entry(key.to_owned()).or_default()
    }
}

impl Fields {
    pub(super) fn add(&mut self, field: impl Into<Cow<'static, str>>, by: i64) {
        let sum = self.0.entry(field.into()).or_default();
        *sum = sum.saturating_add(by);
    }
}

impl Costs {
    fn add(&mut self, event: &UsageEvent) {
        self.rated += Amount::from_f64(event.rated);
        self.real += Amount::from_f64(event.cost.total);
    }
}

use super::{KeyRef, Recording};

/// Whether the cost counts towards the key's weekly Claude limit.
fn counts_weekly(event: &UsageEvent) -> bool {
    matches!(event.account_type.as_deref(), Some("claude-official" | "claude-console" | "ccr"))
        && model::is_claude_family(&event.model)
}

fn touch(key: &str, used_ms: i64) -> Cmd {
    Cmd::script(&TOUCH, [keys::api_key(key), keys::API_KEYS_BY_LAST_USE.to_owned()])
        .arg(KEY_TTL)
        .arg(key)
        .arg(iso(used_ms))
        .arg(used_ms)
}
