//! Weekly Claude costs that are missing, filled from the days of the week, so that a weekly limit counts
//! what was used before its counter existed. Once per local day, under the legacy service's mark and lock.
//!
//! A counter that is there is never overwritten: it is exact, the days are not (they know neither which
//! account served nor the hour of the reset). The legacy service overwrites it, with zero for keys that are
//! bound to no account (MIGRATION 49).

use std::collections::{HashMap, HashSet};

use compat::{
    clock::{LocalCalendar, iso},
    keys,
    lock::{self, Lock},
    number,
    store::{Cmd, Reply, Scan, Store, StoreError},
    usage::is_claude_family,
};

use super::{
    Done, Elsewhere, Failure, Jobs, counted, in_steps,
    usage_of_day::{Counter, strict_counts},
};
use crate::billing::{KeyRates, PriceTable, ServiceRates, cost, rates::service_of};

/// Weekly counters live two weeks, the mark two days; seconds.
const COUNTER_LIFE: i64 = 1_209_600;
const MARK_LIFE: i64 = 172_800;
/// Days looked at: any week that began at most seven days ago.
const DAYS: i64 = 7;
const DAY_MS: i64 = 86_400_000;

/// What is known of a key.
struct KeyWeek {
    account_type: &'static str,
    rates: KeyRates,
    /// First day of its week, and the week's name.
    since: String,
    period: String,
    cost: f64,
}

impl KeyWeek {
    fn set(&self, id: &str) -> Cmd {
        let set = Cmd::new("SET").arg(keys::weekly_cost(id, &self.period));
        set.arg(number::js(self.cost)).arg("EX").arg(COUNTER_LIFE)
    }
}

/// Weeks of keys, added up from what was recorded per day.
pub struct Weeks<'a> {
    /// Redis.
    pub store: &'a dyn Store,
    /// Prices in force.
    pub prices: &'a PriceTable,
    /// The operator's calendar.
    pub calendar: LocalCalendar,
    /// Now.
    pub now_ms: i64,
}

impl Jobs {
    /// Fills the weekly cost of every key that has none.
    pub(super) async fn fill_weekly_costs(&self) -> Done {
        let today = self.0.calendar.date(self.now_ms());
        let mark = keys::weekly_cost_init_done(&today);
        if self.one(Cmd::new("EXISTS").arg(&mark)).await?.int()? == 1 {
            return Ok(None);
        }
        let lock =
            Lock::weekly_cost_init(&today, format!("{}:{}", std::process::id(), self.now_ms()));
        if !lock::taken(self.one(lock.acquire()).await?)? {
            return Err(Elsewhere.into());
        }
        let filled = self.fill_and_mark(mark).await;
        self.release(&lock).await;
        Ok(counted(filled?, "weekly cost filled", "weekly costs filled"))
    }

    async fn fill_and_mark(&self, mark: String) -> Result<usize, Failure> {
        let filled = self.fill_weeks().await?;
        let now = iso(self.now_ms());
        self.one(Cmd::new("SET").arg(mark).arg(now).arg("EX").arg(MARK_LIFE)).await?;
        Ok(filled)
    }

    async fn fill_weeks(&self) -> Result<usize, Failure> {
        let prices = self.0.billing.prices();
        let weeks = Weeks {
            store: &*self.0.store,
            prices: &prices,
            calendar: self.0.calendar,
            now_ms: self.now_ms(),
        };
        weeks.fill(&self.key_ids().await?).await
    }
}

impl Weeks<'_> {
    /// Adds up the week of one key anew and sets its counter, as is due when the day or hour of its reset
    /// was changed. The counter of a key that is bound to no account counts what official accounts
    /// served; the legacy service sets it to zero (MIGRATION 49).
    ///
    /// # Errors
    /// Redis.
    pub async fn recount(&self, id: &str) -> Result<(), Failure> {
        let weeks = self.count(&[id.to_owned()], id).await?;
        let set = weeks.iter().map(|(id, week)| week.set(id));
        self.run(set.collect()).await?;
        Ok(())
    }

    /// Fills the counters that are missing; tells how many hold something.
    async fn fill(&self, ids: &[String]) -> Result<usize, Failure> {
        let weeks = self.count(ids, "*").await?;
        let fill = weeks.iter().map(|(id, week)| week.set(id).arg("NX"));
        let replies = self.run(fill.collect()).await?;
        let set = replies.into_iter().map(|reply| reply.text().is_ok_and(|text| text.is_some()));
        Ok(weeks.values().zip(set).filter(|(week, set)| *set && week.cost > 0.0).count())
    }

    /// Weeks of these keys; `whose` is the pattern of their ids.
    async fn count(
        &self,
        ids: &[String],
        whose: &str,
    ) -> Result<HashMap<String, KeyWeek>, Failure> {
        let rates = self.run(vec![Cmd::new("GET").arg(keys::SERVICE_RATES)]).await?.pop();
        let rates = ServiceRates::parse(rates.unwrap_or(Reply::Nil).text()?.as_deref());
        let mut weeks = self.weeks(ids).await?;
        for days_ago in (0..=DAYS).rev() {
            let date = self.calendar.date(self.now_ms - days_ago * DAY_MS);
            self.add_day(whose, &date, &rates, &mut weeks).await?;
        }
        Ok(weeks)
    }

    /// Every key and its week, nothing counted yet.
    async fn weeks(&self, ids: &[String]) -> Result<HashMap<String, KeyWeek>, Failure> {
        const READ: [&str; 6] = [
            "ccrAccountId",
            "claudeConsoleAccountId",
            "claudeAccountId",
            "serviceRates",
            "weeklyResetDay",
            "weeklyResetHour",
        ];
        let read = ids.iter().map(|id| Cmd::new("HMGET").arg(keys::api_key(id)).args(READ));
        let replies = self.run(read.collect()).await?;
        let weeks = ids.iter().zip(replies).filter_map(|(id, reply)| {
            let fields = reply.texts().ok()?;
            let [ccr, console, _, rates, day, hour] = fields.as_slice() else { return None };
            // A key of the shared pool counts as one of official accounts.
            let account_type = match (ccr.is_empty(), console.is_empty()) {
                (false, _) => "ccr",
                (true, false) => "claude-console",
                (true, true) => "claude-official",
            };
            let whole = |text: &str, fallback| match text {
                "" => fallback,
                text => number::parse_int(text).unwrap_or(fallback),
            };
            let period = self.calendar.period(self.now_ms, whole(day, 1), whole(hour, 0));
            let week = KeyWeek {
                account_type,
                rates: KeyRates::parse(rates),
                since: period.get(..10).unwrap_or_default().to_owned(),
                period,
                cost: 0.0,
            };
            Some((id.clone(), week))
        });
        Ok(weeks.collect())
    }

    /// Adds the Claude usage of one local day.
    async fn add_day(
        &self,
        whose: &str,
        date: &str,
        global: &ServiceRates,
        weeks: &mut HashMap<String, KeyWeek>,
    ) -> Result<(), Failure> {
        // The day's costs are added up by themselves, as sums of fractions depend on the order.
        let mut costs: HashMap<String, f64> = HashMap::new();
        let mut seen = HashSet::new();
        let mut scan = Scan::new(format!("usage:{whose}:model:daily:*:{date}"));
        while let Some(names) = scan.next(self.store).await? {
            // A scan may name a counter twice.
            let names: Vec<String> = names
                .into_iter()
                .filter(|name| {
                    Counter::parse(name).is_some_and(|day| {
                        let week = weeks.get(day.key_id);
                        is_claude_family(day.model) && week.is_some_and(|w| date >= &*w.since)
                    }) && seen.insert(name.clone())
                })
                .collect();
            let read = names.iter().map(|name| Cmd::new("HGETALL").arg(name)).collect();
            for (name, reply) in names.iter().zip(self.run(read).await?) {
                let (Some(day), Ok(fields)) = (Counter::parse(name), reply.map()) else { continue };
                let real = cost::detailed_total(self.prices, &strict_counts(&fields), day.model);
                if let Some(week) = weeks.get(day.key_id).filter(|_| real > 0.0) {
                    let service = service_of(Some(week.account_type), day.model);
                    *costs.entry(day.key_id.to_owned()).or_default() +=
                        week.rates.rated(real, service, global);
                }
            }
        }
        for (id, cost) in costs {
            if let Some(week) = weeks.get_mut(&id) {
                week.cost += cost;
            }
        }
        Ok(())
    }

    /// Runs commands in pipelines; replies in order.
    async fn run(&self, cmds: Vec<Cmd>) -> Result<Vec<Reply>, StoreError> {
        in_steps(self.store, cmds).await
    }
}
