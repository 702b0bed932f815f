use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::difference::{Difference, Weight};

fn rules(text: &str) -> Result<Rules, RuleError> {
    let mut rules = Rules::default();
    rules.add("own.toml", text)?;
    Ok(rules)
}

fn finding(plane: Plane, path: &str, control: Value, candidate: Value) -> Finding {
    Finding {
        plane,
        group: crate::group::group(plane, path),
        weight: Weight::Plain,
        difference: Difference::between(DifferenceKind::Value, path, control, candidate),
        rule: None,
    }
}

fn spoken_for(case: &Case, mut finding: Finding) -> Option<String> {
    let rules = Rules::built_in().unwrap();
    rules.apply(case, std::slice::from_mut(&mut finding));
    finding.rule
}

#[test]
fn built_in_rules_are_sound() {
    let rules = Rules::built_in().unwrap();
    assert!(rules.all().len() > 40);
    assert!(rules.all().iter().all(|rule| rule.reason.len() > 10));
}

#[test]
fn every_deviation_named_exists() {
    let migration = include_str!("../../../MIGRATION.md");
    let numbers: BTreeSet<u32> =
        migration.lines().filter_map(|line| line.split_once(". **")?.0.parse().ok()).collect();
    assert!(numbers.len() >= 37);
    for rule in Rules::built_in().unwrap().all() {
        if let Action::Expected { deviation } = rule.action {
            assert!(numbers.contains(&deviation), "{}: {deviation}", rule.id);
        }
    }
}

/// Numbers that the head of the file of deviations gives a reason for, ranges written out.
fn without_a_rule() -> BTreeSet<u32> {
    let head = include_str!("../../rules/deviations.toml").split("[[rule]]").next().unwrap();
    let number = regex::Regex::new(r"(\d+)(?: to (\d+))?").unwrap();
    let read = |text: &str| text.parse::<u32>().unwrap();
    let ranges = number.captures_iter(head).map(|found| {
        let first = read(&found[1]);
        first..=found.get(2).map_or(first, |last| read(last.as_str()))
    });
    ranges.flatten().collect()
}

#[test]
fn every_deviation_has_a_rule_or_a_reason_for_none() {
    let migration = include_str!("../../../MIGRATION.md");
    let numbers: BTreeSet<u32> =
        migration.lines().filter_map(|line| line.split_once(". **")?.0.parse().ok()).collect();
    let mut known = without_a_rule();
    known.extend(Rules::built_in().unwrap().all().iter().filter_map(|rule| match rule.action {
        Action::Expected { deviation } => Some(deviation),
        _ => None,
    }));
    assert_eq!(known, numbers);
}

#[rstest]
#[case("/system:metrics:minute:29927749/fields/cacheReadTokens", json!({ "+": 0 }), true)]
#[case("/system:metrics:minute:29927749/fields/cacheReadTokens", json!({ "+": 5 }), false)]
#[case("/usage:daily:k:2026-07-24/fields/tokens", json!({ "+": 0 }), false)]
fn a_counter_that_begins_at_nothing(#[case] path: &str, #[case] grown: Value, #[case] known: bool) {
    for difference in [Difference::missing(path, grown.clone()), Difference::extra(path, grown)] {
        let mut found = finding(Plane::Effects, path, json!(null), json!(null));
        found.difference = difference;
        assert_eq!(spoken_for(&Case::default(), found).is_some(), known);
    }
}

#[rstest]
#[case("Hi \u{FFFD}\u{FFFD}!", "Hi \u{1F600}!", true)]
#[case("Hi \u{FFFD}\u{FFFD}!", "Ho \u{1F600}!", false)]
#[case("x\u{FFFD}\u{1}a", "{\"error\":1}", false)]
fn only_halves_of_characters_may_differ(
    #[case] node: &str,
    #[case] own: &str,
    #[case] known: bool,
) {
    let case = Case { stream: true, complete: true, ..Case::default() };
    let found = finding(Plane::ResponseBody, "/content/0/text", json!(node), json!(own));
    assert_eq!(spoken_for(&case, found).is_some(), known);
}

#[test]
fn no_built_in_rule_hides_an_amount() {
    for path in [
        "/usage:cost:daily:k:2026-07-24/value",
        "/usage:daily:k:2026-07-24/fields/tokens",
        "/rate_limit:cost:k/value",
        "/usage:records:k/head/0/cost",
    ] {
        let found = finding(Plane::Effects, path, json!("1"), json!("2"));
        let case = Case { complete: true, ..Case::default() };
        assert_eq!(spoken_for(&case, found), None, "{path}");
    }
}

#[rstest]
#[case(Plane::ResponseHead, "/headers/x-request-id", json!("abc12345de"), json!("xyz98765ab"), Some("request-id-header"))]
#[case(Plane::ResponseHead, "/headers/x-request-id", json!("abc12345de"), json!("Not An Id"), None)]
#[case(Plane::ResponseHead, "/headers/date", json!("Fri, 24 Jul 2026 10:00:00 GMT"), json!("Fri, 24 Jul 2026 10:00:09 GMT"), Some("date-header"))]
#[case(Plane::ResponseHead, "/headers/date", json!("Fri, 24 Jul 2026 10:00:00 GMT"), json!("Fri, 24 Jul 2026 20:00:09 GMT"), None)]
#[case(Plane::Effects, "/usage:daily:k:2026-07-24/ttl", json!(100_000), json!(99_000), Some("ttl-milliseconds"))]
#[case(Plane::Effects, "/usage:daily:k:2026-07-24/ttl", json!(100_000), json!(50_000), None)]
#[case(Plane::Effects, "/apikey:k/fields/lastUsedAt", json!("2026-07-24T10:00:00.000Z"), json!("2026-07-24T10:00:01.250Z"), Some("moments-in-fields"))]
#[case(Plane::Effects, "/apikey:k/fields/expiresAt", json!("2026-07-24T10:00:00.000Z"), json!("2027-07-24T10:00:01.250Z"), None)]
#[case(Plane::Effects, "/apikey:idx:lastUsedAt/members/k", json!("1784900000000"), json!(1_784_900_000_400_i64), Some("last-used-index"))]
#[case(Plane::UpstreamRequest, "/body/metadata/user_id", json!("user_a_account__session_3f0e2a40-4c2b-4d1e-9d0e-0a1b2c3d4e5f"), json!("user_a_account__session_4f0e2a40-4c2b-4d1e-9d0e-0a1b2c3d4e5f"), Some("made-up-session"))]
#[case(Plane::UpstreamRequest, "/body/metadata/user_id", json!("user_a_account__session_3f0e2a40-4c2b-4d1e-9d0e-0a1b2c3d4e5f"), json!("user_b_account__session_4f0e2a40-4c2b-4d1e-9d0e-0a1b2c3d4e5f"), None)]
#[case(Plane::ResponseBody, "/events/1:message_start/message/id", json!("msg_warmup_0123456789abcdef0123"), json!("msg_warmup_3123456789abcdef0123"), Some("warmup-message-id"))]
#[case(Plane::Timing, "/total", json!(1), json!(2), Some("timing"))]
fn noise(
    #[case] plane: Plane,
    #[case] path: &str,
    #[case] control: Value,
    #[case] candidate: Value,
    #[case] rule: Option<&str>,
) {
    let case = Case { complete: true, ..Case::default() };
    assert_eq!(spoken_for(&case, finding(plane, path, control, candidate)).as_deref(), rule);
}

#[rstest]
#[case("AKIAB", "us-east-1", "AKIAB", "us-east-1", Some("aws-signature"))]
#[case("AKIAB", "us-east-1", "AKIAC", "us-east-1", Some("access-key-in-force"))]
#[case("AKIAB", "us-east-1", "AKIAC", "eu-west-1", None)]
fn another_access_key_is_told_from_another_signature(
    #[case] key: &str,
    #[case] region: &str,
    #[case] other_key: &str,
    #[case] other_region: &str,
    #[case] rule: Option<&str>,
) {
    let signed = |key: &str, region: &str, digit: &str| {
        json!(format!(
            "AWS4-HMAC-SHA256 Credential={key}/20260724/{region}/bedrock/aws4_request, \
             SignedHeaders=host, Signature={}",
            digit.repeat(64)
        ))
    };
    let bedrock = Case { complete: true, account: Some("bedrock".to_owned()), ..Case::default() };
    let spoken = |control: Value, candidate: Value| {
        let found = finding(Plane::UpstreamRequest, "/headers/authorization", control, candidate);
        spoken_for(&bedrock, found)
    };
    let (one, two) = (signed(key, region, "a"), signed(other_key, other_region, "b"));
    assert_eq!(spoken(one.clone(), two).as_deref(), rule);
    let left = spoken(json!("Bearer [object Object]"), one);
    assert_eq!(left.as_deref(), Some("left-api-key-ignored"));
}

#[test]
fn only_a_session_of_nobody_may_be_made_up() {
    let user =
        |n: u32| json!(format!("user_a_account__session_{n}f0e2a40-4c2b-4d1e-9d0e-0a1b2c3d4e5f"));
    let found = || finding(Plane::UpstreamRequest, "/body/metadata/user_id", user(3), user(4));
    let made_up = Case { complete: true, ..Case::default() };
    assert_eq!(spoken_for(&made_up, found()).as_deref(), Some("made-up-session"));
    let named = Case { session: true, ..made_up };
    assert_eq!(spoken_for(&named, found()), None);
}

#[rstest]
#[case(Plane::ResponseBody, "/id", "msg_1795665971804_bedrock", "msg_1795665971814_bedrock", true)]
#[case(Plane::ResponseBody, "/id", "msg_1", "msg_1795665971814_bedrock", false)]
#[case(Plane::Admission, "/outcome", "Internal server error during authentication", "", true)]
#[case(Plane::Admission, "/outcome", "Invalid API key", "", false)]
#[case(Plane::ResponseBody, "/content/0.tool0/name", "GetTime_tool", "get_time", true)]
#[case(Plane::ResponseBody, "/content/0.tool0/name", "get_time", "get_day", false)]
fn faults_and_ids_of_the_legacy_service(
    #[case] plane: Plane,
    #[case] path: &str,
    #[case] node: &str,
    #[case] own: &str,
    #[case] known: bool,
) {
    let route = "/api/v1/chat/completions".to_owned();
    let case = Case { status: Some(500), complete: true, stream: true, route, ..Case::default() };
    assert_eq!(spoken_for(&case, finding(plane, path, json!(node), json!(own))).is_some(), known);
}

#[test]
fn keys_that_redis_could_not_look_up() {
    let case = Case { status: Some(401), complete: true, ..Case::default() };
    let node = json!("Internal validation error");
    for (path, own) in [("/body/message", json!("API key not found")), ("/outcome", json!({}))] {
        let found = finding(Plane::Admission, path, node.clone(), own);
        assert!(spoken_for(&case, found).is_some(), "{path}");
    }
    let found = finding(Plane::Admission, "/body/message", json!("Invalid key"), json!("Expired"));
    assert_eq!(spoken_for(&case, found), None);
}

#[test]
fn a_chat_has_no_session_of_its_own() {
    let session =
        |n: u8| json!(format!("user_a_account__session_{n:08}-0000-4000-8000-123456789abc"));
    let path = "/body/metadata/user_id";
    let found = || finding(Plane::UpstreamRequest, path, session(1), session(2));
    let case = |route: &str| Case { session: true, route: route.into(), ..Case::default() };
    assert!(spoken_for(&case("/api/v1/chat/completions"), found()).is_some());
    assert_eq!(spoken_for(&case("/api/v1/messages"), found()), None);
}

#[test]
fn circumstances_count() {
    let found = || finding(Plane::ResponseBody, "/complete", json!(false), json!(true));
    let cut = Case { stream: true, complete: false, ..Case::default() };
    assert_eq!(spoken_for(&cut, found()).as_deref(), Some("broken-stream-ended"));
    let whole = Case { stream: true, complete: true, ..Case::default() };
    assert_eq!(spoken_for(&whole, found()), None);
}

const SOUND: &str = r#"
[[rule]]
id = "a"
plane = "effects"
path = "/x"
action = "ignore"
reason = "Because."
"#;

#[rstest]
#[case(SOUND, "reason = \"Because.\"", "reason = \" \"", "own.toml:7: `reason` is empty")]
#[case(SOUND, "reason = \"Because.\"", "", "own.toml:2: missing field `reason`")]
#[case(
    SOUND,
    "\"ignore\"",
    "\"hide\"",
    "own.toml:6: `action` is ignore, tolerance or expected, not `hide`"
)]
#[case(
    SOUND,
    "\"ignore\"",
    "\"expected\"",
    "own.toml:6: `expected` needs `deviation`, its number in MIGRATION.md"
)]
#[case(
    SOUND,
    "\"ignore\"",
    "\"tolerance\"",
    "own.toml:2: `tolerance` needs at least one of `ms`, `abs`, `rel`"
)]
#[case(SOUND, "\"/x\"", "\"x\"", "own.toml:5: `path` starts with `/`")]
#[case(SOUND, "\"effects\"", "\"effect\"", "own.toml:4: unknown variant `effect`")]
#[case(SOUND, "plane", "plan", "own.toml:4: unknown field `plan`")]
#[case(SOUND, "action", "same_but = '('\naction", "own.toml:6: `same_but`: error: unclosed group")]
#[case(SOUND, "[[rule]]", "[[rule]", "own.toml:2: ")]
fn wrong_files_are_told_with_their_line(
    #[case] sound: &str,
    #[case] from: &str,
    #[case] to: &str,
    #[case] message: &str,
) {
    let error = rules(&sound.replacen(from, to, 1)).unwrap_err().to_string();
    assert!(error.starts_with(message), "{error}");
}

#[test]
fn a_second_rule_of_one_name_is_refused() {
    let mut all = rules(SOUND).unwrap();
    let error = all.add("more.toml", SOUND).unwrap_err().to_string();
    assert_eq!(error, "more.toml:3: rule `a` exists already, in own.toml");
}

#[test]
fn unused_rules_are_listed() {
    let rules = rules(&format!("{SOUND}{}", SOUND.replace("\"a\"", "\"b\""))).unwrap();
    let counts = [("a".to_owned(), 3)].into();
    let unused: Vec<_> = rules.unused(&counts).iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(unused, ["b"]);
}

#[test]
fn an_operators_directory_adds_to_the_built_in_rules() {
    let directory = std::env::temp_dir().join(format!("shadow-rules-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("own.toml"), SOUND).unwrap();
    std::fs::write(directory.join("notes.txt"), "no rules").unwrap();
    let rules = Rules::with_directory(&directory);
    let missing = Rules::with_directory(&directory.join("none"));
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(rules.unwrap().all().iter().any(|rule| rule.id == "a"));
    assert!(missing.unwrap_err().to_string().contains("none"));
}

#[test]
fn usage_of_a_stream_that_the_vendor_cut_is_a_known_deviation() {
    let found = |path: &str| {
        let mut found = finding(Plane::Effects, path, Value::Null, json!({ "type": "string" }));
        found.difference.kind = DifferenceKind::Extra;
        found
    };
    let cut = Case { stream: true, complete: true, upstream_cut: true, ..Case::default() };
    let whole = Case { stream: true, complete: true, ..Case::default() };
    let usage = "/usage:cost:total:k";
    assert_eq!(spoken_for(&cut, found(usage)).as_deref(), Some("cut-stream-accounted-new"));
    assert_eq!(spoken_for(&whole, found(usage)), None);
    let refused = Case { upstream_status: Some(403), ..whole };
    let noted = found("/error_history:claude-official:a");
    assert_eq!(spoken_for(&refused, noted).as_deref(), Some("forbidden-stream-noted"));
}
