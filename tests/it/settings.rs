//! What somebody changes in the legacy console takes effect here within a second: nothing is told to
//! `crs`, it finds the change in Redis.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    notify::Receiver,
    place::{Crs, Home, Place, until},
};

/// A request that arrives so long after the change must show its effect.
const BOUND: Duration = Duration::from_secs(1);

struct Room {
    crs: Crs,
    place: Place,
    sent: AtomicUsize,
}

impl Room {
    async fn new() -> Self {
        let place = Place::seeded(json!({
            "keys": { "main": {}, "hook": { "claudeConsoleAccountId": "${acc:h}" } },
            "accounts": {
                "a": { "priority": "10" },
                "b": { "priority": "20" },
                "h": { "type": "console", "accountType": "dedicated" }
            }
        }))
        .await;
        let home = Home::new(&place, place.redis_addr().port(), &[]);
        let crs = home.start().await;
        // Whatever is remembered of the time before, it is remembered now.
        for key in ["main", "hook"] {
            crs.serve(&place, json!({ "key": key })).await;
        }
        Self { crs, place, sent: AtomicUsize::new(0) }
    }

    /// Makes the change, then requests until one shows the effect.
    async fn change<const N: usize>(
        &self,
        words: [&str; N],
        request: Value,
        shows: impl AsyncFn(u16, String) -> bool,
    ) {
        let what = words.join(" ");
        self.place.ask(words).await;
        let since = Instant::now();
        loop {
            let sent = since.elapsed();
            let answer = self.crs.send(&self.place, self.fresh(&request)).await;
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            if shows(answer.status, body.clone()).await {
                return;
            }
            assert!(
                sent <= BOUND,
                "{what} shows no effect after {sent:?}: {} {body}",
                answer.status
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The request as the first of a conversation, which no account has yet.
    fn fresh(&self, request: &Value) -> Value {
        let mut request = request.clone();
        let n = self.sent.fetch_add(1, Ordering::Relaxed);
        if request.pointer("/body/metadata").is_none() {
            let (device, session) = ("b".repeat(64), format!("00000000-0000-4000-8000-{n:012}"));
            let user = format!("user_{device}_account__session_{session}");
            request["body"] = json!({ "metadata": { "user_id": user } });
        }
        request
    }

    async fn exists(&self, key: &str) -> bool {
        self.place.ask(["EXISTS", key]).await == "1"
    }

    /// Redis soon has the key: effects of a served request are written behind it.
    async fn soon(&self, key: &str) -> bool {
        for _ in 0..10 {
            if self.exists(key).await {
                return true;
            }
            sleep(Duration::from_millis(20)).await;
        }
        false
    }

    fn account(&self, alias: &str) -> String {
        self.place.run().account_id(alias)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_settings_take_effect_within_a_second() {
    let room = Room::new().await;
    let config = "claude_relay_config";
    let is = |expected: u16| async move |status: u16, _: String| status == expected;
    let sdk = || json!({ "as": "sdk" });

    let only = r#"{"claudeCodeOnlyEnabled":true}"#;
    room.change(["SET", config, only], sdk(), is(403)).await;
    room.change(["SET", config, "{}"], sdk(), is(200)).await;
    room.change(["SET", config, only], sdk(), is(403)).await;
    room.change(["DEL", config], sdk(), is(200)).await;

    let turns = r#"{"userMessageQueueEnabled":true}"#;
    let last = format!("user_msg_queue_last:{}", room.account("a"));
    room.change(["SET", config, turns], json!({}), async |_, _| room.soon(&last).await).await;

    let binding = r#"{"globalSessionBindingEnabled":true}"#;
    let session = "00000000-0000-4000-8000-000000000001";
    let user = format!("user_{}_account__session_{session}", "a".repeat(64));
    let bound = format!("original_session_binding:{session}");
    let request = json!({ "body": { "metadata": { "user_id": user } } });
    room.change(["SET", config, binding], request, async |_, _| room.soon(&bound).await).await;

    let details = r#"{"requestDetailCaptureEnabled":true}"#;
    let day = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let index = format!("request_detail:index:day:{day}");
    room.change(["SET", config, details], json!({}), async |_, _| room.soon(&index).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rates_keys_and_accounts_take_effect_within_a_second() {
    let room = Room::new().await;
    let is = |expected: u16| async move |status: u16, _: String| status == expected;
    let key = format!("apikey:{}", room.place.run().key_id("main"));

    let spent = async || {
        // What was served before is booked by then.
        sleep(Duration::from_millis(150)).await;
        let id = room.place.run().key_id("main");
        room.place.ask(["GET", &format!("usage:cost:total:{id}")]).await.parse().unwrap_or(0.0)
    };
    for (rates, factor) in [(r#"{"rates":{"claude":10}}"#, 10.0), (r#"{"rates":{}}"#, 1.0)] {
        let before = std::cell::Cell::new(spent().await);
        let charged = async |_, _| {
            let now: f64 = spent().await;
            let charge = now - before.replace(now);
            (charge - factor * 0.000_138).abs() < 1e-7
        };
        room.change(["SET", "system:service_rates", rates], json!({}), charged).await;
    }
    let own = r#"{"claude":3}"#;
    let before = std::cell::Cell::new(spent().await);
    let charged = async |_, _| {
        let now: f64 = spent().await;
        let charge = now - before.replace(now);
        (charge - 3.0 * 0.000_138).abs() < 1e-7
    };
    room.change(["HSET", &key, "serviceRates", own], json!({}), charged).await;

    room.change(["HSET", &key, "isActive", "false"], json!({}), is(401)).await;
    room.change(["HSET", &key, "isActive", "true"], json!({}), is(200)).await;
    room.change(["HSET", &key, "permissions", r#"["gemini"]"#], json!({}), is(403)).await;
    room.change(["HSET", &key, "permissions", "[]"], json!({}), is(200)).await;
    room.change(["HSET", &key, "dailyCostLimit", "0.0001"], json!({}), is(402)).await;
    room.change(["HSET", &key, "dailyCostLimit", "0"], json!({}), is(200)).await;

    let (a, b) = (room.account("a"), room.account("b"));
    let served_by = |id: &str| {
        let used = format!("account_usage:{id}");
        let count = std::cell::Cell::new(None);
        let place = &room.place;
        async move |_: u16, _: String| {
            sleep(Duration::from_millis(150)).await;
            let now = place.ask(["HGET", &used, "totalRequests"]).await;
            count.replace(Some(now.clone())).is_some_and(|before| before != now)
        }
    };
    let record = |id: &str| format!("claude:account:{id}");
    room.change(["HSET", &record(&a), "schedulable", "false"], json!({}), served_by(&b)).await;
    room.change(["HSET", &record(&a), "schedulable", "true"], json!({}), served_by(&a)).await;
    room.change(["HSET", &record(&a), "priority", "30"], json!({}), served_by(&b)).await;
    room.change(["HSET", &record(&b), "isActive", "false"], json!({}), served_by(&a)).await;
    room.change(["HSET", &record(&a), "status", "error"], json!({}), is(500)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_take_effect_within_a_second() {
    let room = Room::new().await;
    let record = format!("claude_console_account:{}", room.account("h"));
    let limit = async || {
        for field in [("isActive", "true"), ("schedulable", "true"), ("status", "active")] {
            room.place.ask(["HSET", &record, field.0, field.1]).await;
        }
        room.place.ask(["HDEL", &record, "rateLimitedAt"]).await;
        let mark = format!("temp_unavailable:claude-console:{}", room.account("h"));
        room.place.ask(["DEL", &mark]).await;
        room.place.script(json!([{ "status": 429, "json": { "error": { "message": "slow" } } }]));
        // The account as it was is remembered for less than that.
        sleep(BOUND).await;
        let answer = room.crs.send(&room.place, json!({ "key": "hook" })).await;
        assert_eq!(answer.status, 429, "{}", String::from_utf8_lossy(&answer.body));
    };
    let (first, second) = (Receiver::start().await, Receiver::start().await);
    limit().await;
    first.subscribe(&room.place).await;
    limit().await;
    until("the first receiver", async || first.told().len() == 1).await;
    second.subscribe(&room.place).await;
    limit().await;
    until("the second receiver", async || second.told().len() == 1).await;
    room.place.ask(["DEL", "webhook_config:default"]).await;
    limit().await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!((first.told().len(), second.told().len()), (1, 1));
}
