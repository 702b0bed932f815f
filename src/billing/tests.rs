//! The net change in Redis against recordings of the legacy service (`compat/vectors/usage`).

use std::{fs, path::Path, sync::Arc};

use bytes::Bytes;
use compat::{
    keys::AccountKind,
    store::{Batch, Cmd, Store},
    testing::{TestRedis, dump},
    usage::{Ledger, LedgerConfig, UsageSettings},
};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::*;
use crate::domain::{AccountId, CacheSplit, TokenUsage};

/// Seconds by which a life may have shrunk between writing and looking.
const TTL_SLACK: i64 = 20;

#[tokio::test]
async fn net_changes_equal_those_of_the_legacy_service() {
    let redis = TestRedis::spawn();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("compat/vectors/usage");
    let mut seen = 0;
    for file in fs::read_dir(dir).unwrap() {
        let recording: Value =
            serde_json::from_str(&fs::read_to_string(file.unwrap().path()).unwrap()).unwrap();
        let found = replay(&redis, &recording).await;
        assert!(found.is_empty(), "{}: {found:#?}", recording["name"]);
        seen += 1;
    }
    assert!(seen >= 26, "only {seen} recordings");
}

/// Further recordings, freshly made with a legacy service: files named by `CRS_USAGE_RECORDINGS`, with
/// commas between, one recording a line.
#[tokio::test]
async fn extra_recordings_are_met_when_given() {
    let Ok(files) = std::env::var("CRS_USAGE_RECORDINGS") else { return };
    let redis = TestRedis::spawn();
    for file in files.split(',') {
        let (mut all, mut differing) = (0, Vec::new());
        for line in fs::read_to_string(file).unwrap().lines() {
            let recording: Value = serde_json::from_str(line).unwrap();
            let found = replay(&redis, &recording).await;
            all += 1;
            differing.extend((!found.is_empty()).then(|| json!([found, recording["name"]])));
        }
        let agreed = all - differing.len();
        let first: Vec<String> = differing.iter().take(5).map(Value::to_string).collect();
        assert!(
            all > 0 && first.is_empty(),
            "{agreed} of {all} agree in {file}; first: {first:#?}"
        );
    }
}

/// Books what a recording tells and says what then differs. `prices` in one is the price file.
async fn replay(redis: &TestRedis, recording: &Value) -> Vec<String> {
    let store = Arc::new(redis.store());
    let mut seed = Batch::from(Cmd::new("FLUSHALL"));
    for line in recording["seed"].as_array().unwrap() {
        seed.push(Cmd::Words(
            line.as_array().unwrap().iter().map(|word| bytes_of(word.as_str().unwrap())).collect(),
        ));
    }
    store.run(seed).await.unwrap();

    let dir = std::env::temp_dir().join(format!("crs-billing-{}", uuid::Uuid::new_v4()));
    let ledger = Ledger::open(LedgerConfig::new(&dir), UsageSettings::default(), store.clone());
    let ledger = Arc::new(ledger.unwrap());
    let books = Arc::clone(&ledger) as Arc<dyn Books>;
    let prices = recording["prices"].as_str().map_or_else(PriceBook::built_in, |text| {
        fs::write(dir.join("model_pricing.json"), text).unwrap();
        PriceBook::open(&dir)
    });
    let billing = Billing::new(Arc::new(prices), books);
    billing.refresh_rates(store.as_ref()).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let work = async {
        let recorded = record(&billing, store.as_ref(), recording).await;
        billing.settled(recorded.ticket).await;
        stop.send(()).unwrap();
        recorded
    };
    let (recorded, ()) = tokio::join!(
        work,
        ledger.run(async {
            let _ = stopped.await;
        })
    );
    fs::remove_dir_all(dir).unwrap();

    let mut found = Vec::new();
    for (what, ours) in [("realCost", recorded.real_cost), ("ratedCost", recorded.rated_cost)] {
        let theirs = match &recording["returned"][what] {
            Value::Number(number) => number.to_string().parse().unwrap(),
            _ => f64::NAN,
        };
        if ours != theirs && !(ours.is_nan() && theirs.is_nan()) {
            found.push(format!("{what} is {ours}, not {theirs}"));
        }
    }
    found.extend((ledger.status().refused > 0).then(|| "a write was refused".to_owned()));
    let mut ours = dump(store.as_ref()).await;
    star_event_ids(&mut ours);
    compare(&ours, &recording["dump"], &mut found);
    found
}

async fn record(billing: &Billing, store: &dyn Store, recording: &Value) -> Recorded {
    let call = &recording["call"];
    let key_id = call["keyId"].as_str().unwrap();
    let fields = store.run(Cmd::new("HGETALL").arg(format!("apikey:{key_id}")).into()).await;
    let fields = fields.unwrap().remove(0).map().unwrap();
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    let rates = KeyRates::parse(field("serviceRates"));
    let usage = &call["usage"];
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let tokens = TokenUsage {
        input: count(&usage["input_tokens"]),
        output: count(&usage["output_tokens"]),
        cache_create: count(&usage["cache_creation_input_tokens"]),
        cache_read: count(&usage["cache_read_input_tokens"]),
        split: usage.get("cache_creation").map(|split| CacheSplit {
            ephemeral_5m: count(&split["ephemeral_5m_input_tokens"]),
            ephemeral_1h: count(&split["ephemeral_1h_input_tokens"]),
        }),
        ..TokenUsage::default()
    };
    let account = call["accountId"].as_str().map(AccountId::from);
    let kind = call["accountType"].as_str().map(|kind| AccountKind::parse(kind).unwrap());
    let meta = &call["meta"];
    let now = recording["now_ms"].as_i64().unwrap();
    let body = serde_json::to_vec(&call["body"]).unwrap();
    billing.record(&UsageRecord {
        key: BilledKey {
            id: key_id,
            name: field("name"),
            user_id: field("userId"),
            rates: &rates,
            weekly_reset_day: field("weeklyResetDay").parse().unwrap_or(1),
            weekly_reset_hour: field("weeklyResetHour").parse().unwrap_or(0),
        },
        account: account.as_ref().zip(kind).map(|(id, kind)| BilledAccount { id, kind }),
        model: call["model"].as_str().unwrap(),
        tokens: &tokens,
        recording: match call["recording"].as_str().unwrap() {
            "detailed" => Recording::Detailed,
            _ => Recording::Simple,
        },
        request: RequestFacts {
            id: meta["requestId"].as_str().unwrap(),
            endpoint: meta["endpoint"].as_str().unwrap(),
            method: meta["method"].as_str().unwrap(),
            status: meta["statusCode"].as_u64().and_then(|n| n.try_into().ok()).unwrap(),
            stream: meta["stream"].as_bool().unwrap(),
            started_at_ms: now - meta["startedMsAgo"].as_i64().unwrap(),
        },
        finished_at_ms: now,
        anthropic_beta: usage["request_anthropic_beta"].as_str(),
        request_speed: usage["request_speed"].as_str(),
        service_tier: call["serviceTier"].as_str(),
        zero_split_counts: call["zeroSplit"] == json!(true),
        window_create: None,
        rate_window: call["window"] == json!(true),
        detail: call.get("detail").map(|detail| DetailRequest {
            retention_hours: detail["hours"].as_i64().unwrap(),
            body_preview: detail["preview"].as_bool().unwrap(),
            body: &body,
        }),
    })
}

/// Event ids end in random letters.
fn star_event_ids(dump: &mut Value) {
    if let Some(entries) = dump.pointer_mut("/billing:events/value").and_then(Value::as_array_mut) {
        for text in entries.iter_mut().filter_map(|entry| entry.get_mut(1)) {
            *text = star_event_id(text.as_str().unwrap()).into();
        }
    }
}

fn star_event_id(text: &str) -> String {
    let Some(rest) = text.strip_prefix(r#"{"eventId":""#) else { return text.to_owned() };
    let (id, rest) = rest.split_once('"').unwrap();
    let (time, random) = id.split_once('-').unwrap();
    assert!(
        random.len() == 9 && random.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    );
    format!(r#"{{"eventId":"{time}-*"{rest}"#)
}

fn compare(ours: &Value, theirs: &Value, found: &mut Vec<String>) {
    let (ours, theirs) = (ours.as_object().unwrap(), theirs.as_object().unwrap());
    for (key, theirs) in theirs {
        let Some(ours) = ours.get(key) else {
            found.push(format!("{key} is missing: {theirs}"));
            continue;
        };
        for what in ["type", "value"] {
            let (ours, theirs) = (&ours[what], &theirs[what]);
            if ours != theirs {
                found.push(format!("{what} of {key} is {ours}, not {theirs}"));
            }
        }
        let life = |entry: &Value| entry["ttl"].as_i64().unwrap();
        let (ours, theirs) = (life(ours), life(theirs));
        if !(ours == theirs || (ours > 0 && (0..=TTL_SLACK).contains(&(theirs - ours)))) {
            found.push(format!("life of {key} is {ours}, not {theirs}"));
        }
    }
    let extra = ours.keys().filter(|key| !theirs.contains_key(*key));
    found.extend(extra.map(|key| format!("{key} should not be there")));
}

fn bytes_of(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
