//! The shape of net changes.

use serde_json::{Value as Json, json};

use super::{
    super::{MapBase, NetChange, Value},
    *,
};

/// Runs `before` to make a base, then `after` over it.
async fn change(before: &[&str], after: &[&str]) -> Json {
    let first = empty();
    run(&first, before).await;
    let base: MapBase = first.base();
    let memory = over(base);
    for reply in run(&memory, after).await {
        assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
    }
    let changes = memory.changes();
    let json = changes.to_json();
    assert_eq!(serde_json::from_value::<NetChange>(json.clone()).unwrap(), changes);
    json
}

impl Memory {
    /// What it holds, as a base.
    fn base(&self) -> MapBase {
        let engine = self.engine.lock();
        let keys = engine.keys.slots().filter_map(|(key, slot)| {
            let entry = slot.now.as_ref()?;
            let ttl_ms = entry.expiry.map(|expiry| expiry.at - NOW);
            let value = Value::clone(&entry.value);
            Some((key.clone(), super::super::Loaded::Value { value, ttl_ms }))
        });
        keys.collect()
    }
}

#[tokio::test]
async fn strings() {
    let before =
        ["SET n 10", "SET t old", "SET gone 1", "SET f 0.1", "SET life x EX 5", "SET same s"];
    let after = [
        "INCRBY n 5",
        "SET t new",
        "DEL gone",
        "INCRBYFLOAT f 0.2",
        "SET life x",
        "SET same s",
        "SET made 3",
        "SET hash 007",
        "SET lock a PX 5000 NX",
        "SET brief b",
        "DEL brief",
    ];
    let expected = json!({
        "n": {"type": "string", "value": {"+": 5}},
        "t": {"type": "string", "value": {"=": "new"}},
        "gone": {"type": "string", "is": "deleted"},
        "f": {"type": "string", "value": {"+": serde_json::from_str::<Json>("0.2").unwrap()}},
        "life": {"type": "string", "ttl": -1},
        "made": {"type": "string", "is": "created", "value": {"+": 3}},
        "hash": {"type": "string", "is": "created", "value": {"=": "007"}},
        "lock": {"type": "string", "is": "created", "value": {"=": "a"}, "ttl": 5000},
    });
    assert_eq!(change(&before, &after).await, expected);
}

#[tokio::test]
async fn hashes_and_sets() {
    let before = ["HSET h total 100 at then old 1 same s", "SADD s a b", "ZADD z 1 a 2 b 3 c"];
    let after = [
        "HINCRBY h total 23",
        "HSET h at now same s cost 1.5",
        "HDEL h old",
        "EXPIRE h 2592000",
        "SADD s b c",
        "SREM s a",
        "ZADD z 5 a 2 b",
        "ZREM z c",
        "ZADD z 0.25 d",
    ];
    let expected = json!({
        "h": {"type": "hash", "fields": {
            "at": {"=": "now"},
            "cost": {"+": serde_json::from_str::<Json>("1.5").unwrap()},
            "old": {"-": true},
            "total": {"+": 23},
        }, "ttl": 2_592_000_000_i64},
        "s": {"type": "set", "members": {"a": {"-": true}, "c": {"=": true}}},
        "z": {"type": "zset", "members": {"a": {"=": 5}, "c": {"-": true}, "d": {"=": 0.25}}},
    });
    let got = change(&before, &after).await;
    assert_eq!(got.to_string(), expected.to_string());
}

#[tokio::test]
async fn lists_and_streams() {
    let before = ["RPUSH l a b c", "RPUSH q 1 2", "RPUSH gone x", "XADD e 1-1 data old"];
    let after = [
        "LPUSH l y",
        "LPUSH l z",
        "LTRIM l 0 3",
        "RPUSH q 3",
        "DEL gone",
        "RPUSH gone y",
        "XADD e * data new",
        "RPUSH made m",
    ];
    let expected = json!({
        "l": {"type": "list", "head": ["z", "y"], "cut": {"tail": 1}},
        "q": {"type": "list", "tail": ["3"]},
        "gone": {"type": "list", "head": ["y"], "cut": {"head": 1}},
        "e": {"type": "stream", "added": [{"data": "new"}]},
        "made": {"type": "list", "is": "created", "head": ["m"]},
    });
    assert_eq!(change(&before, &after).await, expected);
}

#[tokio::test]
async fn what_ends_as_it_began_is_no_change() {
    let before = ["SET a 1", "HSET h f 1", "SADD s a", "RPUSH l a"];
    let after = [
        "INCR a",
        "DECR a",
        "HINCRBY h f 2",
        "HINCRBY h f -2",
        "SREM s a",
        "SADD s a",
        "RPUSH l b",
        "RPOP l",
        "SET t 1",
        "DEL t",
    ];
    assert_eq!(change(&before, &after).await, json!({}));
    let replaced = change(&["SET a 1 EX 9"], &["DEL a", "SADD a m"]).await;
    let expected =
        json!({"a": {"type": "set", "is": "replaced", "members": {"m": {"=": true}}, "ttl": -1}});
    assert_eq!(replaced, expected);
}

#[tokio::test]
async fn the_order_of_additions_does_not_show() {
    let before = ["SET cost 1234.56"];
    let one = change(&before, &["INCRBYFLOAT cost 0.1", "INCRBYFLOAT cost 0.0000123"]).await;
    let other = change(&before, &["INCRBYFLOAT cost 0.1000123"]).await;
    assert_eq!(one, other);
    assert_eq!(one["cost"]["value"]["+"].to_string(), "0.1000123");
}

#[tokio::test]
async fn the_present_moment_is_a_change_whoever_was_there_before() {
    let same = [
        "HSET record at 2026-03-01T12:00:00.000Z then 2026-02-28T12:00:00.000Z",
        "ZADD index 1772366400000 now 5 five",
    ];
    let changes = change(&same, &same).await;
    assert_eq!(changes["record"]["fields"], json!({ "at": { "=": "2026-03-01T12:00:00.000Z" } }));
    assert_eq!(changes["index"]["members"], json!({ "now": { "=": 1_772_366_400_000_i64 } }));
}

#[tokio::test]
async fn a_run_that_writes_late_counts_moments_since_its_start() {
    for late in [false, true] {
        let first = empty();
        let write = ["HSET record at 2026-03-01T12:00:00.000Z then 2026-02-28T12:00:00.000Z"];
        run(&first, &write).await;
        let clock = Clock::manual(NOW);
        let memory = Memory::new(Arc::new(first.base()), clock.clone());
        let memory = if late { memory.writing_late() } else { memory };
        clock.advance_ms(5_000);
        run(&memory, &write).await;
        let changes = memory.changes().to_json();
        let expected =
            if late { json!({ "at": { "=": "2026-03-01T12:00:00.000Z" } }) } else { Json::Null };
        assert_eq!(changes["record"]["fields"], expected);
    }
}

#[tokio::test]
async fn what_is_older_than_the_run_was_only_written_back() {
    let first = empty();
    let write = ["HSET record at 2026-03-01T12:00:00.000Z"];
    run(&first, &write).await;
    let memory = Memory::new(Arc::new(first.base()), Clock::manual(NOW + 100));
    run(&memory, &write).await;
    assert_eq!(memory.changes().to_json(), json!({}));
}
