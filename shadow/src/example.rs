//! An observation for tests: a streamed request that went well.

use serde_json::json;

use crate::observation::*;

/// Body of the streamed answer.
pub(crate) const STREAM: &str = concat!(
    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":11,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hel\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"lo\"}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":7}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

/// A streamed request that went well, seen by the tap.
pub(crate) fn streamed() -> Observation {
    Observation {
        request: RequestFacts {
            id: "r-1".into(),
            arrived_ms: 1_784_900_000_000,
            method: "POST".into(),
            path: "/api/v1/messages".into(),
            route: "/api/v1/messages".into(),
            key_id: Some("key-1".into()),
            model: Some("model-1".into()),
            stream: true,
            session: false,
            client: Some("claude-code".into()),
        },
        admission: Admission::Admitted,
        account: Some(AccountChoice {
            kind: "claude-official".into(),
            id: "acc-a".into(),
            platform: "claude".into(),
            reasons: vec!["sticky".into()],
        }),
        upstream: Some(vec![UpstreamExchange {
            method: "POST".into(),
            url: "https://api.vendor.test/v1/messages?beta=true".into(),
            headers: headers(&[
                ("anthropic-beta", "a,b"),
                ("authorization", "Bearer sk-ant-oat01-0123456789abcdef"),
                ("x-app", "cli"),
            ]),
            body: r#"{"model":"model-1","max_tokens":1024,"stop":["a","b"],"messages":[{"role":"user","content":"hi there"}],"stream":true}"#.into(),
            proxy: Some("http://proxy.test:3128".into()),
            answer: Some(UpstreamAnswer {
                status: 200,
                headers: headers(&[("content-type", "text/event-stream")]),
                body: STREAM.into(),
                failure: None,
            }),
        }]),
        response: Some(Response {
            status: 200,
            headers: headers(&[("content-type", "text/event-stream"), ("x-request-id", "abc12345def")]),
            body: STREAM.into(),
            complete: true,
        }),
        effects: Some(json!({
            "usage:daily:key-1:2026-07-24": {"type": "hash", "fields": {"tokens": {"+": 18}, "requests": {"+": 1}}, "ttl": 2_764_800_000_u64},
            "usage:daily:index:2026-07-24": {"type": "set", "members": {"key-1": {"=": true}}, "ttl": 2_764_800_000_u64},
            "usage:cost:daily:key-1:2026-07-24": {"type": "string", "value": {"+": 0.000138}, "ttl": 2_592_000_000_u64},
            "apikey:idx:lastUsedAt": {"type": "zset", "members": {"key-1": {"=": 1_784_900_000_000_i64}}},
            "usage:records:key-1": {"type": "list", "head": ["{\"model\":\"model-1\",\"cost\":0.000138}"], "ttl": 7_776_000_000_u64},
        })),
        timing: Timing { ttfb_us: Some(120_000), total_us: Some(900_000) },
        source: Source::Tap,
        gaps: Vec::new(),
    }
}
