use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{
    catalogue::Catalogue,
    date::date_ms,
    keys,
    number::parse_float,
    store::{Batch, Cmd, Store},
    testing::{TestRedis, dump},
};

/// An event of the test key.
pub(crate) fn sample(at_ms: i64) -> UsageEvent {
    UsageEvent {
        at_ms,
        key: KeyRef {
            id: "key-1".into(),
            name: Some("Team".into()),
            user_id: None,
            weekly_reset_day: 1,
            weekly_reset_hour: 0,
        },
        account_id: Some("account-1".into()),
        account_type: Some("claude-official".into()),
        model: "claude-sonnet-4-20250514".into(),
        recording: Recording::Detailed,
        tokens: TokenCounts { input: 10, output: 5, ..TokenCounts::default() },
        long_context: false,
        cost: CostBreakdown { total: 0.000105, input: 0.00003, ..CostBreakdown::default() },
        rated: 0.000105,
        window: None,
        meta: None,
        detail: None,
    }
}

fn events() -> impl Strategy<Value = Vec<UsageEvent>> {
    let start = date_ms("2026-07-23T15:59:59.000Z").unwrap();
    let one = (
        (0_i64..4_000, 0..2_usize, 0..3_usize, 0..3_usize),
        (0_i64..1000, 0_i64..3, 0_i64..50, any::<bool>(), any::<bool>()),
        (0_u32..200_000, 0_u32..4),
    );
    let event = one.prop_map(move |(who, tokens, (micro, rate))| {
        let (at, key, model, account) = who;
        let (input, output, cache, simple, long) = tokens;
        let real = f64::from(micro) / 7e6;
        let mut event = sample(start + at);
        event.key.id = format!("key-{key}");
        event.model = ["claude-opus-4-6", "gpt-5:latest", "x-v1:0"][model].into();
        event.account_id = (account > 0).then(|| format!("account-{account}"));
        event.tokens = TokenCounts { input, output, cache_read: cache, ..TokenCounts::default() };
        event.recording = if simple { Recording::Simple } else { Recording::Detailed };
        event.long_context = long;
        event.cost.total = real;
        event.rated = real * f64::from(rate);
        event.window = long.then_some(WindowCharge { tokens: input, cost: real });
        event.detail =
            simple.then(|| DetailCapture { ttl_seconds: 3600, ..DetailCapture::default() });
        event.meta = Some(RequestMeta {
            request_id: Some(format!("r{at}")),
            started_at_ms: Some(start),
            ..RequestMeta::default()
        });
        event
    });
    proptest::collection::vec(event, 1..40)
}

/// Merging must not show: the same events one by one and all at once end in the same database. Sums of
/// money may differ by Redis' own rounding.
#[test]
fn a_merged_change_equals_the_single_ones() {
    let redis = TestRedis::spawn();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let settings = UsageSettings::default();
    let config =
        ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(events in events())| {
        let (single, merged) = runtime.block_on(async {
            let store = redis.store();
            let mut dumps = Vec::new();
            for size in [1, events.len()] {
                let seed = ["key-0", "key-1"].map(|key| {
                    Cmd::new("HSET").arg(format!("apikey:{key}")).args(["id", key])
                });
                let mut batch = Batch::from(Cmd::new("FLUSHALL"));
                batch.cmds.extend(seed);
                store.run(batch).await.unwrap();
                for some in events.chunks(size) {
                    let mut set = WriteSet::default();
                    some.iter().for_each(|event| set.add(event, &settings));
                    let batch: Batch = set.change(&settings).commands().into_iter().collect();
                    store.run(batch).await.unwrap();
                }
                dumps.push(dump(&store).await);
            }
            (dumps.remove(0), dumps.remove(0))
        });
        let (single, merged) = (single.as_object().unwrap(), merged.as_object().unwrap());
        prop_assert_eq!(single.keys().collect::<Vec<_>>(), merged.keys().collect::<Vec<_>>());
        for (key, one) in single {
            let all = &merged[key];
            prop_assert_eq!(&one["type"], &all["type"]);
            let lives = [&one["ttl"], &all["ttl"]].map(|ttl| ttl.as_i64().unwrap());
            prop_assert!((lives[0] - lives[1]).abs() <= 5, "{} lives {:?}", key, lives);
            if one["type"] == "string" && !key.starts_with("request_detail:") {
                let sums = [one, all].map(|e| parse_float(e["value"].as_str().unwrap()).unwrap());
                prop_assert!((sums[0] - sums[1]).abs() < 1e-15, "{} is {:?}", key, sums);
            } else if one["type"] == "stream" {
                let count = |entry: &Value| entry["value"].as_array().unwrap().len();
                prop_assert_eq!(count(one), count(all));
            } else {
                prop_assert_eq!(&one["value"], &all["value"], "{}", key);
            }
        }
    });
}

#[test]
fn many_requests_share_commands() {
    let settings = UsageSettings::default();
    let mut set = WriteSet::default();
    for n in 0..280_i64 {
        let mut event = sample(1_784_822_400_000 + n);
        event.key.id = format!("key-{}", n % 8);
        event.account_id = Some(format!("account-{}", n % 3));
        set.add(&event, &settings);
    }
    let commands = set.change(&settings).commands().len();
    assert!(commands < 280 * 20, "{commands} commands for 280 requests");
}

/// Every key that is written is in the catalogue, with the type that the command needs.
#[test]
fn only_known_keys_are_written() {
    let settings = UsageSettings::default();
    let mut event = sample(1_784_822_400_000);
    event.window = Some(WindowCharge { tokens: 1, cost: 0.5 });
    event.detail = Some(DetailCapture { ttl_seconds: 3600, ..DetailCapture::default() });
    event.long_context = true;
    let mut set = WriteSet::default();
    set.add(&event, &settings);
    let catalogue = Catalogue::new();
    let mut patterns = std::collections::BTreeSet::new();
    for cmd in set.change(&settings).commands() {
        let (name, args) = match &cmd {
            Cmd::Words(words) => (cmd.name(), &words[1..]),
            Cmd::Script { keys, args, .. } => ("touch", &args[..*keys]),
        };
        let many = matches!(name, "DEL" | "touch");
        for key in args.iter().take(if many { args.len() } else { 1 }) {
            let key = std::str::from_utf8(key).unwrap();
            let entry = catalogue.classify(key).unwrap_or_else(|| panic!("unknown key {key}"));
            let kind = match name {
                "HINCRBY" => "hash",
                "SADD" => "set",
                "ZADD" => "zset",
                "LPUSH" | "LTRIM" => "list",
                "XADD" => "stream",
                "INCRBY" | "INCRBYFLOAT" | "SET" | "DEL" => "string",
                _ => entry.kind,
            };
            assert_eq!(entry.kind, kind, "{name} {key}");
            patterns.insert(entry.pattern);
        }
    }
    assert!(patterns.len() > 50, "{}", patterns.len());
    for entry in catalogue.entries() {
        assert_eq!(entry.pattern.starts_with(keys::OWN_NAMESPACE), entry.area == "crs");
    }
}

#[tokio::test]
async fn a_key_keeps_its_newest_records() {
    let redis = TestRedis::spawn();
    let store = redis.store();
    let settings = UsageSettings::default();
    let mut set = WriteSet::default();
    (0..950).for_each(|n| set.add(&sample(n), &settings));
    let batch: Batch = set.change(&settings).commands().into_iter().collect();
    store.run(batch).await.unwrap();
    let range = Cmd::new("LRANGE").arg("usage:records:key-1").args(["0", "-1"]);
    let records = store.run(range.into()).await.unwrap().remove(0).texts().unwrap();
    assert_eq!(records.len(), 200);
    assert!(records[0].contains("00:00:00.949Z") && records[199].contains("00:00:00.750Z"));
}

#[tokio::test]
async fn the_last_use_is_noted_without_reviving_or_going_back() {
    let redis = TestRedis::spawn();
    let store = redis.store();
    let settings = UsageSettings::default();
    let note = async |at_ms: i64| {
        let mut set = WriteSet::default();
        set.add(&sample(at_ms), &settings);
        let batch: Batch = set.change(&settings).commands().into_iter().collect();
        store.run(batch).await.unwrap();
    };
    let noted = async || {
        let mut batch = Batch::from(Cmd::new("HGETALL").arg("apikey:key-1"));
        batch.push(Cmd::new("ZSCORE").arg("apikey:idx:lastUsedAt").arg("key-1"));
        let mut replies = store.run(batch).await.unwrap();
        (replies.pop().unwrap().text().unwrap(), replies.pop().unwrap().map().unwrap())
    };
    note(5_000).await;
    let (score, record) = noted().await;
    assert!(score.is_none() && record.is_empty(), "a deleted key stays deleted");

    let seed = Cmd::new("HSET").arg("apikey:key-1").args(["isActive", "false", "lastUsedAt", ""]);
    store.run(seed.into()).await.unwrap();
    note(5_000).await;
    note(3_000).await;
    let (score, record) = noted().await;
    assert_eq!(score.as_deref(), Some("5000"));
    assert_eq!(record["lastUsedAt"], "1970-01-01T00:00:05.000Z");
    assert_eq!(record["isActive"], "false", "no other field is written");
}

#[tokio::test]
async fn statistics_match_the_legacy_vectors() {
    let redis = TestRedis::spawn();
    let store = redis.store();
    let file: Value = serde_json::from_str(include_str!("../../vectors/usage-stats.json")).unwrap();
    for vector in file["vectors"].as_array().unwrap() {
        let input = &vector["input"];
        let mut seed = Batch::from(Cmd::new("FLUSHALL"));
        for line in input["seed"].as_array().unwrap() {
            let words = line.as_array().unwrap().iter();
            seed.push(Cmd::Words(
                words.map(|word| Bytes::from(word.as_str().unwrap().to_owned())).collect(),
            ));
        }
        store.run(seed).await.unwrap();
        let shown = async |records| {
            let calendar = LocalCalendar::new(8);
            let now = input["now_ms"].as_i64().unwrap();
            let options = StatsOptions { records };
            usage_stats(&store, calendar, now, "k1", options).await.unwrap().to_string()
        };
        assert_eq!(shown(Some(20)).await, vector["expected"], "{}", vector["name"]);
        assert_eq!(shown(None).await, vector["without_records"], "{}", vector["name"]);
    }
}

#[test]
fn events_keep_their_amounts_and_lose_their_prompts() {
    let mut event = sample(1);
    event.rated = 0.1 + 0.2;
    event.cost.total = f64::MIN_POSITIVE;
    event.window = Some(WindowCharge { tokens: 3, cost: 1e-300 });
    event.detail = Some(DetailCapture {
        ttl_seconds: 3600,
        reasoning: Some(("high".into(), "reasoning.effort".into())),
        body_snapshot: Some(r#"{"messages":"hidden prompt"}"#.into()),
    });
    let text = serde_json::to_string(&event).unwrap();
    assert!(!text.contains("hidden"));
    let read: UsageEvent = serde_json::from_str(&text).unwrap();
    if let Some(detail) = &mut event.detail {
        detail.body_snapshot = None;
    }
    assert_eq!(read, event);
}
