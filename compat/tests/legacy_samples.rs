//! What this crate writes against what the legacy service wrote: the same values under keys of the
//! same patterns.

#![expect(clippy::unwrap_used, reason = "tests")]

use compat::{
    catalogue::Catalogue,
    concurrency,
    cooldown::{self, CooldownPolicy, CooldownTimes, Failure},
    date::date_ms,
    lock::Lock,
    rate_window,
    relay_config::RelayConfig,
    session_binding::{self, Binding},
    sticky::{self, Mapping, StickyTtl},
    store::Cmd,
};
use serde_json::Value;

fn samples() -> Value {
    serde_json::from_str(include_str!("../vectors/records.json")).unwrap()
}

fn words(cmd: Cmd) -> Vec<String> {
    match cmd {
        Cmd::Words(words) => {
            words.iter().map(|word| String::from_utf8(word.to_vec()).unwrap()).collect()
        }
        Cmd::Script { script, .. } => panic!("{} is a script", script.name),
    }
}

fn pattern(key: &str) -> String {
    let catalogue = Catalogue::new();
    catalogue.classify(key).unwrap_or_else(|| panic!("{key} is in no pattern")).pattern.to_owned()
}

#[test]
fn a_sticky_mapping_is_written_as_the_legacy_service_does() {
    let mapping = Mapping { account_id: "acc1".into(), account_type: "claude-official".into() };
    let key = sticky::claude("h1");
    let written = words(sticky::set(&key, &mapping, StickyTtl::new(1.0, 0)));
    assert_eq!(written, ["SETEX", &key, "3600", samples()["sticky"]["json"].as_str().unwrap()]);
}

#[test]
fn a_cool_down_is_written_as_the_legacy_service_does() {
    let samples = samples();
    let sample = samples["temp-unavailable"]["json"].as_str().unwrap();
    let marked: Value = serde_json::from_str(sample).unwrap();
    let now_ms = date_ms(marked["markedAt"].as_str().unwrap()).unwrap();
    let failure = Failure {
        account_type: "claude-official",
        account_id: "acc1",
        status: 529,
        hint_seconds: None,
    };
    let times = CooldownTimes::default();
    let mark = cooldown::mark(failure, CooldownPolicy::default(), &times, now_ms);
    let ttl = samples["temp-unavailable"]["ttl"].to_string();
    assert_eq!(
        words(mark.cmds[0].clone()),
        ["SETEX", "temp_unavailable:claude-official:acc1", &ttl, sample]
    );
}

#[test]
fn a_session_binding_is_written_as_the_legacy_service_does() {
    let samples = samples();
    let sample = samples["session-binding"]["json"].as_str().unwrap();
    let bound: Value = serde_json::from_str(sample).unwrap();
    let at = bound["createdAt"].as_str().unwrap();
    let binding = Binding::new("acc1", "claude-official", at);
    let written = words(session_binding::set("sess1", &binding, session_binding::ttl_s(1.0)));
    assert!(written.contains(&sample.to_owned()), "{written:?}");
    assert!(written.contains(&"86400".to_owned()), "{written:?}");
}

#[test]
fn the_relay_settings_default_as_in_the_legacy_service() {
    let samples = samples();
    let defaults = samples["relay-config-defaults"].to_string();
    assert_eq!(RelayConfig::parse(Some(&defaults)), RelayConfig::default());
    assert_eq!(RelayConfig::parse(None), RelayConfig::default());
    let stored = RelayConfig::parse(samples["relay-config"]["json"].as_str());
    assert_eq!(stored, RelayConfig { claude_code_only: true, ..RelayConfig::default() });
}

#[test]
fn every_key_of_a_legacy_database_is_known() {
    let keys: Vec<Value> = serde_json::from_str(include_str!("../vectors/database.json")).unwrap();
    let catalogue = Catalogue::new();
    for key in &keys {
        let name = key["key"].as_str().unwrap();
        let entry = catalogue.classify(name).unwrap_or_else(|| panic!("{name} is in no pattern"));
        assert_eq!(entry.kind, key["type"], "{name}");
        assert_eq!(entry.ttl.check(key["ttl"].as_i64().unwrap()), None, "{name}");
    }
}

#[test]
fn keys_built_elsewhere_are_in_the_catalogue() {
    assert_eq!(pattern(&concurrency::api_key("k")), "concurrency:{key_id}");
    assert_eq!(
        pattern(&concurrency::console_account("a")),
        "concurrency:console_account:{account_id}"
    );
    assert_eq!(pattern(&sticky::claude("h")), "unified_claude_session_mapping:{session_hash}");
    assert_eq!(
        pattern(&sticky::gemini(Some("antigravity"), "h")),
        "unified_gemini_session_mapping:{provider}:{session_hash}"
    );
    assert_eq!(
        pattern(&cooldown::mark_key("ccr", "a")),
        "temp_unavailable:{account_type}:{account_id}"
    );
    assert_eq!(
        pattern(&cooldown::history_key("ccr", "a")),
        "error_history:{account_type}:{account_id}"
    );
    let windows = rate_window::keys("k").map(|key| pattern(&key));
    let mut expected = ["window_start", "requests", "tokens", "cost"]
        .map(|name| format!("rate_limit:{name}:{{key_id}}"));
    let mut windows = windows;
    windows.sort();
    expected.sort();
    assert_eq!(windows, expected);
    assert_eq!(
        pattern(Lock::token_refresh("claude", "a", "v").key()),
        "token_refresh_lock:{platform}:{account_id}"
    );
    assert_eq!(
        pattern(Lock::account_recovery("a", "v").key()),
        "lock:account:{account_id}:recovery"
    );
    assert_eq!(
        pattern(Lock::weekly_cost_init("2026-11-22", "v").key()),
        "lock:init:weekly_opus_cost:{date}"
    );
}
