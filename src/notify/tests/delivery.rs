//! Deliveries over real connections: the wire, retries, redirects, the guard, the queue.

use std::{sync::Arc, time::Duration};

use compat::{store::Store, testing::TestRedis};
use rstest::rstest;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    super::{Fault, Notice, Notifier, Platform, Retries, refuses_link_local},
    bench::{Receiver, SILENCE, notice, ok, platform, postman, recordings, status},
};
use crate::{
    domain::{AccountId, Anomaly, AnomalySink},
    upstream::{SenderSettings, host_map::HostMap},
};

const TWICE: Retries = Retries { attempts: 2, pause_ms: 1.0 };

fn custom(receiver: &Receiver) -> Platform {
    platform(json!({ "type": "custom", "url": format!("http://{}/hook", receiver.address) }))
}

#[tokio::test]
async fn on_the_wire_it_looks_like_node() {
    let receiver = Receiver::start(&[]).await;
    let postman = postman(SenderSettings::default());
    postman.send(&custom(&receiver), &notice(), TWICE).await.unwrap();
    let heard = receiver.heard.lock()[0].clone();
    let (head, body) = heard.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST /hook HTTP/1.1"));
    let recorded = recordings();
    let recorded = recorded["headers"].as_array().unwrap();
    for (line, pair) in lines.by_ref().zip(recorded.chunks(2)) {
        let expected = match pair[0].as_str().unwrap() {
            name @ "Content-Length" => format!("{name}: {}", body.len()),
            name @ "Host" => format!("{name}: {}", receiver.address),
            name => format!("{name}: {}", pair[1].as_str().unwrap()),
        };
        assert_eq!(line, expected);
    }
    assert_eq!(head.lines().count(), recorded.len() / 2 + 1);
    assert!(body.contains(r#""timestamp":"2026-03-06T00:07:09+08:00""#), "{body}");
}

#[tokio::test]
async fn failures_are_tried_again_and_told_in_the_end() {
    let (busy, gone) = (status("500 Busy"), status("404 Gone"));
    let receiver = Receiver::start(&[&busy, &ok("{}"), &busy, &gone]).await;
    let postman = postman(SenderSettings::default());
    assert_eq!(postman.send(&custom(&receiver), &notice(), TWICE).await, Ok(()));
    assert_eq!(receiver.count(), 2);
    let outcome = postman.send(&custom(&receiver), &notice(), TWICE).await;
    assert_eq!(outcome, Err(Fault::Status(404)));
    assert_eq!(receiver.count(), 4);
    assert_eq!(Fault::Status(404).to_string(), "Request failed with status code 404");
}

#[tokio::test]
async fn a_receiver_that_hangs_is_given_up() {
    let receiver = Receiver::start(&[SILENCE]).await;
    let postman = postman(SenderSettings::default());
    let mut slow = json!({ "type": "custom", "timeout": 100 });
    slow["url"] = json!(format!("http://{}/", receiver.address));
    let once = Retries { attempts: 1, ..TWICE };
    let outcome = postman.send(&platform(slow), &notice(), once).await;
    assert_eq!(outcome.unwrap_err().to_string(), "timeout of 100ms exceeded");
}

#[tokio::test]
async fn telegram_must_say_that_it_took_the_message() {
    let refused = ok(r#"{"ok":false,"description":"chat not found"}"#);
    let receiver = Receiver::start(&[&refused, &ok(r#"{"ok":true}"#), &ok("no")]).await;
    let base = format!("http://{}", receiver.address);
    let bot =
        platform(json!({ "type": "telegram", "botToken": "1:a", "chatId": 1, "apiBaseUrl": base }));
    let postman = postman(SenderSettings::default());
    let once = Retries { attempts: 1, ..TWICE };
    let told = async || postman.send(&bot, &notice(), once).await.map_err(|e| e.to_string());
    assert_eq!(told().await, Err("Telegram API 错误: chat not found".to_owned()));
    assert_eq!(told().await, Ok(()));
    assert_eq!(told().await, Err("Telegram API 错误: 未知错误".to_owned()));
}

#[tokio::test]
async fn redirects_are_followed_like_a_browser() {
    let to =
        |code: &str| format!("HTTP/1.1 {code} X\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n");
    let receiver = Receiver::start(&[&to("307"), &ok("{}"), &to("302"), &ok("{}")]).await;
    let with_name = format!("http://u%40:p@{}/", receiver.address);
    let hook = platform(json!({ "type": "custom", "url": with_name }));
    let postman = postman(SenderSettings::default());
    postman.send(&hook, &notice(), TWICE).await.unwrap();
    postman.send(&hook, &notice(), TWICE).await.unwrap();
    let heard = receiver.heard.lock().clone();
    let starts = ["POST / ", "POST /next ", "POST / ", "GET /next "];
    for (request, start) in heard.iter().zip(starts) {
        assert!(request.starts_with(start), "{request}");
        // As Node has it: as it is written, and not to the next place.
        let told = request.contains("\r\nAuthorization: Basic dSU0MDpw\r\n");
        assert_eq!(told, start.contains(" / "), "{request}");
        assert_eq!(request.contains("hello"), start.starts_with("POST"), "{request}");
    }
    assert_eq!(heard.len(), 4);
    let endless = to("308");
    let receiver = Receiver::start(&[endless.as_str(); 12]).await;
    let outcome = postman.send(&custom(&receiver), &notice(), TWICE).await;
    assert_eq!((outcome, receiver.count()), (Err(Fault::Redirects), 12));
}

#[rstest]
#[case("169.254.169.254", true)]
#[case("::ffff:169.254.169.254", true)]
#[case("64:ff9b::a9fe:a9fe", true)]
#[case("fe80::1", true)]
#[case("fd00:ec2::254", true)]
#[case("fd00:ec2::23", true)]
#[case("fd20:ce::254", true)]
#[case("::169.254.169.254", true)]
#[case("2002:a9fe:a9fe::1", true)]
#[case("64:ff9b:1::a9fe:a9fe", true)]
#[case("2002:a00:1::1", false)]
#[case("64:ff9b::a00:1", false)]
#[case("100.100.100.200", true)]
#[case("127.0.0.1", false)]
#[case("10.1.2.3", false)]
#[case("192.168.0.1", false)]
#[case("::1", false)]
#[case("fd00::1", false)]
#[case("8.8.8.8", false)]
fn link_local_addresses_are_refused(#[case] address: &str, #[case] refused: bool) {
    assert_eq!(refuses_link_local(address.parse().unwrap()).is_some(), refused);
}

#[tokio::test]
async fn the_guard_looks_at_addresses_literal_and_resolved() {
    fn no_loopback(address: std::net::IpAddr) -> Option<&'static str> {
        address.to_canonical().is_loopback().then_some("not there")
    }
    let receiver = Receiver::start(&[]).await;
    let guarded = SenderSettings { refused: Some(no_loopback), ..SenderSettings::default() };
    let postman = postman(guarded);
    let port = receiver.address.rsplit_once(':').unwrap().1;
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"] {
        let hook = platform(json!({ "type": "custom", "url": format!("http://{host}:{port}/") }));
        let outcome = postman.send(&hook, &notice(), TWICE).await;
        assert!(outcome.is_err(), "{host}");
    }
    assert_eq!(receiver.count(), 0);
}

/// However the place is written that a receiver sends us to.
#[tokio::test]
async fn redirects_do_not_lead_past_the_guard() {
    fn not_two(address: std::net::IpAddr) -> Option<&'static str> {
        (address.to_canonical().to_string() == "127.0.0.2").then_some("not there")
    }
    let guarded = SenderSettings { refused: Some(not_two), ..SenderSettings::default() };
    let postman = postman(guarded);
    for place in ["127.0.0.2", "2130706434", "0x7f.2", "127.2", "[::ffff:7f00:2]", "u:p@127.0.0.2"]
    {
        let away =
            format!("HTTP/1.1 307 X\r\nLocation: http://{place}/\r\nContent-Length: 0\r\n\r\n");
        let receiver = Receiver::start(&[&away, &away]).await;
        let outcome = postman.send(&custom(&receiver), &notice(), TWICE).await;
        assert_eq!(outcome, Err(Fault::Network("not there".to_owned())), "{place}");
    }
}

#[tokio::test]
async fn hosts_are_mapped_and_bad_addresses_told() {
    let receiver = Receiver::start(&[]).await;
    let host_map = HostMap::parse(&format!("api.day.app=http://{}", receiver.address)).unwrap();
    let postman = postman(SenderSettings { host_map, ..SenderSettings::default() });
    let bark = platform(json!({ "type": "bark", "deviceKey": "k" }));
    postman.send(&bark, &notice(), TWICE).await.unwrap();
    assert!(receiver.heard.lock()[0].contains("Host: api.day.app\r\n"));
    for (url, why) in [
        (json!("nowhere"), "Invalid URL"),
        (json!(null), "Invalid URL"),
        (json!("ftp://h/"), "Unsupported protocol ftp:"),
    ] {
        let hook = platform(json!({ "type": "custom", "url": url }));
        let outcome = postman.send(&hook, &notice(), TWICE).await;
        assert_eq!(outcome.unwrap_err().to_string(), why);
    }
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while !is_so() {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_is_handed_in_is_sent_by_the_stored_settings_also_when_redis_is_gone() {
    let mut redis = TestRedis::spawn();
    let receiver = Receiver::start(&[]).await;
    let stored = json!({ "enabled": true, "platforms": [
        { "type": "custom", "enabled": true, "url": format!("http://{}/a", receiver.address) },
        { "type": "slack", "enabled": true, "url": format!("http://{}/b", receiver.address) },
        { "type": "custom", "enabled": false, "url": format!("http://{}/c", receiver.address) },
    ], "notificationTypes": { "quotaWarning": false } });
    let store = redis.store();
    store.words(&["SET", compat::keys::WEBHOOKS, &stored.to_string()]).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let (notifier, delivery) = Notifier::new(store, postman(SenderSettings::default()));
    let stop = CancellationToken::new();
    let running = tokio::spawn(delivery.run(stop.clone()));
    notifier.tell(Notice::new("quotaWarning", serde_json::Map::new()));
    notifier.report(Anomaly {
        account_id: AccountId::from("a1"),
        account_name: "A".to_owned(),
        platform: "claude-console",
        status: "error",
        code: "CLAUDE_CONSOLE_OVERLOADED",
        reason: "r".to_owned(),
        details: None,
        at_ms: 0,
    });
    until(|| receiver.count() == 2).await;
    redis.stop();
    notifier.tell(notice());
    until(|| receiver.count() == 4).await;
    notifier.tell(notice());
    stop.cancel();
    running.await.unwrap();
    let heard = receiver.heard.lock().clone();
    assert_eq!(heard.len(), 6, "what waits at the end is still sent");
    let anomaly = heard.iter().find(|text| text.starts_with("POST /a ")).unwrap();
    let expected = r#""data":{"accountId":"a1","accountName":"A","platform":"claude-console","status":"error","errorCode":"CLAUDE_CONSOLE_OVERLOADED","reason":"r","timestamp":"1970-01-01T00:00:00.000Z"}}"#;
    assert!(anomaly.ends_with(expected), "{anomaly}");
    assert!(!heard.iter().any(|text| text.starts_with("POST /c ")));
}

#[tokio::test]
async fn a_full_queue_drops_and_does_not_wait() {
    let redis = TestRedis::spawn();
    let store: Arc<dyn Store> = Arc::new(redis.store());
    let (notifier, delivery) = Notifier::new(store, postman(SenderSettings::default()));
    let started = std::time::Instant::now();
    for _ in 0..3000 {
        notifier.tell(notice());
    }
    assert!(started.elapsed() < Duration::from_secs(1));
    drop(delivery);
    notifier.tell(notice());
}
