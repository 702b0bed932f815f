//! What a start makes of data that older versions left (contract/redis.md §j): the version step, the indexes
//! of usage, totals by model, groups of accounts. Each step knows by a mark whether it was done.

use std::collections::{BTreeMap, BTreeSet};

use compat::{
    clock::minute_number,
    keys, number,
    store::{Batch, Cmd, Reply, Scan, StoreError, accepted},
};

use super::{Done, Jobs, counted, joined, usage_of_day::Counter};

/// The first version that has the version step comes after this one.
const BEFORE_STEP: &str = "1.1.250";
const DAY: i64 = 86_400;
const DAILY_INDEX_LIFE: i64 = 32 * DAY;
const HOURLY_INDEX_LIFE: i64 = 7 * DAY;
/// Counters of one key and model in a month, and since ever.
const TOTALS: [&str; 5] =
    ["inputTokens", "outputTokens", "cacheCreateTokens", "cacheReadTokens", "requests"];

impl Jobs {
    /// All steps that are open.
    pub(super) async fn migrate(&self) -> Done {
        let version = self.step_version().await?;
        let months = self.complete_months().await?;
        let index = self.complete_usage_indexes().await?;
        let totals = self.complete_model_totals().await?;
        let groups = self.complete_groups().await?;
        Ok(joined([
            version,
            counted(months, "month added", "months added"),
            counted(index, "usage index entry added", "usage index entries added"),
            counted(totals, "total by model built", "totals by model built"),
            counted(groups, "group membership added", "group memberships added"),
        ]))
    }

    async fn step_version(&self) -> Result<Option<String>, StoreError> {
        let version = &self.0.settings.version;
        let stored = self.one(Cmd::new("GET").arg(keys::MIGRATED_VERSION)).await?.text()?;
        let stored = stored.filter(|text| !text.is_empty()).unwrap_or_else(|| "0.0.0".to_owned());
        if number_of(version) <= number_of(BEFORE_STEP) || number_of(version) <= number_of(&stored)
        {
            return Ok(None);
        }
        if self.one(Cmd::new("EXISTS").arg(keys::USAGE_TOTAL)).await?.int()? == 0 {
            self.sum_totals().await?;
        }
        self.remove_old_minutes().await?;
        self.one(Cmd::new("SET").arg(keys::MIGRATED_VERSION).arg(version)).await?;
        Ok(Some(format!("data of version {stored} is now that of {version}")))
    }

    /// Totals of everything, from the totals of each key.
    async fn sum_totals(&self) -> Result<(), StoreError> {
        const SUMS: [(&str, &[&str]); 6] = [
            ("requests", &["totalRequests", "requests"]),
            ("inputTokens", &["totalInputTokens", "inputTokens"]),
            ("outputTokens", &["totalOutputTokens", "outputTokens"]),
            ("cacheCreateTokens", &["totalCacheCreateTokens", "cacheCreateTokens"]),
            ("cacheReadTokens", &["totalCacheReadTokens", "cacheReadTokens"]),
            ("allTokens", &["totalAllTokens", "allTokens", "totalTokens"]),
        ];
        let ids = self.key_ids().await?;
        if ids.is_empty() {
            return Ok(());
        }
        let read = ids.iter().map(|id| Cmd::new("HGETALL").arg(keys::usage(id))).collect();
        let mut sums = [0_i64; SUMS.len()];
        for fields in self.run(read).await?.into_iter().filter_map(|reply| reply.map().ok()) {
            for (sum, (_, names)) in sums.iter_mut().zip(SUMS) {
                let text = names.iter().filter_map(|name| fields.get(*name));
                let text = text.into_iter().find(|text| !text.is_empty());
                *sum += text.and_then(|text| number::parse_int(text)).unwrap_or(0);
            }
        }
        // Requests may be counted at this very moment; and half of it would pass for all of it later.
        let mut add = Batch::atomic();
        for ((name, _), sum) in SUMS.iter().zip(sums) {
            add.push(Cmd::new("HINCRBY").arg(keys::USAGE_TOTAL).arg(*name).arg(sum));
        }
        accepted(&self.0.store.run(add).await?)
    }

    /// Minutes older than twice the window; they have an expiry of their own since long.
    async fn remove_old_minutes(&self) -> Result<(), StoreError> {
        let oldest = minute_number(self.now_ms()) - 2 * self.0.settings.metrics_window_minutes;
        let minutes = self.scan(&keys::minute_metrics("*")).await?;
        let old = minutes.iter().filter(|key| {
            let minute = key.rsplit(':').next().and_then(number::parse_int);
            minute.is_some_and(|minute| minute < oldest)
        });
        self.run(old.map(|key| Cmd::new("DEL").arg(key)).collect()).await?;
        Ok(())
    }

    /// Months that have usage by model and are not in the list of months. Looked at on every start.
    async fn complete_months(&self) -> Result<usize, StoreError> {
        let mut months = BTreeSet::new();
        let mut scan = Scan::new(keys::usage_model_monthly("*", "*"));
        while let Some(names) = scan.next(&*self.0.store).await? {
            let ends = names.iter().filter_map(|name| name.rsplit_once(':'));
            months.extend(ends.filter(|(_, at)| is_month(at)).map(|(_, at)| at.to_owned()));
        }
        if months.is_empty() {
            return Ok(0);
        }
        let added = self.one(Cmd::new("SADD").arg(keys::USAGE_MONTHS).args(&months)).await?;
        Ok(usize::try_from(added.int()?).unwrap_or(0))
    }

    async fn complete_usage_indexes(&self) -> Result<usize, StoreError> {
        if self.is_marked(keys::USAGE_INDEX_MIGRATED).await? {
            return Ok(0);
        }
        let mut added = 0;
        for pattern in ["usage:daily:*", "usage:hourly:*", "usage:model:*", "usage:*:model:*"] {
            let mut scan = Scan::new(pattern);
            while let Some(names) = scan.next(&*self.0.store).await? {
                let entries = names.iter().filter_map(|name| index_entry(name));
                let mut cmds = Vec::new();
                for (index, member, life) in entries {
                    cmds.push(Cmd::new("SADD").arg(&index).arg(member));
                    cmds.push(Cmd::new("DEL").arg(keys::empty_marker(&index)));
                    cmds.push(Cmd::new("EXPIRE").arg(index).arg(life));
                }
                let replies = self.run(cmds).await?;
                let adds = replies.iter().step_by(3);
                added += adds.filter(|reply| matches!(reply, Reply::Int(1))).count();
            }
        }
        self.mark(keys::USAGE_INDEX_MIGRATED).await?;
        Ok(added)
    }

    /// Totals since ever of each key and model are the sums of their months.
    async fn complete_model_totals(&self) -> Result<usize, StoreError> {
        if self.is_marked(keys::MODEL_TOTALS_MIGRATED).await? {
            return Ok(0);
        }
        let mut months: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut scan = Scan::new("usage:*:model:monthly:*:*");
        while let Some(names) = scan.next(&*self.0.store).await? {
            for name in names {
                if let Some(month) = Counter::parse(&name).filter(|c| c.period == "monthly") {
                    let total = keys::usage_key_model_total(month.key_id, month.model);
                    months.entry(total).or_default().insert(name);
                }
            }
        }
        let mut built = 0;
        for (total, months) in &months {
            // One look at all of them: a request counted meanwhile is in the months and in the total.
            let mut look = Batch::atomic();
            for name in months.iter().chain([total]) {
                look.push(Cmd::new("HMGET").arg(name).args(TOTALS));
            }
            let mut replies = self.0.store.run(look).await?;
            accepted(&replies)?;
            let numbers = |reply: Reply| {
                let texts = reply.texts().unwrap_or_default();
                texts.iter().map(|text| number::parse_int(text).unwrap_or(0)).collect::<Vec<_>>()
            };
            let stored = replies.pop().map(&numbers).unwrap_or_default();
            let mut sums = vec![0_i64; TOTALS.len()];
            for month in replies.into_iter().map(&numbers) {
                sums.iter_mut().zip(month).for_each(|(sum, n)| *sum += n);
            }
            let differences = TOTALS.iter().zip(sums.iter().zip(&stored));
            let add = differences.map(|(name, (sum, stored))| {
                Cmd::new("HINCRBY").arg(total).arg(*name).arg(sum - stored)
            });
            self.run(add.collect()).await?;
            built += 1;
        }
        self.mark(keys::MODEL_TOTALS_MIGRATED).await?;
        Ok(built)
    }

    /// Groups of each account, from the accounts of each group.
    async fn complete_groups(&self) -> Result<usize, StoreError> {
        let ready = self.one(Cmd::new("GET").arg(keys::GROUPS_OF_ACCOUNTS_READY)).await?.text()?;
        if ready.as_deref() == Some("true") {
            return Ok(0);
        }
        let mut added = 0;
        for group in self.one(Cmd::new("SMEMBERS").arg(keys::GROUPS)).await?.texts()? {
            let mut look = Batch::new();
            look.push(Cmd::new("HGET").arg(keys::group(&group)).arg("platform"));
            look.push(Cmd::new("SMEMBERS").arg(keys::group_members(&group)));
            let mut replies = self.0.store.run(look).await?.into_iter();
            let platform = replies.next().map(Reply::text).transpose()?.flatten();
            let Some(platform) = platform.filter(|platform| !platform.is_empty()) else { continue };
            let members = replies.next().map(Reply::texts).transpose()?.unwrap_or_default();
            let add = members.iter().map(|account| {
                let groups = keys::groups_of_account(&platform, account);
                Cmd::new("SADD").arg(groups).arg(&group)
            });
            for reply in self.run(add.collect()).await? {
                added += usize::try_from(reply.int()?).unwrap_or(0);
            }
        }
        self.one(Cmd::new("SET").arg(keys::GROUPS_OF_ACCOUNTS_READY).arg("true")).await?;
        Ok(added)
    }

    async fn is_marked(&self, mark: &str) -> Result<bool, StoreError> {
        let stored = self.one(Cmd::new("GET").arg(mark)).await?.text()?;
        Ok(stored.is_some_and(|text| !text.is_empty()))
    }

    async fn mark(&self, mark: &str) -> Result<(), StoreError> {
        self.one(Cmd::new("SET").arg(mark).arg(self.now_ms())).await.map(drop)
    }
}

/// Three numbers of a version; what is no number is 0.
fn number_of(version: &str) -> [u64; 3] {
    let mut parts = version.split('.').map(|part| part.trim().parse().unwrap_or(0));
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

fn is_month(text: &str) -> bool {
    text.len() == 7
        && text.bytes().enumerate().all(|(place, byte)| match place {
            4 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// Index, member and life of the index for the name of a counter of a day or an hour.
fn index_entry(name: &str) -> Option<(String, String, i64)> {
    if let Some(counter) = Counter::parse(name) {
        let member = format!("{}:{}", counter.key_id, counter.model);
        return match counter.period {
            "daily" => {
                Some((keys::usage_key_model_daily_index(counter.at), member, DAILY_INDEX_LIFE))
            }
            "hourly" => {
                let (date, hour) = counter.at.split_once(':')?;
                Some((keys::usage_key_model_hourly_index(date, hour), member, HOURLY_INDEX_LIFE))
            }
            _ => None,
        };
    }
    // The rest are named `usage:{period}:{key}:{at}` and `usage:model:{period}:{model}:{at}`: read as those
    // of a key and model, with one of the two made up.
    let of_model = name.strip_prefix("usage:model:").map(|rest| format!("usage:-:model:{rest}"));
    let rest = name.strip_prefix("usage:").unwrap_or_default();
    let of_key =
        rest.split_once(':').map(|(period, rest)| format!("usage:-:model:{period}:{rest}"));
    let by_model = of_model.is_some();
    let spelled = of_model.or(of_key)?;
    let counter = Counter::parse(&spelled)?;
    // Neither ids nor models of these have a colon; `index` is the index itself.
    if counter.model.contains(':') || counter.model == "index" {
        return None;
    }
    let member = counter.model.to_owned();
    let (date, hour) = counter.at.split_once(':').unwrap_or((counter.at, ""));
    match (counter.period, by_model) {
        ("daily", false) => Some((keys::usage_daily_index(date), member, DAILY_INDEX_LIFE)),
        ("daily", true) => Some((keys::usage_model_daily_index(date), member, DAILY_INDEX_LIFE)),
        ("hourly", false) => {
            Some((keys::usage_hourly_index(date, hour), member, HOURLY_INDEX_LIFE))
        }
        ("hourly", true) => {
            Some((keys::usage_model_hourly_index(date, hour), member, HOURLY_INDEX_LIFE))
        }
        _ => None,
    }
}
