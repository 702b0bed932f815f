use bytes::Bytes;
use proptest::prelude::*;

use super::{
    Account, Call, Endpoint, ToolNames, ToolNaming, build,
    client::{self, UnifiedAgent},
    outcome::{Asked, is_background_helper, refuses_tool_names},
    reply::{self, ConnectFailure},
};
use crate::{
    domain::{HeaderList, Secret},
    wire::{
        anthropic::user_id::account_uuid_of,
        body::RequestBody,
        json::{Doc, Value, restringify},
    },
};

const SESSION: &str = "00000000-1111-4222-8333-444444444444";

fn headers(pairs: Value<'_>) -> HeaderList {
    pairs
        .elements()
        .map(|pair| {
            let mut pair = pair.elements().map(|text| text.as_str().unwrap().into_owned());
            (pair.next().unwrap(), pair.next().unwrap())
        })
        .collect()
}

fn check(row: Value<'_>) {
    let field = |name: &str| row.get_str(name).map(|text| text.into_owned());
    let account = row.get("account").unwrap();
    let text = |name: &str| account.get_str(name).map(|text| text.into_owned());
    let unified_id = text("useUnifiedClientId").is_some_and(|flag| flag == "true");
    let account = Account {
        id: text("id").unwrap(),
        account_uuid: text("extInfo").and_then(|info| account_uuid_of(&info)),
        unified_client_id: text("unifiedClientId").filter(|id| unified_id && !id.is_empty()),
        access_token: Secret::from("TOKEN"),
    };
    let client = headers(row.get("headers").unwrap());
    let captured = row.get_truthy("captured").map(headers);
    let sent = field("body").unwrap();
    let body = RequestBody::parse(Bytes::from(sent.clone())).unwrap();
    let from_claude_code = client::is_claude_code(&body, &client);
    assert_eq!(from_claude_code, row.get("real").unwrap().truthy(), "{sent}");
    let unified = field("unified");
    let built = build(&Call {
        body: &body,
        headers: &client,
        account: &account,
        endpoint: if row.get("count").unwrap().truthy() {
            Endpoint::CountTokens
        } else {
            Endpoint::Messages
        },
        from_claude_code,
        captured: captured.as_ref(),
        unified_user_agent: unified.as_deref(),
        api_version: "2023-06-01",
        system_prompt: None,
        fresh_session_id: SESSION,
        naming: match field("naming").as_deref() {
            Some("suffix") => ToolNaming::Suffixed("x1y2z3"),
            _ => ToolNaming::Pascal,
        },
    });
    let ours = String::from_utf8_lossy(&built.request.body).into_owned();
    let canonical = restringify(built.request.body.clone()).unwrap();
    let expected = field("sent").unwrap();
    assert_eq!(String::from_utf8(canonical).unwrap(), expected, "\nfor {sent}");
    // The recorded body was compact, so even the bytes agree.
    assert_eq!(ours, expected);

    let path = built.request.url.strip_prefix("https://api.anthropic.com").unwrap();
    let head = format!("POST {path} HTTP/1.1\r\n")
        + &built.request.headers.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect::<String>();
    assert_eq!(head.trim_end(), field("head").unwrap());
    assert_eq!(built.fingerprint, field("fingerprint"));
}

/// Requests that the legacy service sent for odd bodies and headers, byte for byte.
#[test]
fn builds_the_recorded_requests() {
    let recorded = include_str!("fixtures/requests.json");
    let recorded = Doc::parse_deep(Bytes::from_static(recorded.as_bytes())).unwrap();
    assert!(recorded.root().elements().count() >= 40);
    recorded.root().elements().for_each(check);
}

fn fixture(text: &'static str) -> Doc {
    Doc::parse_deep(Bytes::from_static(text.as_bytes())).unwrap()
}

fn texts(row: Value<'_>) -> Vec<String> {
    row.elements().filter_map(|t| t.as_str().map(|text| text.into_owned())).collect()
}

#[test]
fn restores_tool_names_as_recorded() {
    let mut names = ToolNames::default();
    for (original, renamed) in
        [("get_weather", "GetWeather_tool"), ("a", "A_tool"), ("é\"q", "x_x1")]
    {
        names.note(original, renamed);
    }
    let recorded = fixture(include_str!("fixtures/restore.json"));
    for row in recorded.root().get("lines").unwrap().elements() {
        let (line, expected) = (&texts(row)[0], &texts(row)[1]);
        let ours = names.restore_line(line.as_bytes()).unwrap_or(line.clone().into_bytes());
        assert_eq!(&String::from_utf8(ours).unwrap(), expected);
    }
    for row in recorded.root().get("bodies").unwrap().elements() {
        let (body, expected) = (&texts(row)[0], &texts(row)[1]);
        assert_eq!(names.restore_body(Bytes::from(body.clone())), expected.as_bytes());
    }
    assert_eq!(ToolNames::default().restore_line(b"data: {\"a\": 1}"), None);
}

#[test]
fn agents_and_versions_as_recorded() {
    let recorded = fixture(include_str!("fixtures/agents.json"));
    for row in recorded.root().get("agents").unwrap().elements() {
        let agent = row.get_str("ua").unwrap();
        let named = row.get("named").unwrap().truthy();
        let captured = client::capture(&[("User-Agent", agent.as_ref())].into_iter().collect());
        assert_eq!(captured.is_some(), named && row.get_truthy("ver").is_some(), "{agent}");
        if let Some((_, version)) = captured {
            assert_eq!(version, row.get_str("ver").unwrap());
        }
        let decision = client::unified_agent(Some(&agent), None);
        assert_eq!(decision == UnifiedAgent::Store, named, "{agent}");
        assert_eq!(client::has_agent_name(&agent), row.get("agent").unwrap().truthy(), "{agent}");
    }
    for row in recorded.root().get("pairs").unwrap().elements() {
        let (new, old) = (&texts(row)[0], &texts(row)[1]);
        let results: Vec<_> = row.elements().skip(2).collect();
        if let Some((_, version)) =
            client::capture(&[("user-agent", new.as_str())].into_iter().collect())
        {
            let newer = results[0].as_f64() == Some(1.0);
            assert_eq!(client::capture_is_newer(&version, Some(old)), newer, "{new} {old}");
            if !old.is_empty() {
                let store = client::unified_agent(Some(new), Some(old)) == UnifiedAgent::Store;
                assert_eq!(store, results[1].truthy(), "{new} {old}");
            }
        }
    }
}

fn call<'a>(
    body: &'a RequestBody,
    headers: &'a HeaderList,
    account: &'a Account,
    real: bool,
) -> Call<'a> {
    Call {
        body,
        headers,
        account,
        endpoint: Endpoint::Messages,
        from_claude_code: real,
        captured: None,
        unified_user_agent: None,
        api_version: "2023-06-01",
        system_prompt: None,
        fresh_session_id: SESSION,
        naming: ToolNaming::Pascal,
    }
}

fn account() -> Account {
    Account {
        id: "acc".into(),
        account_uuid: None,
        unified_client_id: None,
        access_token: Secret::from("t"),
    }
}

#[test]
fn a_body_no_rule_touches_is_not_copied() {
    let text = Bytes::from_static(br#" { "model" : "claude-sonnet-4-5", "messages" : [ {"role":"user","content":"hi"} ] , "n":1.0e2 } "#);
    let body = RequestBody::parse(text.clone()).unwrap();
    let built = build(&call(&body, &HeaderList::new(), &account(), true));
    assert_eq!(built.request.body.as_ptr(), text.as_ptr());
    assert_eq!(built.request.body, text);
}

#[test]
fn configured_prompt_joins_or_replaces_the_system() {
    for (system, expected) in [
        (
            r#"[{"type":"text","text":"a"}]"#,
            r#"[{"type":"text","text":"a"},{"type":"text","text":"P"}]"#,
        ),
        (r#"[{"text":"P"}]"#, r#"[{"text":"P"}]"#),
        (r#""a""#, r#"[{"type":"text","text":"P"}]"#),
        ("[]", r#"[{"type":"text","text":"P"}]"#),
    ] {
        let text = format!(r#"{{"system":{system}}}"#);
        let body = RequestBody::parse(Bytes::from(text)).unwrap();
        let (headers, account) = (HeaderList::new(), account());
        let call = Call { system_prompt: Some("P"), ..call(&body, &headers, &account, true) };
        assert_eq!(build(&call).request.body, format!(r#"{{"system":{expected}}}"#));
    }
}

/// JSON text with spacing and number spellings that no serialiser would choose.
fn odd_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("1.50e+2".to_owned()),
        Just("-0.0".to_owned()),
        Just("12345678901234567890".to_owned()),
        Just("\"\\u0061\\/\\ud800\"".to_owned()),
        Just("null".to_owned()),
        Just("{\"a\":1,\"a\" : 2}".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|v| format!("[ {} ]", v.join(" ,"))),
            prop::collection::vec(inner, 0..4).prop_map(|v| {
                let members: Vec<_> =
                    v.iter().enumerate().map(|(i, v)| format!("\"k{i}\" :{v}")).collect();
                format!("{{ {}}}", members.join(", "))
            }),
        ]
    })
}

proptest! {
    /// Whatever the rules do around them, fields they do not touch keep their bytes.
    #[test]
    fn untouched_fields_keep_their_bytes(odd in prop::collection::vec(odd_json(), 4), real: bool) {
        let block = format!(
            r#"{{"type":"text","text":"x","cache_control":{{"type":"ephemeral","ttl":"1h"}},"u":{}}}"#,
            odd[0]
        );
        let text = format!(
            r#"{{"top_p":1,"v":{},"messages":[{{"role":"user","content":[{block},{block},{block},{block},{block}],"w":{}}},{{"role":"assistant","content":[{{"type":"tool_use","id":"i","name":"n_n","input":{}}}]}}],"metadata":{{"user_id":"{{\"device_id\":\"d\",\"session_id\":\"s\"}}"}}}}"#,
            odd[1], odd[2], odd[3]
        );
        let body = RequestBody::parse(Bytes::from(text)).unwrap();
        let built = build(&call(&body, &HeaderList::new(), &account(), real));
        let out = String::from_utf8(built.request.body.to_vec()).unwrap();
        for (name, odd) in [("u", &odd[0]), ("v", &odd[1]), ("w", &odd[2]), ("input", &odd[3])] {
            let member = format!("\"{name}\":{odd}");
            prop_assert!(out.contains(&member), "{} in {}", member, out);
        }
        prop_assert!(!out.contains("top_p") && !out.contains("ttl"));
        prop_assert_eq!(out.matches("cache_control").count(), 4);
        prop_assert!(Doc::parse(built.request.body).is_ok());
    }

    #[test]
    fn no_body_panics(
        text in r#"\{("(model|system|messages|metadata|tools|content|role|cache_control|ttl|user_id|type|text)":(\[|\{|"[a-z\\]?"|1|null|\]|\}|,){1,3},?){0,12}\}?"#,
        real: bool,
    ) {
        if let Ok(body) = RequestBody::parse(Bytes::from(text)) {
            let built = build(&call(&body, &HeaderList::new(), &account(), real));
            prop_assert!(Doc::parse(built.request.body).is_ok());
        }
    }
}

/// How often the legacy service asked the vendor again, and what it told the client.
#[test]
fn refusals_are_handled_as_recorded() {
    let recorded = fixture(include_str!("fixtures/refusals.json"));
    let mut rows = 0;
    for row in recorded.root().elements() {
        let shown = String::from_utf8_lossy(row.raw());
        let number = |name| row.get(name).and_then(Value::as_f64).unwrap() as u16;
        let flag = |name| row.get(name).unwrap().truthy();
        let (status, stream) = (number("status"), flag("stream"));
        let body = row.get_str("body").unwrap();
        let tries = if status == 403 { 3 } else { 1 };
        let tries = match (refuses_tool_names(body.as_bytes()), stream) {
            (true, false) => tries * 2,
            (true, true) if status != 200 && status != 429 => tries + 1,
            _ => tries,
        };
        assert_eq!(number("requests"), tries, "{shown}");
        let out = row.get_str("out").unwrap();
        if !stream {
            // Replies to requests with renamed tools are written anew.
            let raw = Bytes::copy_from_slice(body.as_bytes());
            let anew = flag("tools").then(|| restringify(raw.clone()).ok()).flatten();
            assert_eq!(anew.map_or(raw, Bytes::from), out.as_bytes(), "{shown}");
        } else if status != 200 {
            let event = reply::error_event(status, body.as_bytes(), flag("tools"), "NOW");
            assert_eq!(event, out.as_bytes(), "{shown}");
        }
        rows += 1;
    }
    assert!(rows > 80, "{rows}");
}

#[test]
fn background_helpers() {
    for (app, body, expected) in [
        ("cli-bg", r#"{"system":"x A user kicked off a Claude Code agent y"}"#, true),
        (
            "cli-bg",
            r#"{"messages":[{"content":[{"type":"text","text":"a 2-4 word lowercase label for this job"}]}]}"#,
            true,
        ),
        ("cli-bg", r#"{"stream":true,"system":"A user kicked off a Claude Code agent"}"#, false),
        ("cli", r#"{"system":"A user kicked off a Claude Code agent"}"#, false),
        ("cli-bg", r#"{"messages":[{"content":"hello"},null]}"#, false),
    ] {
        let body = RequestBody::parse(Bytes::from_static(body.as_bytes())).unwrap();
        let headers: HeaderList = [("x-app", app)].into_iter().collect();
        assert_eq!(is_background_helper(Asked { body: body.root(), headers: &headers }), expected);
    }
}

#[test]
fn connect_failures_and_timeouts() {
    assert_eq!(
        ConnectFailure::Refused.event("NOW"),
        "event: error\ndata: {\"error\":\"Connection refused by Claude API server\",\"code\":\"ECONNREFUSED\",\"timestamp\":\"NOW\"}\n\n"
    );
    assert_eq!(
        ConnectFailure::Other(None).event("NOW"),
        "event: error\ndata: {\"error\":\"Upstream request failed\",\"timestamp\":\"NOW\"}\n\n"
    );
    assert_eq!(
        reply::timeout_event("NOW"),
        "event: error\ndata: {\"error\":\"Request timeout\",\"code\":\"TIMEOUT\",\"timestamp\":\"NOW\"}\n\n"
    );
    assert_eq!(ConnectFailure::TimedOut.stream_status(), 504);
}
