use rstest::rstest;

use super::{
    service::Duty,
    table::{Beside, JOBS, find},
    usage_of_day::Counter,
};

#[rstest]
#[case("usage:k:model:daily:claude-x:2026-01-02", "k daily claude-x 2026-01-02")]
#[case("usage:k:model:daily:a:b:2026-01-02", "k daily a:b 2026-01-02")]
#[case("usage:k:model:monthly:claude-x:2026-01", "k monthly claude-x 2026-01")]
#[case("usage:k:model:hourly:claude-x:2026-01-02:03", "k hourly claude-x 2026-01-02:03")]
#[case("usage:k:model:alltime:claude-x", "-")]
#[case("usage:k:model:daily:claude-x:today", "-")]
#[case("usage:k:model:daily:2026-01-02", "-")]
#[case("usage:daily:k:2026-01-02", "-")]
#[case("usage:k:model:daily:ü:2026-01-02", "k daily ü 2026-01-02")]
fn counters_are_told_by_their_names(#[case] name: &str, #[case] read: &str) {
    let shown = Counter::parse(name).map_or("-".to_owned(), |counter| {
        let Counter { key_id, period, model, at } = counter;
        format!("{key_id} {period} {model} {at}")
    });
    assert_eq!(shown, read);
}

#[test]
fn names_are_unique_and_every_duty_has_its_jobs() {
    for job in &JOBS {
        assert_eq!(find(job.name).unwrap().does, job.does, "{} is there twice", job.name);
        assert!(!Duty::None.includes(job));
        assert!(Duty::All.includes(job));
        assert_eq!(Duty::Shared.includes(job), job.beside == Beside::Primary);
    }
    // What must not be done beside the legacy service: it does these itself when it starts, and its
    // way of doing two of them undoes ours.
    for name in ["migrate", "cost-init", "weekly-costs", "key-index", "sessions", "leftovers"] {
        assert_eq!(find(name).unwrap().beside, Beside::Alone, "{name}");
    }
}
