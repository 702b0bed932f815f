//! The whole database as JSON, for comparing net changes.

use serde_json::{Map, Value, json};

use crate::store::{Batch, Cmd, Reply, Store};

/// Every key but those with our own prefix: `{key: {type, ttl, value}}`. `ttl` is in seconds, rounded up
/// (-1: none); sets are sorted, streams hold the fields of each entry.
///
/// # Panics
/// When Redis cannot be asked.
#[expect(clippy::expect_used, reason = "tests")]
pub async fn dump(store: &dyn Store) -> Value {
    let one = async |cmd: Cmd| {
        store.run(Batch::from(cmd)).await.expect("redis answers").pop().expect("one reply")
    };
    let mut dump = Map::new();
    for key in one(Cmd::new("KEYS").arg("*")).await.texts().expect("keys") {
        if key.starts_with("crs:rs:") {
            continue;
        }
        let kind = one(Cmd::new("TYPE").arg(&key)).await.text().expect("type").unwrap_or_default();
        let life = one(Cmd::new("PTTL").arg(&key)).await.int().expect("life");
        let value = match kind.as_str() {
            "hash" => json!(one(Cmd::new("HGETALL").arg(&key)).await.map().expect("hash")),
            "string" => json!(one(Cmd::new("GET").arg(&key)).await.text().expect("string")),
            "set" => {
                let mut members = one(Cmd::new("SMEMBERS").arg(&key)).await.texts().expect("set");
                members.sort();
                json!(members)
            }
            "zset" => {
                let range = Cmd::new("ZRANGE").arg(&key).args(["0", "-1", "WITHSCORES"]);
                json!(one(range).await.texts().expect("sorted set"))
            }
            "list" => {
                let range = Cmd::new("LRANGE").arg(&key).args(["0", "-1"]);
                json!(one(range).await.texts().expect("list"))
            }
            "stream" => entries(one(Cmd::new("XRANGE").arg(&key).args(["-", "+"])).await),
            _ => Value::Null,
        };
        let ttl = if life < 0 { life } else { (life + 999) / 1000 };
        dump.insert(key, json!({"type": kind, "ttl": ttl, "value": value}));
    }
    dump.sort_keys();
    Value::Object(dump)
}

fn entries(reply: Reply) -> Value {
    let Reply::Array(entries) = reply else { return Value::Null };
    let fields = |entry: Reply| match entry {
        Reply::Array(mut parts) => {
            parts.pop().map(|fields| json!(fields.texts().unwrap_or_default()))
        }
        _ => None,
    };
    entries.into_iter().filter_map(fields).collect()
}
