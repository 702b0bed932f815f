use bytes::Bytes;

use super::{
    TopLevelUsage, UsageTap, UserId, is_old_session, session_hash, usage_of_reply,
    user_id::account_uuid_of,
};
use crate::wire::{
    json::{Doc, Value},
    sse::LineSplitter,
};

fn doc(text: &'static str) -> Doc {
    Doc::parse_deep(Bytes::from_static(text.as_bytes())).unwrap()
}

fn text(value: Option<Value<'_>>) -> Option<String> {
    value?.as_str().map(|text| text.into_owned())
}

fn pair(row: Value<'_>) -> (Value<'_>, Value<'_>) {
    let mut row = row.elements();
    (row.next().unwrap(), row.next().unwrap())
}

#[test]
fn session_hash_vectors() {
    let vectors = doc(include_str!("../fixtures/session-hash.json"));
    let rows: Vec<_> = vectors.root().get("vectors").unwrap().elements().collect();
    assert_eq!(rows.len(), 16);
    for row in rows {
        let hash = session_hash(row.get("input").unwrap());
        assert_eq!(hash, text(row.get("expected")), "{:?}", text(row.get("name")));
    }
}

#[test]
fn session_hash_of_odd_bodies() {
    let recorded = doc(include_str!("../fixtures/session.json"));
    let mut rows = 0;
    for row in recorded.root().get("hash").unwrap().elements() {
        let (body, expected) = pair(row);
        let shown = String::from_utf8_lossy(body.raw());
        assert_eq!(session_hash(body), text(Some(expected)), "{shown}");
        rows += 1;
    }
    assert!(rows > 300);
}

#[test]
fn old_sessions() {
    let recorded = doc(include_str!("../fixtures/session.json"));
    for row in recorded.root().get("old").unwrap().elements() {
        let (body, expected) = pair(row);
        let shown = String::from_utf8_lossy(body.raw());
        assert_eq!(is_old_session(body), expected.truthy(), "{shown}");
    }
}

#[test]
fn user_id_rewrite_vectors() {
    let vectors = doc(include_str!("../fixtures/user-id-rewrite.json"));
    for row in vectors.root().get("vectors").unwrap().elements() {
        let input = row.get("input").unwrap();
        let uuid = text(input.get("account_uuid"));
        let next = UserId::parse(&input.get_str("user_id").unwrap()).map(|id| {
            id.for_account(&input.get_str("account_id").unwrap(), uuid.as_deref()).build()
        });
        assert_eq!(next, text(row.get("expected")));
    }
}

#[test]
fn user_ids_of_all_shapes() {
    let recorded = doc(include_str!("../fixtures/session.json"));
    for row in recorded.root().get("ids").unwrap().elements() {
        let id = row.get_str("id").unwrap();
        let parsed = UserId::parse(&id);
        let expected = row.get_truthy("parsed").map(|parsed| UserId {
            device_id: text(parsed.get("deviceId")).unwrap(),
            account_uuid: text(parsed.get("accountUuid")).unwrap(),
            session_id: text(parsed.get("sessionId")).unwrap(),
            json: parsed.get("isJsonFormat").unwrap().truthy(),
        });
        assert_eq!(parsed, expected, "{id:?}");
        let uuid = text(row.get("uuid"));
        let next = parsed
            .map(|p| p.for_account(&row.get_str("account").unwrap(), uuid.as_deref()).build());
        assert_eq!(next, text(row.get("next")), "{id:?}");
    }
}

#[test]
fn account_uuid_out_of_ext_info() {
    assert_eq!(account_uuid_of(r#"{"account_uuid":" u "}"#).unwrap(), "u");
    for odd in ["", "x", "[]", "{}", r#"{"account_uuid":""}"#, r#"{"account_uuid":7}"#] {
        assert_eq!(account_uuid_of(odd), None, "{odd}");
    }
}

#[test]
fn usage_of_json_replies() {
    let read = |body: &'static str| usage_of_reply(doc(body).root(), Some("asked"));
    let usage = read(
        r#"{"model":"ccr,m","usage":{"input_tokens":3,"output_tokens":4.0,"speed":" FAST ",
            "cache_creation_input_tokens":9,"cache_read_input_tokens":5,
            "cache_creation":{"ephemeral_5m_input_tokens":1,"ephemeral_1h_input_tokens":2}}}"#,
    )
    .unwrap();
    assert_eq!((usage.input, usage.output, usage.cache_create, usage.cache_read), (3, 4, 3, 5));
    assert_eq!(usage.model.as_deref(), Some("m"));
    assert_eq!(usage.speed.as_deref(), Some("fast"));
    // An empty split object loses the flat count; that is how the legacy service counts.
    let usage = read(
        r#"{"usage":{"input_tokens":null,"output_tokens":"7","cache_creation_input_tokens":9,
            "cache_creation":{}}}"#,
    )
    .unwrap();
    assert_eq!((usage.input, usage.output, usage.cache_create), (0, 0, 0));
    assert!(usage.split.is_some());
    assert_eq!(usage.model.as_deref(), Some("asked"));
    assert!(read(r#"{"usage":{"input_tokens":1}}"#).is_none());
    assert!(read("[]").is_none());
}

/// Streams with odd events, and what the legacy service forwarded and recorded for each.
#[test]
fn usage_of_streams() {
    let recorded = doc(include_str!("../fixtures/stream-usage.json"));
    let mut rows = 0;
    for row in recorded.root().elements() {
        let stream = row.get_str("text").unwrap();
        for (rules, tap) in [("official", UsageTap::official()), ("console", UsageTap::console())] {
            let (mut tap, mut splitter) = (tap, LineSplitter::default());
            let mut forwarded = Vec::new();
            for chunk in stream.as_bytes().chunks(37) {
                let lines = splitter.push(Bytes::copy_from_slice(chunk));
                lines.iter().for_each(|line| tap.line(line));
                forwarded.extend_from_slice(&lines.into_bytes());
            }
            forwarded.extend_from_slice(&splitter.finish().unwrap_or_default());
            let expected = row.get_str("forwarded").unwrap_or(stream.clone());
            assert_eq!(forwarded, expected.as_bytes());

            let usage = tap.finish(Some("req-model"));
            let expected = row.get(rules).filter(|e| e.is_object());
            assert_eq!(usage.is_some(), expected.is_some(), "{rules} {stream}");
            let (Some(usage), Some(expected)) = (usage, expected) else { continue };
            let number = |name| expected.get(name).and_then(Value::as_f64).unwrap_or(0.0) as u64;
            assert_eq!(usage.input, number("input"), "{rules} {stream}");
            assert_eq!(usage.output, number("output"), "{rules} {stream}");
            assert_eq!(usage.cache_read, number("read"), "{rules} {stream}");
            let split: Option<Vec<u64>> = expected
                .get_truthy("split")
                .map(|s| s.elements().map(|n| n.as_f64().unwrap() as u64).collect());
            let sum = split.as_ref().map(|s| s.iter().sum());
            assert_eq!(usage.cache_create, sum.unwrap_or(number("create")), "{rules} {stream}");
            let ours = usage.split.map(|s| vec![s.ephemeral_5m, s.ephemeral_1h]);
            assert_eq!(ours, split, "{rules} {stream}");
            assert_eq!(usage.model, text(expected.get("model")), "{rules} {stream}");
            rows += 1;
        }
    }
    assert!(rows > 100, "{rows}");
}

#[test]
fn rate_limit_events_and_stopped_taps() {
    let mut tap = UsageTap::official();
    tap.line(br#"data: {"type":"error","error":{"message":"This would EXCEED your account's rate limit."}}"#);
    assert!(tap.rate_limited());
    let mut tap = UsageTap::console();
    tap.line(br#"data: {"type":"message_start","message":{"usage":{"input_tokens":4}}}"#);
    tap.stop();
    tap.line(br#"data: {"type":"message_delta","usage":{"output_tokens":9}}"#);
    let usage = tap.finish(None).unwrap();
    assert_eq!((usage.input, usage.output), (4, 0));
    assert_eq!(usage.model.as_deref(), Some("unknown"));
}

#[test]
fn top_level_usage_is_the_last_ones_and_not_of_message_start() {
    let read = |lines: &[&str]| {
        let mut usage = TopLevelUsage::default();
        lines.iter().for_each(|line| usage.line(line.as_bytes()));
        (usage.is_complete(), usage.finish("m").map(|usage| (usage.input, usage.output)))
    };
    let start = r#"data: {"type":"message_start","message":{"usage":{"input_tokens":9}}}"#;
    assert_eq!(read(&[start]), (false, None));
    let ping = r#"data:  {"type":"ping","usage":{"input_tokens":1,"output_tokens":2}} "#;
    assert_eq!(read(&[start, ping]), (false, Some((1, 2))));
    let delta = r#"data: {"type":"message_delta","usage":{"output_tokens":3}}"#;
    assert_eq!(read(&[ping, delta]), (true, Some((0, 3))));
    let inner = r#"data: {"type":"message_delta","delta":{"usage":{"input_tokens":4}}}"#;
    assert_eq!(read(&[inner]), (true, Some((4, 0))));
    let other = r#"data: {"type":"other","delta":{"usage":{"input_tokens":4}}}"#;
    let unspaced = r#"data:{"usage":{"input_tokens":4}}"#;
    assert_eq!(read(&[other, unspaced, "data: [DONE]", "data: {usage"]), (false, None));
}
