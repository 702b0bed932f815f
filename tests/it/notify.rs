//! Notices of the rollout from the running service, at a receiver: guards that trip, kill switches, what
//! people do; and silence where there is nothing to tell.

use std::{sync::Arc, time::Duration};

use compat::testing::{CuttingProxy, Fault};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    place::{Home, Place, until},
    rollout::{crs, node, reaches},
    shadow::Stage,
};

/// Takes whatever is posted.
pub struct Receiver {
    url: String,
    heard: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let heard = Arc::<Mutex<Vec<Value>>>::default();
        let notes = heard.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let notes = notes.clone();
                tokio::spawn(async move {
                    let (mut text, mut part) = (Vec::new(), [0; 4096]);
                    while let Ok(read @ 1..) = stream.read(&mut part).await {
                        text.extend_from_slice(&part[..read]);
                        let request = String::from_utf8_lossy(&text).into_owned();
                        let body = request.split_once("\r\n\r\n").map_or("", |(_, body)| body);
                        let Ok(body) = serde_json::from_str(body) else { continue };
                        notes.lock().push(body);
                        text.clear();
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
                        stream.write_all(answer).await.unwrap();
                    }
                });
            }
        });
        Self { url, heard }
    }

    /// Has the service notify this receiver.
    pub async fn subscribe(&self, place: &Place) {
        let hook = json!({ "id": "h", "type": "custom", "enabled": true, "url": self.url });
        let stored = json!({ "enabled": true, "platforms": [hook] }).to_string();
        place.ask(["SET", "webhook_config:default", &stored]).await;
    }

    /// Type and status of all that was told.
    pub fn told(&self) -> Vec<String> {
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let line = |notice: &Value| {
            format!("{} {}", word(&notice["type"]), word(&notice["data"]["status"]))
        };
        self.heard.lock().iter().map(line).collect()
    }

    async fn hears(&self, expected: &[&str]) {
        until("the notice", async || self.told().len() >= expected.len()).await;
        assert_eq!(self.told(), expected);
    }
}

const PRIMARY: [&str; 6] = ["rollout", "set", "primary", "--force", "--reason", "test"];

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_trips_is_told_even_while_redis_is_down() {
    let place = Place::usual().await;
    let receiver = Receiver::start().await;
    receiver.subscribe(&place).await;
    let proxy = CuttingProxy::start(place.redis_addr()).await.unwrap();
    let node = node().await;
    let env = [
        ("CRS_LEGACY_URL", node.as_str()),
        ("CRS_REDIS_TIMEOUT_MS", "200"),
        ("CRS_INSTANCE", "left"),
    ];
    let home = Home::new(&place, proxy.addr().port(), &env);
    let service = home.start().await;
    let folder = home.folder.as_path();
    let guards = r#"{"redisFailures":0}"#;
    let words = [PRIMARY.as_slice(), &["--guards", guards]].concat();
    let said = crs(folder, &words).await;
    assert_eq!(said.code, 0, "{}", said.text);
    reaches(folder, "primary").await;
    receiver.hears(&["rollout advanced"]).await;
    let first = receiver.heard.lock()[0].clone();
    assert_eq!(first["service"], "claude-relay-service");
    assert_eq!(first["data"]["message"], "crs rollout: observe -> primary");
    let reason = first["data"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("set by alice@") && reason.ends_with("overruled: test"), "{reason}");
    // Its reading of the settings, for when Redis is gone.
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.set(Fault::Cut);
    let trips = async || {
        service.send(&place, json!({})).await;
        receiver.told().len() > 1
    };
    until("the guard to trip", trips).await;
    let trip = receiver.heard.lock()[1].clone();
    assert_eq!(trip["type"], "systemError");
    assert_eq!(trip["data"]["errorCode"], "CRS_ROLLOUT_GUARD_TRIPPED");
    assert_eq!(trip["data"]["platform"], "crs");
    let reason = trip["data"]["reason"].as_str().unwrap();
    assert!(reason.contains("redis_failures") && reason.contains("instance left"), "{reason}");
    proxy.set(Fault::None);
    reaches(folder, "shadow").await;
    let recorded = async || place.ask(["GET", "crs:rs:rollout"]).await.contains("trip");
    until("the record", recorded).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(receiver.told().len(), 2, "told once: {:?}", receiver.told());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_do_is_told_once_by_two_instances() {
    let place = Place::usual().await;
    let receiver = Receiver::start().await;
    receiver.subscribe(&place).await;
    let node = node().await;
    let home = |name| {
        let env = [("CRS_LEGACY_URL", node.as_str()), ("CRS_INSTANCE", name)];
        Home::new(&place, place.redis_addr().port(), &env)
    };
    let homes = [home("a"), home("b")];
    let _running = [homes[0].start().await, homes[1].start().await];
    let folders = homes.each_ref().map(|home| home.folder.as_path());
    assert_eq!(crs(folders[0], &PRIMARY).await.code, 0);
    reaches(folders[1], "primary").await;
    receiver.hears(&["rollout advanced"]).await;
    let mut expected = vec!["rollout advanced"];
    for (words, status) in [
        (["rollout", "pause"].as_slice(), "rollout paused"),
        (&["rollout", "resume"], "rollout resumed"),
        (&["rollout", "set", "--hold-minutes", "5"], ""),
        (&["rollout", "rollback", "--to", "shadow"], "rollout rolled_back"),
        (&["rollout", "rollback", "--local", "--reason", "fire"], "systemError kill_switch"),
        (&["rollout", "resume", "--local"], "rollout kill_switch_ended"),
    ] {
        let said = crs(folders[1], words).await;
        assert_eq!(said.code, 0, "{words:?}: {}", said.text);
        if status.is_empty() {
            tokio::time::sleep(Duration::from_millis(700)).await;
        } else {
            expected.push(status);
        }
        receiver.hears(&expected).await;
        // Both instances have seen it.
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    assert_eq!(receiver.told(), expected);
    let killed = receiver.heard.lock()[4].clone();
    assert_eq!(killed["data"]["message"], "crs is overridden here: observe");
    let reason = killed["data"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("fire (alice@") && reason.contains("instance b on "), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_tells_nobody_and_a_served_request_does() {
    let stage = Stage::start(json!({ "keys": { "main": {} } })).await;
    let receiver = Receiver::start().await;
    receiver.subscribe(&stage.place).await;
    let reset = jiff::Timestamp::now().as_second() + 3600;
    let limited = json!({
        "repeat": true,
        "status": 429,
        "headers": { "anthropic-ratelimit-unified-reset": reset.to_string() },
        "json": { "type": "error", "error": { "type": "rate_limit_error", "message": "limit" } },
    });
    stage.place.script(json!([limited]));
    let request = || json!({ "body": { "model": "claude-next-1" } });
    assert_eq!(stage.send(request()).await.status, 429, "from the stand-in for Node");
    stage.compared(1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    // The step to shadow may still have been told.
    let before = receiver.told().len();
    assert!(receiver.told().iter().all(|told| told == "rollout advanced"), "{:?}", receiver.told());

    let folder = stage.home.folder.as_path();
    assert_eq!(crs(folder, &PRIMARY).await.code, 0);
    reaches(folder, "primary").await;
    until("the step to be told", async || receiver.told().len() > before).await;
    let run = stage.place.run();
    let account = format!("claude:account:{}", run.account_id("a"));
    for field in ["rateLimitedAt", "rateLimitStatus", "rateLimitEndAt"] {
        stage.place.ask(["HDEL", &account, field]).await;
    }
    stage.place.ask(["HSET", &account, "schedulable", "true"]).await;
    let cooling = format!("temp_unavailable:claude-official:{}", run.account_id("a"));
    stage.place.ask(["DEL", &cooling]).await;
    assert_eq!(stage.send(request()).await.status, 429);
    until("the notice", async || receiver.told().len() > before + 1).await;
    assert_eq!(receiver.told()[before..], ["rollout advanced", "accountAnomaly error"]);
    let data = receiver.heard.lock()[before + 1]["data"].clone();
    assert_eq!(data["errorCode"], "CLAUDE_OAUTH_RATE_LIMITED");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_tells_whether_notices_arrive() {
    let place = Place::usual().await;
    let home = Home::new(&place, place.redis_addr().port(), &[]);
    let _service = home.start().await;
    let folder = home.folder.as_path();
    let test = ["notify", "test", "--json"];
    let nobody = crs(folder, &test).await;
    assert_eq!((nobody.code, nobody.text.contains("switched off")), (2, true), "{}", nobody.text);
    let receiver = Receiver::start().await;
    let secret = format!("{}?token=hidden", receiver.url);
    let stored = json!({ "enabled": true, "platforms": [
        { "id": "1", "name": "Team", "type": "custom", "enabled": true, "url": secret },
        { "id": "2", "type": "bark", "enabled": true, "deviceKey": "k", "serverUrl": "http://127.0.0.1:1/" },
        { "id": "3", "name": "Off", "type": "custom", "enabled": false, "url": receiver.url },
        { "id": "4", "type": "telegram", "enabled": true, "chatId": "1" },
    ] });
    place.ask(["SET", "webhook_config:default", &stored.to_string()]).await;
    let list = crs(folder, &["notify", "list"]).await;
    assert_eq!(list.code, 1, "one cannot work: {}", list.text);
    for part in ["Notifications are on; 4 platforms", "Team", "Telegram", "off", "quotaWarning"] {
        assert!(list.text.contains(part), "{part} in {}", list.text);
    }
    let said = crs(folder, &test).await;
    assert_eq!(said.code, 1, "{}", said.text);
    let counts = (&said.json["succeeded"], &said.json["failed"]);
    assert_eq!(counts, (&json!(1), &json!(2)), "{}", said.text);
    let results = said.json["results"].as_array().unwrap();
    assert_eq!(
        results[0],
        json!({ "id": "1", "type": "custom", "name": "Team", "sent": true, "error": null })
    );
    assert_eq!(results[1]["error"], "connect ECONNREFUSED 127.0.0.1:1");
    assert!(!list.text.contains("hidden") && !said.text.contains("hidden"));
    let one = crs(folder, &["notify", "test", "--platform", "Off"]).await;
    assert_eq!(one.code, 0, "{}", one.text);
    assert_eq!(receiver.told(), ["test test", "test test"]);
    let heard = receiver.heard.lock()[0]["data"].clone();
    assert_eq!(heard["errorCode"], "TEST_NOTIFICATION");
    let doctor = crs(folder, &["doctor", "--json"]).await;
    let findings = doctor.json["findings"].to_string();
    assert!(findings.contains("receiver") && findings.contains("Telegram"), "{findings}");
}
