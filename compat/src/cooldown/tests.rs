use rstest::rstest;

use super::*;

fn words(cmd: &Cmd) -> Vec<String> {
    match cmd {
        Cmd::Words(words) => {
            words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
        }
        Cmd::Script { .. } => Vec::new(),
    }
}

fn failure(status: u16, hint_seconds: Option<i64>) -> Failure<'static> {
    Failure { account_type: "claude-official", account_id: "a", status, hint_seconds }
}

#[rstest]
#[case(529, None, 600)]
#[case(503, None, 60)]
#[case(504, None, 300)]
#[case(401, None, 1800)]
#[case(403, None, 1800)]
#[case(429, None, 300)]
#[case(429, Some(42), 42)]
#[case(429, Some(600_000), 1800)]
#[case(500, None, 300)]
#[case(502, None, 300)]
fn each_class_has_its_time(#[case] status: u16, #[case] hint: Option<i64>, #[case] seconds: i64) {
    let cmds =
        mark(failure(status, hint), CooldownPolicy::default(), &CooldownTimes::default(), 0).cmds;
    assert_eq!(
        words(&cmds[0])[..3],
        ["SETEX", "temp_unavailable:claude-official:a", &seconds.to_string()]
    );
    assert_eq!(cmds.len(), 4, "mark, history line, trim, expiry");
}

#[test]
fn texts_are_spelled_like_the_legacy_service() {
    let cmds =
        mark(failure(503, None), CooldownPolicy::default(), &CooldownTimes::default(), 0).cmds;
    assert_eq!(
        words(&cmds[0])[3],
        r#"{"statusCode":503,"errorType":"service_unavailable","markedAt":"1970-01-01T00:00:00.000Z","ttlSeconds":60,"cooldownSeconds":60,"expiresAt":"1970-01-01T00:01:00.000Z"}"#
    );
    assert_eq!(
        words(&cmds[1])[2],
        r#"{"time":"1970-01-01T00:00:00.000Z","status":503,"errorType":"service_unavailable","context":null}"#
    );
}

#[test]
fn other_statuses_mark_nothing() {
    for status in [200, 400, 404, 413, 422] {
        assert!(
            mark(failure(status, None), CooldownPolicy::default(), &CooldownTimes::default(), 0)
                .cmds
                .is_empty()
        );
    }
}

#[test]
fn overrides_of_official_accounts_replace_or_remove() {
    let times = CooldownTimes::default();
    let policy = |fields: &'static [(&str, &str)]| {
        CooldownPolicy::read(|name| fields.iter().find(|(n, _)| *n == name).map(|(_, v)| *v))
    };
    let first = |status, policy| words(&mark(failure(status, None), policy, &times, 0).cmds[0]);
    assert_eq!(first(401, policy(&[("disableTempUnavailable", "true")]))[0], "DEL");
    assert_eq!(first(503, policy(&[("tempUnavailable503TtlSeconds", "0")]))[0], "DEL");
    assert_eq!(first(503, policy(&[("tempUnavailable503TtlSeconds", "7")]))[2], "7");
    assert_eq!(first(500, policy(&[("tempUnavailable5xxTtlSeconds", "9")]))[2], "9");
    assert_eq!(first(504, policy(&[("tempUnavailable5xxTtlSeconds", "9")]))[2], "300");
    assert_eq!(first(503, policy(&[("tempUnavailable503TtlSeconds", "")]))[2], "60");
}

#[test]
fn a_vendors_hint_is_read_from_three_headers() {
    let hint = |fields: &'static [(&str, &str)]| {
        retry_after(
            |name| fields.iter().find(|(n, _)| *n == name).map(|(_, v)| *v),
            1_784_822_400_000,
        )
    };
    assert_eq!(hint(&[("retry-after", "30")]), Some(30));
    assert_eq!(hint(&[("retry-after", "Thu, 23 Jul 2026 16:00:10 GMT")]), Some(10));
    assert_eq!(hint(&[("anthropic-ratelimit-unified-reset", "1784822500")]), None);
    assert_eq!(hint(&[("anthropic-ratelimit-unified-reset", "2026-07-23T16:00:00.500Z")]), Some(1));
    assert_eq!(hint(&[("retry-after", "0"), ("x-ratelimit-reset-requests", "5")]), Some(5));
    assert_eq!(hint(&[]), None);
}

#[test]
fn history_bodies_are_cut() {
    let cmds =
        history("claude-official", "a", 0, "token_refresh_failed", Some(&"x".repeat(3000)), 0);
    assert!(words(&cmds[0])[2].ends_with(&format!("{}\"}}}}", "x".repeat(2000))));
}
