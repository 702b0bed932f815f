//! Properties of the decision that hold for any accounts.

use std::sync::Arc;

use compat::{
    account_state::{Moment, UsageCost},
    clock::{LocalCalendar, iso},
    pool::{DayUsage, Entry, Kind, Leases, Snapshot},
    sticky::StickyTtl,
};
use proptest::prelude::*;

use crate::schedule::{
    Decision, KeyBindings, Model, Question, Rules, Seen, SelectError, SelectRequest, Via, order,
};

const NOW_MS: i64 = 1_784_822_400_000;

struct Free;

impl UsageCost for Free {
    fn cost(&self, _: &DayUsage) -> f64 {
        0.0
    }
}

fn entry(id: usize) -> impl Strategy<Value = Entry> {
    let flags = (
        any::<bool>(),
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.2),
    );
    let texts = (
        prop::sample::select(vec!["active", "created", "error", "blocked", "temp_error"]),
        prop::sample::select(vec!["shared", "", "dedicated"]),
        prop::sample::select(vec!["10", "50", "90", "x", ""]),
    );
    let times = (-600_i64..600, 0_i64..600, prop::option::of(-60_i64..60), 0_i64..3);
    (flags, texts, times).prop_map(
        move |((console, active, schedulable, cooling), texts, times)| {
            let kind = if console { Kind::Console } else { Kind::Official };
            let (status, account_type, priority) = texts;
            let (last_used, created, limited_until, slots) = times;
            let at = |minutes: i64| iso(NOW_MS + minutes * 60_000);
            let mut fields: Vec<(&str, String)> = vec![
                ("id", id.to_string()),
                ("isActive", active.to_string()),
                ("schedulable", schedulable.to_string()),
                ("status", status.to_owned()),
                ("accountType", account_type.to_owned()),
                ("priority", priority.to_owned()),
                ("lastUsedAt", at(-700 + last_used)),
                // Unlike any other, so that the order has no ties.
                ("createdAt", iso(NOW_MS - created * 60_000 - i64::try_from(id).unwrap_or(0))),
                ("maxConcurrentTasks", slots.to_string()),
            ];
            if let Some(minutes) = limited_until {
                fields.push(("rateLimitStatus", "limited".into()));
                fields.push(("rateLimitedAt", at(minutes - 60)));
                fields.push(("rateLimitEndAt", at(minutes)));
            }
            Entry {
                kind,
                id: Arc::from(id.to_string()),
                fields: fields.into_iter().map(|(name, text)| (name.to_owned(), text)).collect(),
                document: None,
                cooldown_ttl: if cooling { 30 } else { -2 },
                leases: Leases { live: 1, stale: false },
                captured_headers: None,
                credentials: true,
                indexed: true,
            }
        },
    )
}

fn accounts() -> impl Strategy<Value = Vec<Entry>> {
    (0_usize..12).prop_flat_map(|count| (0..count).map(entry).collect::<Vec<_>>())
}

fn choose(accounts: Vec<Entry>) -> Decision<SelectError> {
    let rules = Rules {
        dedicated_fallback: false,
        console_block_minutes: 0,
        sticky: StickyTtl::new(1.0, 0),
        surroundings: false,
        collation: js::Collation::default(),
    };
    let request = SelectRequest {
        bindings: KeyBindings::default(),
        session_hash: Some("h"),
        model: Model::Name("claude-sonnet-4-5"),
        forced: None,
    };
    let moment = Moment { now_ms: NOW_MS, calendar: LocalCalendar::new(8) };
    let snapshot = Snapshot::of(accounts);
    let (stuck, prices) = (None, &Free);
    let seen = Seen { snapshot: &snapshot, stuck, rules: &rules, moment, prices };
    request.decide(&seen).unwrap()
}

proptest! {
    #[test]
    fn an_account_that_cannot_serve_is_never_chosen(accounts in accounts()) {
        let decision = choose(accounts.clone());
        prop_assert_eq!(decision.trace.len(), accounts.len(), "everybody was looked at");
        let Ok(selection) = decision.result else {
            prop_assert!(decision.trace.iter().all(|seen| seen.exclusion.is_some()));
            return Ok(());
        };
        let chosen = &selection.account;
        prop_assert_eq!(selection.via, Via::Shared);
        prop_assert!(chosen.active() && chosen.schedulable() && !chosen.cooling());
        prop_assert!(!["error", "blocked", "temp_error"].contains(&chosen.status()));
        prop_assert!(chosen.get("accountType") != "dedicated");
        let verdict = decision.trace.iter().find(|seen| seen.id == chosen.id).unwrap();
        prop_assert_eq!(&verdict.exclusion, &None);
    }

    #[test]
    fn the_first_in_order_is_chosen_however_the_index_lists_them(
        (accounts, shuffled) in accounts().prop_flat_map(|accounts| {
            (Just(accounts.clone()), Just(accounts).prop_shuffle())
        }),
    ) {
        let (one, other) = (choose(accounts), choose(shuffled));
        match (one.result, other.result) {
            (Ok(one), Ok(other)) => prop_assert_eq!(&one.account.id, &other.account.id),
            (Err(one), Err(other)) => prop_assert_eq!(one.to_string(), other.to_string()),
            (one, other) => prop_assert!(false, "{one:?} and {other:?}"),
        }
    }

    #[test]
    fn sorting_keeps_every_account_and_never_fails(
        mut accounts in accounts().prop_map(|accounts| {
            accounts.into_iter().map(Arc::new).collect::<Vec<_>>()
        }),
        broken in any::<prop::sample::Index>(),
    ) {
        if !accounts.is_empty() {
            let at = broken.index(accounts.len());
            let mut odd = (*accounts[at]).clone();
            odd.fields.insert("lastUsedAt".into(), "junk".into());
            accounts[at] = Arc::new(odd);
        }
        let mut sorted = accounts.clone();
        order::sort(&mut sorted);
        let ids = |accounts: &[Arc<Entry>]| {
            let mut ids: Vec<_> = accounts.iter().map(|entry| entry.id.clone()).collect();
            ids.sort();
            ids
        };
        prop_assert_eq!(ids(&accounts), ids(&sorted));
        let mut again = sorted.clone();
        order::sort(&mut again);
        prop_assert!(again.iter().zip(&sorted).all(|(a, b)| a.id == b.id), "sorting is stable");
    }
}

#[test]
fn an_unreadable_proxy_takes_only_its_account_out() {
    let console = |id: &str, proxy: &str| {
        let fields = [
            ("id", id),
            ("isActive", "true"),
            ("status", "active"),
            ("accountType", "shared"),
            ("priority", if proxy.is_empty() { "90" } else { "10" }),
            ("proxy", proxy),
        ];
        let fields = fields.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        Entry::of_record(Kind::Console, id, fields)
    };
    let decision = choose(vec![console("broken", "{\"type\":"), console("direct", "")]);
    assert_eq!(&*decision.result.unwrap().account.id, "direct");
    let readable = console("odd", "{\"type\":\"ftp\"}");
    let decision = choose(vec![readable, console("direct", "")]);
    assert_eq!(&*decision.result.unwrap().account.id, "odd", "no proxy is known by that name");
}
