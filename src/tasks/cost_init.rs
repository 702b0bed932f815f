//! Costs that are missing, computed from the tokens counted: for databases older than the cost counters, and
//! after a loss (contract/redis.md §j 5). What is there is never touched.

use std::collections::BTreeMap;

use compat::{
    keys, number,
    store::{Cmd, Scan, StoreError},
};

use super::{
    Done, Jobs, STEP, counted,
    usage_of_day::{Counter, FIELDS, counts},
};
use crate::billing::cost::calculate;

/// Days of usage that are looked at to find out whether costs are missing.
const SAMPLES: usize = 10;
const DAY: i64 = 86_400;

impl Jobs {
    /// Fills in missing costs of all keys that are not deleted, if there are signs that some are missing.
    pub(super) async fn initialize_costs(&self) -> Done {
        if !self.lacks_costs().await? {
            return Ok(None);
        }
        let ids = self.key_ids().await?;
        let ask = ids.iter().map(|id| Cmd::new("HGET").arg(keys::api_key(id)).arg("isDeleted"));
        let deleted = self.run(ask.collect()).await?;
        let mut filled = 0;
        for (id, deleted) in ids.iter().zip(deleted) {
            if deleted.text().is_ok_and(|text| text.as_deref() != Some("true")) {
                filled += usize::from(self.fill_costs(id).await?);
            }
        }
        Ok(counted(filled, "key with usage looked through", "keys with usage looked through"))
    }

    /// Whether there is no cost at all, or one of a few days of usage has none.
    async fn lacks_costs(&self) -> Result<bool, StoreError> {
        let store = &*self.0.store;
        let mut any = false;
        let mut costs = Scan::new("usage:cost:*");
        while let Some(keys) = costs.next(store).await? {
            any = !keys.is_empty();
            if any {
                break;
            }
        }
        if !any {
            return Ok(true);
        }
        let (mut days, mut looked) = (Scan::new("usage:*:model:daily:*:*"), 0);
        while let Some(names) = days.next(store).await? {
            let days = names.iter().filter_map(|name| Counter::parse(name));
            for day in days.filter(|day| day.period == "daily").take(SAMPLES - looked) {
                let cost = keys::cost_daily(day.key_id, day.at);
                if self.one(Cmd::new("EXISTS").arg(cost)).await?.int()? == 0 {
                    return Ok(true);
                }
                looked += 1;
            }
            if looked >= SAMPLES {
                break;
            }
        }
        Ok(false)
    }

    /// Fills in missing costs of one key; whether it has any usage.
    async fn fill_costs(&self, id: &str) -> Result<bool, StoreError> {
        let prices = self.0.billing.prices();
        let names = self.scan(&format!("usage:{id}:model:*:*:*")).await?;
        let names: Vec<&String> = names.iter().filter(|n| Counter::parse(n).is_some()).collect();
        let read = names.iter().map(|name| Cmd::new("HMGET").arg(*name).args(FIELDS)).collect();
        let (mut days, mut months, mut hours) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (name, reply) in names.iter().zip(self.run(read).await?) {
            let (Some(counter), Ok(values)) = (Counter::parse(name), reply.texts()) else {
                continue;
            };
            if values.iter().all(String::is_empty) {
                continue;
            }
            let fields = FIELDS.iter().map(|name| (*name).to_owned()).zip(values).collect();
            let cost = calculate(&prices, &counts(&fields), counter.model).total;
            let sums = match counter.period {
                "daily" => &mut days,
                "monthly" => &mut months,
                _ => &mut hours,
            };
            *sums.entry(counter.at.to_owned()).or_insert(0.0) += cost;
        }
        let missing = |key: String, cost: f64, seconds: i64| {
            Cmd::new("SET").arg(key).arg(number::js(cost)).arg("EX").arg(seconds).arg("NX")
        };
        let mut cmds = Vec::new();
        for (date, cost) in &days {
            cmds.push(missing(keys::cost_daily(id, date), *cost, 30 * DAY));
        }
        for (month, cost) in &months {
            cmds.push(missing(keys::cost_monthly(id, month), *cost, 90 * DAY));
        }
        for (at, cost) in &hours {
            let (date, hour) = at.split_once(':').unwrap_or((at, ""));
            cmds.push(missing(keys::cost_hourly(id, date, hour), *cost, 7 * DAY));
        }
        let used = !cmds.is_empty();
        for cmds in cmds.chunks(STEP) {
            self.run(cmds.to_vec()).await?;
        }
        self.fill_total(id, days.values().sum()).await?;
        Ok(used)
    }

    /// The total since ever, when there is none or zero.
    async fn fill_total(&self, id: &str, total: f64) -> Result<(), StoreError> {
        let key = keys::cost_total(id);
        if total <= 0.0 {
            return Ok(());
        }
        let stored = self.one(Cmd::new("GET").arg(&key)).await?.text()?;
        match stored.as_deref().map(|text| number::parse_float(text).unwrap_or(0.0)) {
            None => {
                let set = Cmd::new("SET").arg(key).arg(number::js(total)).arg("NX");
                self.one(set).await?;
            }
            // What Redis cannot count on from.
            Some(0.0) if !is_plain(stored.as_deref()) => {
                self.one(Cmd::new("SET").arg(key).arg(number::js(total))).await?;
            }
            // An increment: a request may be counted at this very moment.
            Some(0.0) => {
                self.one(Cmd::new("INCRBYFLOAT").arg(key).arg(number::js(total))).await?;
            }
            Some(_) => {}
        }
        Ok(())
    }
}

/// Whether Redis reads the same number as JavaScript does.
fn is_plain(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.parse::<f64>().is_ok())
}
