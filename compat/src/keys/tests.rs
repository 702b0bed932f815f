use std::collections::BTreeSet;

use super::*;
use crate::catalogue::Catalogue;

/// A believable value for a placeholder.
pub(super) fn sample(placeholder: &str) -> &'static str {
    match placeholder {
        "date" => "2026-11-22",
        "month" => "2026-11",
        "hour" => "07",
        "period" => "2026-11-16T09",
        "week" => "2026-W47",
        "utc_hour" => "2026-11-22T23",
        "minute" => "29910000",
        "epoch_ms" => "1795380000000",
        "range" => "7days",
        "model" => "claude-sonnet-4-20250514",
        "tag" => "team: blue",
        "ip" => "::ffff:10.0.0.1",
        "hash" | "token" | "session_hash" => "9f86d081884c7d659a2feaa0c55ad015",
        "platform" | "provider" => "claude",
        "endpoint" => "anthropic",
        "account_type" => "claude-official",
        "status" => "unused",
        "code" => "CC_ABCD_EFGH_JKLM",
        "username" => "bob",
        _ => "0f8fad5b-d9cb-469f-a165-70867728950e",
    }
}

fn samples(catalogue: &Catalogue) -> Vec<(&'static str, String)> {
    let id = sample("account_id");
    let mut samples = [
        api_keys::samples(),
        usage::samples(),
        account_usage::samples(),
        cost::samples(),
        limits::samples(),
        sticky::samples(),
        accounts::samples(),
        groups::samples(),
        quota::samples(),
        details::samples(),
        settings::samples(),
        people::samples(),
        own::samples(),
    ]
    .concat();
    let pattern = |text: String| catalogue.entries().iter().find(|entry| entry.pattern == text);
    for kind in AccountKind::ALL {
        samples.push((pattern(kind.record_pattern()).unwrap().pattern, kind.record(id)));
        samples.push((pattern(kind.index()).unwrap().pattern, kind.index()));
        samples.push((pattern(kind.index_empty()).unwrap().pattern, kind.index_empty()));
        samples.extend(kind.shared().map(|key| (key, key.to_owned())));
    }
    samples
}

#[test]
fn every_pattern_has_a_builder_whose_keys_it_claims() {
    let catalogue = Catalogue::new();
    let samples = samples(&catalogue);
    let built: BTreeSet<_> = samples.iter().map(|(pattern, _)| *pattern).collect();
    let listed: BTreeSet<_> = catalogue.entries().iter().map(|entry| entry.pattern).collect();
    assert_eq!(built, listed);
    assert_eq!(samples.len(), listed.len(), "one builder each");
    for (pattern, key) in samples {
        let found = catalogue.classify(&key).map(|entry| entry.pattern);
        assert_eq!(found, Some(pattern), "{key}");
    }
}

#[test]
fn empty_markers_follow_their_index() {
    assert_eq!(
        empty_marker(&usage_hourly_index("2026-11-22", "07")),
        usage_hourly_index_empty("2026-11-22", "07")
    );
    assert_eq!(empty_marker(USERS), USERS_EMPTY);
}

#[test]
fn account_kinds_have_one_name() {
    for kind in AccountKind::ALL {
        assert_eq!(AccountKind::parse(kind.as_str()), Some(kind));
    }
    assert_eq!(AccountKind::parse("claude"), None);
}
