//! Changes of the record: rules, gates, history, many at once.

use compat::{keys, store::Reply};
use rstest::rstest;

use super::*;

fn at(phase: Phase, percent: u16) -> Plan {
    let share = Share { percent: Percent::whole(percent), ..Share::default() };
    Plan { phase, share, ..Plan::default() }
}

#[rstest]
#[case(at(Phase::Observe, 0), "shadow")]
#[case(at(Phase::Shadow, 0), "canary 1 %")]
#[case(at(Phase::Canary, 1), "canary 5 %")]
#[case(at(Phase::Canary, 7), "canary 25 %")]
#[case(at(Phase::Canary, 100), "primary")]
#[case(at(Phase::Primary, 100), "standalone")]
#[case(at(Phase::Standalone, 100), "standalone is the last phase")]
fn forward(#[case] plan: Plan, #[case] expected: &str) {
    assert_eq!(position(Command::Advance.apply(&plan, NOW)), expected);
}

#[rstest]
#[case(at(Phase::Standalone, 100), None, "primary")]
#[case(at(Phase::Primary, 0), None, "canary 100 %")]
#[case(at(Phase::Canary, 100), None, "canary 50 %")]
#[case(at(Phase::Canary, 1), None, "shadow")]
#[case(at(Phase::Shadow, 0), None, "observe")]
#[case(at(Phase::Observe, 0), None, "observe is the first phase")]
#[case(at(Phase::Primary, 0), Some(Phase::Observe), "observe")]
#[case(at(Phase::Primary, 5), Some(Phase::Canary), "canary 100 %")]
#[case(at(Phase::Canary, 25), Some(Phase::Canary), "canary 25 %")]
#[case(at(Phase::Shadow, 0), Some(Phase::Primary), "primary is not back from shadow")]
fn back(#[case] plan: Plan, #[case] to: Option<Phase>, #[case] expected: &str) {
    assert_eq!(position(Command::Rollback { to }.apply(&plan, NOW)), expected);
}

fn position(plan: Result<Plan, Senseless>) -> String {
    plan.map_or_else(|error| error.0, |plan| plan.position())
}

#[test]
fn a_ramp_that_was_left_begins_anew() {
    let shadow = Command::Rollback { to: Some(Phase::Shadow) };
    let plan = shadow.apply(&at(Phase::Canary, 50), NOW).unwrap();
    assert_eq!(position(Command::Advance.apply(&plan, NOW)), "canary 1 %");
    assert_eq!(plan.since_ms, NOW);
    let paused = Command::Pause.apply(&plan, NOW + 5).unwrap();
    assert!(paused.paused && paused.since_ms == NOW, "a pause is no step");
}

#[test]
fn senseless_settings_are_refused() {
    let refused = |settings: &str| {
        let settings: Settings = serde_json::from_str(settings).unwrap();
        set(settings).apply(&at(Phase::Shadow, 0), NOW).unwrap_err().0
    };
    assert!(refused(r#"{"ramp":[5,1]}"#).contains("rising"));
    assert!(refused(r#"{"ramp":[]}"#).contains("rising"));
    assert!(refused(r#"{"include":{"routes":["mesages"]}}"#).contains("messages, count_tokens"));
    assert!(refused(r#"{"exclude":{"platforms":["gemini"]}}"#).contains("gemini"));
    assert!(refused(r#"{"phase":"canary","percent":0}"#).contains("serves nobody"));
    assert!(refused(r#"{"gates":[]}"#).contains("JSON object"));
    assert!(serde_json::from_str::<Settings>(r#"{"percent":101}"#).is_err());
    assert!(serde_json::from_str::<Settings>(r#"{"pase":"canary"}"#).is_err());
}

struct Bench {
    redis: TestRedis,
    admin: RedisStore,
    clock: Clock,
    gates: Arc<Gates>,
    desk: Arc<Desk>,
}

impl Bench {
    fn new() -> Self {
        let redis = TestRedis::spawn();
        let (admin, clock, gates) = (redis.store(), Clock::manual(NOW), Gates::green());
        let desk = Arc::new(Desk::new(Arc::new(redis.store()), clock.clone(), gates.clone()));
        Self { redis, admin, clock, gates, desk }
    }

    async fn change(&self, command: Command) -> Result<Outcome, RolloutError> {
        self.desk.change(&order(command)).await
    }

    async fn reply(&self, words: &[&str]) -> Reply {
        self.admin.words(words).await.unwrap()
    }
}

#[tokio::test]
async fn the_record_says_who_when_why_and_on_what_evidence() {
    let bench = Bench::new();
    assert_eq!(bench.desk.record().await.unwrap(), None);
    bench.change(to(Phase::Shadow)).await.unwrap();
    let outcome = bench.change(Command::Advance).await.unwrap();
    assert!(outcome.changed);
    let record = bench.desk.record().await.unwrap().unwrap();
    assert_eq!(record, outcome.record);
    assert_eq!((record.version, record.plan.position().as_str()), (2, "canary 1 %"));
    let change = &record.change;
    assert_eq!(
        [&change.action, &change.from, &change.to, &change.who, &change.via, &change.at],
        ["advance", "shadow", "canary 1 %", "alice@host", "cli", "2026-07-23T15:53:20.000Z"]
    );
    assert_eq!(change.why.as_deref(), Some("because"));
    let gates: Vec<_> = change.evidence.iter().map(|gate| gate.name.as_str()).collect();
    assert_eq!((gates.as_slice(), change.forced), (["hold", "observations"].as_slice(), false));
    assert_eq!(bench.desk.history(10).await.unwrap().len(), 2);
    for key in [keys::ROLLOUT, keys::ROLLOUT_HISTORY] {
        assert_eq!(bench.reply(&["TTL", key]).await.int().unwrap(), -1);
    }
    let again = bench.change(set(Settings { phase: Some(Phase::Canary), ..Settings::default() }));
    assert!(!again.await.unwrap().changed, "nothing to change is no change");
}

#[tokio::test]
async fn a_step_forward_needs_green_gates_or_force_with_a_reason() {
    let bench = Bench::new();
    bench.change(to(Phase::Shadow)).await.unwrap();
    bench.gates.turn_red();
    let red = |result: Result<Outcome, RolloutError>| match result {
        Err(RolloutError::Gates(gates)) => {
            gates.into_iter().filter(|gate| !gate.passed).map(|gate| gate.name).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(red(bench.change(Command::Advance).await), ["observations"]);
    assert_eq!(red(bench.change(to(Phase::Canary)).await), ["observations"]);
    let mut forced = order(Command::Advance);
    forced.force = true;
    forced.why = Some("  ".into());
    let refused = bench.desk.change(&forced).await;
    assert!(matches!(refused, Err(RolloutError::Senseless(_))), "{refused:?}");
    forced.why = Some("tried on a test key".into());
    assert!(bench.desk.change(&forced).await.unwrap().record.change.forced);
    // Back needs no gates; named keys make the share larger, so they do.
    let include = NameLists { keys: Some(["k".to_owned()].into()), ..NameLists::default() };
    let named = set(Settings { include, ..Settings::default() });
    assert_eq!(red(bench.change(named).await), ["observations"]);
    bench.change(Command::Rollback { to: None }).await.unwrap();
    *bench.gates.0.lock() = Vec::new();
    assert_eq!(red(bench.change(Command::Advance).await), ["evidence"], "none is not green");
}

#[tokio::test]
async fn hold_pause_and_cool_down_are_gates() {
    let bench = Bench::new();
    bench
        .change(set(Settings { phase: Some(Phase::Shadow), ..Settings::default() }))
        .await
        .unwrap();
    let red = async || {
        let gates = bench.desk.gates().await.unwrap();
        gates.into_iter().filter(|gate| !gate.passed).map(|gate| gate.name).collect::<Vec<_>>()
    };
    assert_eq!(red().await, ["hold"]);
    bench.clock.advance_ms(60 * 60_000);
    assert!(red().await.is_empty());
    bench.change(Command::Pause).await.unwrap();
    assert_eq!(red().await, ["paused"]);
    bench.change(Command::Resume).await.unwrap();
    bench.change(Command::Advance).await.unwrap();
    bench.change(Command::Trip).await.unwrap();
    assert_eq!(red().await, ["hold", "cool_down"]);
    bench.clock.advance_ms(60 * 60_000);
    assert!(red().await.is_empty());
    let twice = bench.change(Command::Trip).await.unwrap();
    assert!(!twice.changed, "shadow cannot trip");
}

#[tokio::test]
async fn of_many_changes_at_once_each_is_one_version() {
    let bench = Bench::new();
    let changes = (0..4).map(|n| {
        let desk = Desk::new(Arc::new(bench.redis.store()), bench.clock.clone(), Gates::green());
        async move {
            let settings = Settings { hold_minutes: Some(n), ..Settings::default() };
            desk.change(&order(set(settings))).await.unwrap().record.version
        }
    });
    let mut versions = futures_util::future::join_all(changes).await;
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3, 4]);
    assert_eq!(bench.desk.record().await.unwrap().unwrap().version, 4);
    let history: Vec<u64> =
        bench.desk.history(10).await.unwrap().iter().map(|record| record.version).collect();
    assert_eq!(history, [4, 3, 2, 1]);
}

#[tokio::test]
async fn of_two_steps_at_once_one_is_taken() {
    let bench = Bench::new();
    bench.change(to(Phase::Shadow)).await.unwrap();
    let step = || {
        let desk = Desk::new(Arc::new(bench.redis.store()), bench.clock.clone(), Gates::green());
        async move { desk.change(&order(Command::Advance)).await }
    };
    let results = futures_util::future::join_all([step(), step(), step(), step()]).await;
    let taken = results.iter().filter(|result| result.is_ok()).count();
    // Those who looked after the first step took a second one; the versions tell them apart.
    let record = bench.desk.record().await.unwrap().unwrap();
    assert_eq!(record.version, 1 + taken as u64);
    let mut late = order(Command::Advance);
    late.expected_version = Some(1);
    let refused = bench.desk.change(&late).await;
    assert!(matches!(refused, Err(RolloutError::Outdated { .. })), "{refused:?}");
}

#[tokio::test]
async fn what_is_no_record_is_left_alone() {
    let bench = Bench::new();
    for broken in ["x", "[]", "{}", r#"{"version":"1"}"#] {
        bench.reply(&["SET", keys::ROLLOUT, broken]).await;
        let refused = bench.change(Command::Advance).await;
        assert!(matches!(refused, Err(RolloutError::Unreadable)), "{broken}: {refused:?}");
        assert_eq!(bench.reply(&["GET", keys::ROLLOUT]).await.text().unwrap().unwrap(), broken);
    }
    // What a later version adds is no obstacle.
    let later = r#"{"version":7,"plan":{"phase":"shadow","colour":1},"change":{"mood":[]}}"#;
    bench.reply(&["SET", keys::ROLLOUT, later]).await;
    assert_eq!(bench.change(Command::Pause).await.unwrap().record.version, 8);
}

#[tokio::test]
async fn the_history_is_capped() {
    let bench = Bench::new();
    let filler: Vec<String> = (0..1500).map(|n| n.to_string()).collect();
    let mut push = vec!["LPUSH", keys::ROLLOUT_HISTORY];
    push.extend(filler.iter().map(String::as_str));
    bench.reply(&push).await;
    bench.change(to(Phase::Shadow)).await.unwrap();
    assert_eq!(bench.reply(&["LLEN", keys::ROLLOUT_HISTORY]).await.int().unwrap(), 1000);
    assert_eq!(bench.desk.history(10).await.unwrap()[0].version, 1);
}
