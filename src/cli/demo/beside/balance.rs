//! The books at the end of act two: what clients were served, what the vendor was asked for, and what
//! Redis counts must be the same.

use std::collections::BTreeMap;

use compat::store::{Batch, Cmd, Reply};
use serde_json::{Value, json};

use super::{
    people::{KEYS, People},
    stage::{Stage, TOKENS},
    traffic::Books,
};
use crate::cli::demo::seed::Planted;

/// What Redis counts for a key and a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    requests: u64,
    input: u64,
    output: u64,
    cache_read: u64,
    /// Millionths of a dollar.
    cost: u64,
}

/// Price of one message by model, in millionths of a dollar, as Node booked it.
pub(super) type Prices = BTreeMap<&'static str, u64>;

/// What Node alone has booked for one message of each model.
///
/// # Errors
/// When Redis does not answer, or does not count what was served in time.
pub(super) async fn prices(stage: &Stage, books: &Books) -> anyhow::Result<Prices> {
    let counted = settled(stage, books).await?;
    let prices = counted.iter().map(|((_, model), counted)| {
        anyhow::ensure!(counted.requests > 0, "nothing is booked for {model}");
        Ok((*model, counted.cost / counted.requests))
    });
    prices.collect()
}

/// Compares everything; returns the totals for machines.
///
/// # Errors
/// With what does not fit.
pub(super) async fn check(stage: &Stage, books: &Books, prices: &Prices) -> anyhow::Result<Value> {
    let counted = settled(stage, books).await?;
    let mut total = Counted::default();
    for (&(key, model), &served) in &books.served {
        let found = counted.get(&(key, model)).copied().unwrap_or_default();
        let price = prices.get(model).copied().unwrap_or_default();
        // Node was told to book too much for one key.
        let cost = if key == KEYS { found.cost } else { served * price };
        let due = Counted {
            requests: served,
            input: served * TOKENS.input,
            output: served * TOKENS.output,
            cache_read: served * TOKENS.cache_read,
            cost,
        };
        anyhow::ensure!(
            found == due,
            "key {} and {model}: Redis counts {found:?}, clients were served {due:?}",
            key + 1
        );
        total.requests += found.requests;
        total.input += found.input;
        total.output += found.output;
        total.cache_read += found.cache_read;
        total.cost += found.cost;
    }
    let [by_node, by_crs] = stage.asked();
    anyhow::ensure!(
        by_node + by_crs == books.asked,
        "the vendor was asked {by_node} times by Node and {by_crs} times by crs, for {} messages",
        books.asked
    );
    let slots = slots(stage).await?;
    anyhow::ensure!(slots == 0, "{slots} slots of keys were not given back");
    Ok(json!({
        "served": total.requests,
        "askedByNode": by_node,
        "askedByCrs": by_crs,
        "refusedByVendor": books.asked - total.requests,
        "inputTokens": total.input,
        "outputTokens": total.output,
        "cacheReadTokens": total.cache_read,
        "costMicroDollars": total.cost,
        "slotsLeft": slots,
    }))
}

/// What Redis counts once it counts as many requests as were served, no more and no less, and no slot is
/// taken.
async fn settled(
    stage: &Stage,
    books: &Books,
) -> anyhow::Result<BTreeMap<(usize, &'static str), Counted>> {
    let served = books.served();
    stage
        .until("Redis to count what was served", async || {
            let total = Cmd::new("HGET").args(["usage:global:total", "requests"]);
            let total = number(&run(stage, total.into()).await?[0]);
            anyhow::ensure!(total <= served, "{total} messages are counted, {served} were served");
            Ok(total == served && slots(stage).await? == 0)
        })
        .await?;
    let mut counted = BTreeMap::new();
    for &(key, model) in books.served.keys() {
        let id = &of_number(&stage.people, key).id;
        let fields =
            ["requests", "inputTokens", "outputTokens", "cacheReadTokens", "realCostMicro"];
        let name = format!("usage:{id}:model:alltime:{model}");
        let replies = run(stage, Cmd::new("HMGET").arg(name).args(fields).into()).await?;
        let Some(Reply::Array(found)) = replies.into_iter().next() else {
            anyhow::bail!("Redis gives no list");
        };
        let found: Vec<u64> = found.iter().map(number).collect();
        let [requests, input, output, cache_read, cost] = found[..] else {
            anyhow::bail!("Redis gives too few fields");
        };
        counted.insert((key, model), Counted { requests, input, output, cache_read, cost });
    }
    Ok(counted)
}

/// Slots of keys that are taken.
async fn slots(stage: &Stage) -> anyhow::Result<u64> {
    let mut batch = Batch::new();
    for number in 0..=KEYS {
        let id = &of_number(&stage.people, number).id;
        batch.push(Cmd::new("ZCARD").arg(format!("concurrency:{id}")));
    }
    Ok(run(stage, batch).await?.iter().map(number).sum())
}

fn of_number(people: &People, number: usize) -> &Planted {
    people.keys.get(number).unwrap_or(&people.clumsy)
}

async fn run(stage: &Stage, batch: Batch) -> anyhow::Result<Vec<Reply>> {
    Ok(stage.store.run(batch).await?)
}

fn number(reply: &Reply) -> u64 {
    match reply {
        Reply::Int(number) => u64::try_from(*number).unwrap_or_default(),
        other => {
            other.clone().text().ok().flatten().and_then(|text| text.parse().ok()).unwrap_or(0)
        }
    }
}
