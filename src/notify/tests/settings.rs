//! The stored settings, odd ones included.

use rstest::rstest;

use super::super::{Notice, Platform, Stored};

#[rstest]
#[case("", "accountAnomaly", false)]
#[case("nonsense", "accountAnomaly", false)]
#[case("[]", "accountAnomaly", false)]
#[case(r#"{"enabled":false}"#, "test", false)]
#[case(r#"{"enabled":true}"#, "accountAnomaly", true)]
#[case(r#"{"enabled":1}"#, "rateLimitRecovery", true)]
#[case(r#"{"enabled":"x"}"#, "accountEvent", false)]
#[case(r#"{"enabled":true,"notificationTypes":{"accountEvent":true}}"#, "accountEvent", true)]
#[case(r#"{"enabled":true,"notificationTypes":{"quotaWarning":false}}"#, "quotaWarning", false)]
#[case(r#"{"enabled":true,"notificationTypes":{"quotaWarning":null}}"#, "quotaWarning", false)]
#[case(r#"{"enabled":true,"notificationTypes":{"test":false}}"#, "test", true)]
#[case(r#"{"enabled":true,"notificationTypes":null}"#, "systemError", true)]
#[case(r#"{"enabled":true}"#, "rollout", true)]
#[case(r#"{"enabled":true,"notificationTypes":{"systemError":false}}"#, "rollout", false)]
#[case(
    r#"{"enabled":true,"notificationTypes":{"systemError":false,"rollout":true}}"#,
    "rollout",
    true
)]
fn switches_decide(#[case] stored: &str, #[case] kind: &str, #[case] wanted: bool) {
    let notice = Notice::new(kind, serde_json::Map::new());
    assert_eq!(Stored::parse(Some(stored)).wants(&notice), wanted);
}

#[test]
fn receivers_are_those_switched_on() {
    let stored = Stored::parse(Some(
        r#"{"enabled":true,"platforms":[{"id":"a","enabled":true,"type":"custom","name":"A"},
        null,{"id":"b","enabled":false},{"id":"c","enabled":1,"type":"slack"},{"id":"d"}]}"#,
    ));
    let ids: Vec<String> = stored.receivers().map(|p| p.id().to_owned()).collect();
    assert_eq!(ids, ["a", "c"]);
    let names: Vec<String> = stored.receivers().map(|p| p.name().to_owned()).collect();
    assert_eq!(names, ["A", "slack"]);
    assert_eq!(stored.platforms().count(), 4);
}

#[rstest]
#[case("{}", 3, 1000.0)]
#[case(r#"{"retrySettings":{"maxRetries":0,"retryDelay":0}}"#, 3, 1000.0)]
#[case(r#"{"retrySettings":{"maxRetries":5,"retryDelay":20}}"#, 5, 20.0)]
#[case(r#"{"retrySettings":{"maxRetries":"2","retryDelay":"7"}}"#, 2, 7.0)]
#[case(r#"{"retrySettings":{"maxRetries":1.5,"retryDelay":-1}}"#, 2, -1.0)]
fn retries_are_read(#[case] stored: &str, #[case] attempts: u32, #[case] pause_ms: f64) {
    let retries = Stored::parse(Some(stored)).retries();
    assert_eq!((retries.attempts, retries.pause_ms), (attempts, pause_ms));
}

#[rstest]
#[case("{}", 10_000)]
#[case(r#"{"timeout":0}"#, 10_000)]
#[case(r#"{"timeout":2500}"#, 2500)]
#[case(r#"{"timeout":"300ms"}"#, 300)]
#[case(r#"{"timeout":"soon"}"#, 10_000)]
fn timeouts_are_read(#[case] platform: &str, #[case] ms: u64) {
    assert_eq!(Platform::new(serde_json::from_str(platform).unwrap()).timeout_ms(), ms);
}
