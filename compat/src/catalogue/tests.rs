use rstest::rstest;

use super::*;

#[test]
fn every_line_of_the_data_is_read() {
    assert_eq!(Catalogue::new().entries().len(), DATA.lines().count() - 1);
    for entry in Catalogue::new().entries() {
        assert!(
            matches!(entry.kind, "string" | "hash" | "set" | "zset" | "list" | "stream"),
            "{}",
            entry.pattern
        );
        assert!(!entry.about.is_empty() && !entry.area.is_empty(), "{}", entry.pattern);
    }
}

#[rstest]
#[case("apikey:0f8fad5b", Some("apikey:{key_id}"))]
#[case("apikey:hash_map", Some("apikey:hash_map"))]
#[case("apikey:tag:a:b", Some("apikey:tag:{tag}"))]
#[case("apikey:a:b", None)]
#[case("apikey:", None)]
#[case("usage:k", Some("usage:{key_id}"))]
#[case("usage:daily:k:2026-11-22", Some("usage:daily:{key_id}:{date}"))]
#[case("usage:daily:index:2026-11-22", Some("usage:daily:index:{date}"))]
#[case("usage:daily:index:2026-11-22:empty", Some("usage:daily:index:{date}:empty"))]
#[case("usage:daily:k:2026-11-2", None)]
#[case("usage:model:daily:m:x:2026-11-22", Some("usage:model:daily:{model}:{date}"))]
#[case(
    "usage:k:model:hourly:m:2026-11-22:07",
    Some("usage:{key_id}:model:hourly:{model}:{date}:{hour}")
)]
#[case("usage:k:model:alltime:a:b", Some("usage:{key_id}:model:alltime:{model}"))]
#[case("usage:opus:weekly:k:2026-11-16T09", Some("usage:opus:weekly:{key_id}:{period}"))]
#[case("usage:opus:weekly:k:2026-W47", Some("usage:opus:weekly:{key_id}:{week}"))]
#[case("concurrency:queue:k", Some("concurrency:queue:{key_id}"))]
#[case("concurrency:console_account:a", Some("concurrency:console_account:{account_id}"))]
#[case("session:admin_credentials", Some("session:admin_credentials"))]
#[case("session:abc", Some("session:{token}"))]
#[case("redeem_card:ip:::1:2026-11-22T23", Some("redeem_card:ip:{ip}:{utc_hour}"))]
#[case(
    "unified_gemini_session_mapping:antigravity:h",
    Some("unified_gemini_session_mapping:{provider}:{session_hash}")
)]
#[case("claude_account:a:401_errors", Some("claude_account:{account_id}:401_errors"))]
#[case("claude:account:index:empty", Some("claude:account:index:empty"))]
#[case("crs:rs:journal:1", None)]
#[case("dump", None)]
#[case("", None)]
fn keys_find_their_pattern(#[case] key: &str, #[case] pattern: Option<&str>) {
    assert_eq!(Catalogue::new().classify(key).map(|entry| entry.pattern), pattern);
}

#[test]
fn values_are_taken_from_keys() {
    let catalogue = Catalogue::new();
    let value = |key: &'static str, name| catalogue.classify(key).unwrap().value(key, name);
    assert_eq!(value("usage:k:model:daily:a:b:2026-11-22", "model"), Some("a:b"));
    assert_eq!(value("usage:k:model:daily:a:b:2026-11-22", "key_id"), Some("k"));
    assert_eq!(value("account_groups_reverse:claude:a1", "account_id"), Some("a1"));
    assert_eq!(value("apikey:hash_map", "key_id"), None);
}

#[rstest]
#[case("none", -1, None)]
#[case("none", 60, Some(TtlFault::Expires))]
#[case("none", -2, None)]
#[case("60", 60, None)]
#[case("60", 61, Some(TtlFault::TooLong))]
#[case("60", -1, Some(TtlFault::NeverExpires))]
#[case("60?", -1, None)]
#[case("60?", 61, Some(TtlFault::TooLong))]
#[case("~60", 999, None)]
#[case("~60", -1, Some(TtlFault::NeverExpires))]
#[case("~60?", -1, None)]
#[case("any", -1, None)]
fn expiry_rules(#[case] rule: &str, #[case] remaining: i64, #[case] fault: Option<TtlFault>) {
    assert_eq!(Ttl::parse(rule).unwrap().check(remaining), fault);
}
