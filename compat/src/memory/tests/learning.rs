//! Facts from the replies of another service.

use super::{
    super::{Foreign, Layered, Learner, Loaded, RedisBase},
    *,
};
use crate::testing::{TestRedis, dump};

/// Plays lines on a real server and keeps the replies.
async fn trace(redis: &TestRedis, lines: &[&str]) -> Vec<Foreign> {
    let replies = run(&redis.store(), lines).await;
    lines
        .iter()
        .zip(replies)
        .map(|(text, reply)| Foreign { args: words(text), reply: Some(reply) })
        .collect()
}

fn learned(commands: &[Foreign]) -> Learner {
    let mut learner = Learner::default();
    for command in commands {
        learner.learn(&command.args, command.reply.as_ref().unwrap());
    }
    learner
}

#[tokio::test]
async fn reads_and_increments_give_the_state_before() {
    let redis = TestRedis::spawn();
    let seed = [
        "HSET record a 1 b 2 c 3",
        "HSET usage total 100 cost 0.5",
        "SET n 41",
        "SET f 1.25",
        "SET text t EX 900",
        "SADD names a b",
        "ZADD index 5 a 6 b",
        "RPUSH recent x y",
        "SET lock held",
        "HSET touched old 1",
    ];
    run(&redis.store(), &seed).await;
    let before = dump(&redis.store()).await;
    let commands = trace(
        &redis,
        &[
            "HGET record a",
            "HMGET record b zz",
            "HSET record a 9 d 4",
            "HGETALL record",
            "HINCRBY usage total 11",
            "HINCRBYFLOAT usage cost 0.25",
            "HINCRBY usage fresh 3",
            "INCR n",
            "INCRBYFLOAT f 0.5",
            "INCR fresh",
            "GET text",
            "TTL text",
            "SET text u",
            "GET text",
            "SMEMBERS names",
            "SADD names c",
            "ZRANGE index 0 -1 WITHSCORES",
            "ZADD index 7 a",
            "LRANGE recent 0 -1",
            "LPUSH recent w",
            "SET lock mine NX EX 10",
            "EXISTS never",
            "SET never now",
            "HINCRBY touched new 1",
        ],
    )
    .await;
    let base = learned(&commands).into_base();
    let memory = over(base.clone());
    memory.replay(&commands).await.unwrap();
    assert_eq!(memory.divergences(), [], "the replay goes as the trace went");

    let state = over(base);
    let keys = ["record", "usage", "n", "f", "text", "names", "index", "recent"];
    for key in keys {
        run(&state, &[&format!("EXISTS {key}")]).await;
    }
    let state = dump(&Named(state, keys.to_vec())).await;
    for key in keys {
        assert_eq!(state[key], before[key], "{key}");
    }
    let changes = memory.changes().to_json();
    assert_eq!(changes["usage"]["fields"]["total"].to_string(), r#"{"+":11}"#);
    assert_eq!(changes["usage"]["fields"]["cost"].to_string(), r#"{"+":0.25}"#);
    assert_eq!(changes["recent"].to_string(), r#"{"type":"list","head":["w"]}"#);
    assert_eq!(changes["text"]["ttl"], -1);
    assert!(changes.get("lock").is_none(), "it was held by another");
}

/// Answers `KEYS` with what is asked about: a learned base cannot list keys.
struct Named(Memory, Vec<&'static str>);

impl Store for Named {
    fn run(&self, batch: Batch) -> BoxFuture<'_, Result<Vec<Reply>, StoreError>> {
        if batch.cmds[0].name() == "KEYS" {
            let keys = list(&self.1);
            return Box::pin(async move { Ok(vec![keys]) });
        }
        self.0.run(batch)
    }
}

#[tokio::test]
async fn blind_writes_are_taken_from_nothing() {
    let redis = TestRedis::spawn();
    run(&redis.store(), &["HSET h kept 1 f old", "SET s old", "SET d x", "RPUSH l old"]).await;
    let lines = ["HSET h f new", "SET s new", "DEL d", "RPUSH l new", "SADD set a"];
    let commands = trace(&redis, &lines).await;
    let learner = learned(&commands);
    let real = RedisBase::new(Arc::new(redis.store()));
    let base = Layered::new(vec![Arc::new(learner.into_base()), Arc::new(real)]);
    let memory = over(base);
    let replies = run(&memory, &["HGETALL h", "GET s", "GET d", "LLEN l", "SCARD set"]).await;
    let expected = [list(&["kept", "1"]), Reply::Nil, data(""), Reply::Int(0), Reply::Int(0)];
    assert_eq!(replies, expected, "the trace's own writes are not part of what it found");
    memory.replay(&commands).await.unwrap();
    let changes = memory.changes().to_json();
    assert_eq!(changes["h"].to_string(), r#"{"type":"hash","fields":{"f":{"=":"new"}}}"#);
    assert_eq!(changes["s"]["is"], "created");
    assert_eq!(changes["d"]["is"], "deleted");

    let mut learner = Learner::default().absent_if_written_blind();
    learner.learn(&commands[0].args, &Reply::Int(0));
    let real = RedisBase::new(Arc::new(redis.store()));
    let memory = over(Layered::new(vec![Arc::new(learner.into_base()), Arc::new(real)]));
    assert_eq!(run(&memory, &["EXISTS h"]).await, [Reply::Int(0)]);
}

#[tokio::test]
async fn transactions_and_scripts_are_understood() {
    let redis = TestRedis::spawn();
    let mut learner = Learner::default();
    learner.learn(&words("MULTI"), &data("OK"));
    learner.learn(&words("HINCRBY h f 5"), &data("QUEUED"));
    learner.learn(&words("GET g"), &data("QUEUED"));
    learner.learn(&words("EXEC"), &Reply::Array(vec![Reply::Int(7), data("v")]));
    let acquire =
        "redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1]) return redis.call('ZCARD', KEYS[1])";
    let eval: Vec<Vec<u8>> =
        ["EVAL", acquire, "1", "leases", "me", "99"].map(|word| word.as_bytes().to_vec()).into();
    learner.learn(&eval, &Reply::Int(3));
    let release: Vec<Vec<u8>> = ["EVAL", "return redis.call('DEL', KEYS[1])", "1", "lock"]
        .map(|word| word.as_bytes().to_vec())
        .into();
    learner.learn(&release, &Reply::Int(1));
    run(&redis.store(), &["SET lock later"]).await;
    let real = RedisBase::new(Arc::new(redis.store()));
    let memory = over(Layered::new(vec![Arc::new(learner.into_base()), Arc::new(real)]));
    let replies = run(&memory, &["HGET h f", "GET g", "ZCARD leases", "EXISTS lock"]).await;
    assert_eq!(replies, [data("2"), data("v"), Reply::Int(2), Reply::Int(0)]);
    assert_eq!(memory.command(&eval).await.unwrap(), Reply::Int(3));
}

#[test]
fn a_range_that_gave_less_than_was_asked_for_is_the_whole_list() {
    let known = |stop: &str| {
        let mut learner = Learner::default();
        let reply = Reply::Array(vec![Reply::Data("x".into()), Reply::Data("y".into())]);
        learner.learn(&words(&format!("LRANGE recent 0 {stop}")), &reply);
        learner
            .into_base()
            .get(b"recent")
            .is_some_and(|loaded| matches!(loaded, Loaded::Value { .. }))
    };
    assert!(known("19") && known("2") && known("-1"));
    assert!(!known("1"), "there may be more");
}

#[tokio::test]
async fn a_mark_that_has_ended_since_was_there() {
    let mut learner = Learner::default();
    for key in ["temp_unavailable:ccr:a", "session:b"] {
        learner.learn(&words(&format!("TTL {key}")), &Reply::Int(40));
    }
    let base = Layered::new(vec![Arc::new(learner.into_base()), Arc::new(EmptyBase)]);
    let memory = Memory::new(Arc::new(base), Clock::manual(NOW));
    let ttls = run(&memory, &["TTL temp_unavailable:ccr:a", "TTL session:b"]).await;
    assert_eq!(ttls, [Reply::Int(40), Reply::Int(-2)]);
}
