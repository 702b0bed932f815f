//! What each key used and cost.

use compat::{
    clock::LocalCalendar,
    keys,
    number::js,
    store::{Batch, Cmd, RedisStore, Reply, Store},
};
use serde_json::{Value, json};

use super::super::Output;

/// Keys read in one round trip.
const CHUNK: usize = 200;
/// Replies per key.
const PER_KEY: usize = 5;

/// One key.
struct Row {
    id: String,
    name: String,
    active: bool,
    requests: i64,
    tokens: i64,
    cost_today: f64,
    cost: f64,
    real_cost: f64,
}

/// All keys, summed up, and the most expensive.
pub(super) struct Usage {
    keys: usize,
    requests: i64,
    tokens: i64,
    cost_today: f64,
    cost: f64,
    rows: Vec<Row>,
}

impl Usage {
    /// Reads counters of every key that can be presented; keeps `limit` rows.
    pub(super) async fn read(
        store: &RedisStore,
        calendar: LocalCalendar,
        now_ms: i64,
        limit: usize,
    ) -> anyhow::Result<Self> {
        let today = calendar.date(now_ms);
        let listed = Cmd::new("HVALS").arg(keys::API_KEY_MAP);
        let mut ids = match store.run(listed.into()).await?.into_iter().next() {
            Some(reply) => reply.texts().unwrap_or_default(),
            None => Vec::new(),
        };
        ids.sort();
        ids.dedup();
        let mut rows = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let mut batch = Batch::new();
            for id in chunk {
                batch.push(Cmd::new("HMGET").arg(keys::api_key(id)).args(["name", "isActive"]));
                let counters = ["totalRequests", "totalAllTokens", "totalTokens"];
                batch.push(Cmd::new("HMGET").arg(keys::usage(id)).args(counters));
                batch.push(Cmd::new("GET").arg(keys::cost_daily(id, &today)));
                batch.push(Cmd::new("GET").arg(keys::cost_total(id)));
                batch.push(Cmd::new("GET").arg(keys::real_cost_total(id)));
            }
            let replies = store.run(batch).await?;
            let mut replies = replies.into_iter();
            for id in chunk {
                let read: Vec<Reply> = replies.by_ref().take(PER_KEY).collect();
                rows.push(Row::from_replies(id, read));
            }
        }
        rows.sort_by(|a, b| {
            b.cost.total_cmp(&a.cost).then(b.requests.cmp(&a.requests)).then(a.name.cmp(&b.name))
        });
        let mut usage = Self {
            keys: rows.len(),
            requests: rows.iter().map(|row| row.requests).sum(),
            tokens: rows.iter().map(|row| row.tokens).sum(),
            cost_today: rows.iter().map(|row| row.cost_today).sum(),
            cost: rows.iter().map(|row| row.cost).sum(),
            rows,
        };
        usage.rows.truncate(limit);
        Ok(usage)
    }

    pub(super) fn show(&self, output: &Output) {
        output.line(&format!(
            "keys      {}, {} requests, {} tokens, {} today, {} in all",
            self.keys,
            self.requests,
            self.tokens,
            dollars(self.cost_today),
            dollars(self.cost)
        ));
        if self.rows.is_empty() {
            return;
        }
        output.line("");
        output.line(&format!(
            "{:<28} {:>9} {:>14} {:>12} {:>12}",
            "key", "requests", "tokens", "today", "cost"
        ));
        for row in &self.rows {
            let state = if row.active { "" } else { " (off)" };
            let name: String = format!("{}{state}", row.name).chars().take(28).collect();
            output.line(&format!(
                "{name:<28} {:>9} {:>14} {:>12} {:>12}",
                row.requests,
                row.tokens,
                dollars(row.cost_today),
                dollars(row.cost)
            ));
        }
        if self.keys > self.rows.len() {
            output.line(&format!("… and {} more (--all)", self.keys - self.rows.len()));
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "id": row.id,
                    "name": row.name,
                    "active": row.active,
                    "requests": row.requests,
                    "tokens": row.tokens,
                    "costToday": row.cost_today,
                    "cost": row.cost,
                    "realCost": row.real_cost,
                })
            })
            .collect();
        json!({
            "keys": self.keys,
            "requests": self.requests,
            "tokens": self.tokens,
            "costToday": self.cost_today,
            "cost": self.cost,
            "rows": rows,
        })
    }
}

impl Row {
    fn from_replies(id: &str, replies: Vec<Reply>) -> Self {
        let mut replies = replies.into_iter();
        let mut next = || replies.next().unwrap_or(Reply::Nil);
        let record = next().texts().unwrap_or_default();
        let counters = next().texts().unwrap_or_default();
        let counter = |at: usize| counters.get(at).and_then(|text| text.parse().ok());
        let mut amount =
            || next().text().ok().flatten().and_then(|text| text.parse().ok()).unwrap_or(0.0);
        Self {
            id: id.to_owned(),
            name: record.first().cloned().unwrap_or_default(),
            active: record.get(1).is_some_and(|flag| flag == "true"),
            requests: counter(0).unwrap_or(0),
            tokens: counter(1).or_else(|| counter(2)).unwrap_or(0),
            cost_today: amount(),
            cost: amount(),
            real_cost: amount(),
        }
    }
}

/// Small amounts matter here: six places, or none when there is nothing.
fn dollars(amount: f64) -> String {
    if amount == 0.0 || amount >= 100.0 {
        format!("${}", js((amount * 100.0).round() / 100.0))
    } else {
        format!("${amount:.6}")
    }
}
