//! Choices among Azure accounts.

use compat::{
    account_state::{Moment, UsageCost},
    clock::{LocalCalendar, iso},
    pool::{DayUsage, Entry, Fields, Kind, Snapshot},
    sticky::{Mapping, StickyTtl, Stuck},
};

use crate::schedule::{Effect, Question, Rules, Seen, Via, azure::Ask};

const NOW_MS: i64 = 1_784_822_400_000;

struct Free;

impl UsageCost for Free {
    fn cost(&self, _: &DayUsage) -> f64 {
        0.0
    }
}

/// An account that can serve, with these fields instead.
fn account(id: &str, changes: &[(&str, &str)]) -> Entry {
    let mut fields = Fields::new();
    for (name, value) in [("isActive", "true"), ("schedulable", "true")].iter().chain(changes) {
        fields.insert((*name).to_owned(), (*value).to_owned());
    }
    Entry::of_record(Kind::Azure, id, fields)
}

/// How the account was found and which, or why none; and the commands that follow.
fn chosen(
    accounts: Vec<Entry>,
    session: Option<&str>,
    stuck: Option<&str>,
) -> (Result<(Via, String), String>, Vec<String>) {
    let stuck = stuck.map(|id| Stuck {
        mapping: Some(Mapping { account_id: id.into(), account_type: "azure-openai".into() }),
        remaining_s: 900,
    });
    let rules = Rules {
        dedicated_fallback: false,
        console_block_minutes: 0,
        sticky: StickyTtl { full_s: 60, renew_below_s: 3600 },
        surroundings: false,
        collation: js::Collation::default(),
    };
    let decision = Ask { session }
        .decide(&Seen {
            snapshot: &Snapshot::of(accounts),
            stuck: stuck.as_ref(),
            rules: &rules,
            moment: Moment { now_ms: NOW_MS, calendar: LocalCalendar::new(8) },
            prices: &Free,
        })
        .unwrap();
    let effects = decision.effects.iter().map(|effect| match effect {
        Effect::Cmd(cmd) => format!("{cmd:?}"),
        other => panic!("{other:?}"),
    });
    let effects = effects.collect();
    let result = decision.result.map(|found| (found.via, found.account.id.to_string()));
    (result.map_err(|refusal| refusal.to_string()), effects)
}

fn first(accounts: &[(&str, &str)]) -> String {
    let accounts = accounts.iter().map(|(id, priority)| account(id, &[("priority", priority)]));
    chosen(accounts.collect(), None, None).0.unwrap().1
}

#[test]
fn the_larger_priority_goes_first_and_equals_go_by_the_set() {
    assert_eq!(first(&[("a", "10"), ("b", "90"), ("c", "50")]), "b");
    assert_eq!(first(&[("a", "50"), ("b", ""), ("c", "50.0")]), "a");
    assert_eq!(first(&[("a", "0"), ("b", "49.5"), ("c", "-1")]), "b");
    // As the legacy runtime sorts what it cannot compare.
    assert_eq!(first(&[("a", "10"), ("b", "high"), ("c", "90")]), "a");
    assert_eq!(first(&[("a", "high"), ("b", "10"), ("c", "90")]), "a");
}

#[test]
fn only_accounts_that_are_truly_schedulable_serve() {
    for change in [
        ("isActive", "false"),
        ("isActive", "1"),
        ("schedulable", "false"),
        ("schedulable", ""),
        ("subscriptionExpiresAt", iso(NOW_MS).as_str()),
    ] {
        let (result, _) = chosen(vec![account("a", &[change])], None, None);
        assert_eq!(result.unwrap_err(), "No available Azure OpenAI accounts", "{change:?}");
    }
    let late = iso(NOW_MS + 1);
    for end in [late.as_str(), "some day", ""] {
        let (result, _) = chosen(vec![account("a", &[("subscriptionExpiresAt", end)])], None, None);
        assert_eq!(result.unwrap(), (Via::Shared, "a".into()), "{end}");
    }
}

#[test]
fn a_session_stays_and_is_bound_anew_only_when_it_has_to_move() {
    let past = iso(NOW_MS - 1);
    let accounts = |change: (&str, &str)| vec![account("a", &[]), account("b", &[change])];
    let ended = accounts(("subscriptionExpiresAt", &past));
    let (result, effects) = chosen(ended, Some("s"), Some("b"));
    assert_eq!((result.unwrap(), effects), ((Via::Sticky, "b".into()), vec![]));
    let (result, effects) = chosen(accounts(("isActive", "false")), Some("s"), Some("b"));
    assert_eq!(result.unwrap(), (Via::Shared, "a".into()));
    assert_eq!(effects.len(), 1);
    let bound = ["SETEX", "azure_openai_session_account_mapping:s", "3600", "a"];
    assert!(bound.iter().all(|word| effects[0].contains(word)), "{effects:?}");
    let (result, effects) = chosen(vec![account("a", &[])], Some("s"), Some("gone"));
    assert_eq!((result.unwrap().0, effects.len()), (Via::Shared, 1));
}

#[test]
fn what_cools_down_gives_way_and_a_mark_for_ever_is_removed() {
    let cooling = |id: &str, ttl| Entry { cooldown_ttl: ttl, ..account(id, &[("priority", "90")]) };
    let accounts = vec![cooling("a", 30), account("b", &[])];
    assert_eq!(chosen(accounts, None, None).0.unwrap().1, "b");
    let (result, effects) = chosen(vec![cooling("a", -1)], None, None);
    assert_eq!(result.unwrap().1, "a");
    assert!(effects[0].contains("DEL") && effects[0].contains("temp_unavailable:azure-openai:a"));
}
