//! Instances on one Redis: following, kill switches, the control socket, guards that trip.

use compat::{crypto, testing::TestRedis};
use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_follow_within_two_seconds() {
    let redis = TestRedis::spawn();
    let (one, two) = (Instance::start(&redis.config()), Instance::start(&redis.config()));
    assert_eq!(one.rollout.phase(), Phase::Observe, "before anybody says anything");
    for (desk, phase) in [
        (&one.desk, Phase::Shadow),
        (&two.desk, Phase::Canary),
        (&one.desk, Phase::Primary),
        (&two.desk, Phase::Observe),
    ] {
        desk.change(&order(to(phase))).await.unwrap();
        one.reaches(phase).await;
        two.reaches(phase).await;
    }
    let count = async || one.desk.instances().await.unwrap().len();
    until(Duration::from_secs(6), async || count().await == 2).await;
    let about = one.desk.instances().await.unwrap();
    assert!(about.iter().all(|about| about["version"] == env!("CARGO_PKG_VERSION")));
    let store = redis.store();
    let id = about[0]["id"].as_str().unwrap();
    let life = store.words(&["TTL", &compat::keys::instance(id)]).await.unwrap().int().unwrap();
    assert!((1..=15).contains(&life), "{life}");
    two.stop.cancel();
    until(Duration::from_secs(6), async || count().await == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_override_file_wins_with_and_without_redis() {
    let mut redis = TestRedis::spawn();
    let instance = Instance::start(&redis.config());
    instance.desk.change(&order(to(Phase::Primary))).await.unwrap();
    instance.reaches(Phase::Primary).await;
    redis.stop();
    let file = override_path(&instance.folder.0);
    std::fs::write(&file, "shadow disk is on fire\n").unwrap();
    until(Duration::from_millis(900), async || instance.rollout.phase() == Phase::Shadow).await;
    let standing = instance.rollout.standing();
    assert_eq!(
        (standing.source, standing.why.as_deref()),
        (Source::Override, Some("disk is on fire"))
    );
    std::fs::write(&file, "").unwrap();
    instance.reaches(Phase::Observe).await;
    std::fs::remove_file(&file).unwrap();
    instance.reaches(Phase::Primary).await;
    assert_eq!(instance.rollout.standing().source, Source::Record, "the last one known");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_works_without_redis() {
    let mut redis = TestRedis::spawn();
    let instance = Instance::start(&redis.config());
    instance.desk.change(&order(to(Phase::Primary))).await.unwrap();
    instance.reaches(Phase::Primary).await;
    until(Duration::from_secs(2), async || socket_path(&instance.folder.0).exists()).await;
    redis.stop();
    let back = Request::Override { phase: Phase::Observe, reason: "Redis is gone".into() };
    let answer = instance.ask(&back).await;
    assert_eq!(answer["data"]["instance"]["phase"], "observe", "{answer}");
    assert_eq!(instance.rollout.phase(), Phase::Observe);
    let text = std::fs::read_to_string(override_path(&instance.folder.0)).unwrap();
    assert_eq!(text, "observe Redis is gone\n", "it outlasts a restart");
    let answer = instance.ask(&Request::Change { order: order(Command::Pause) }).await;
    assert_eq!((&answer["ok"], &answer["code"]), (&json!(false), &json!("redis")), "{answer}");
    let answer = instance.ask(&Request::Follow).await;
    assert_eq!(answer["data"]["instance"]["phase"], "primary", "{answer}");
    assert!(!override_path(&instance.folder.0).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_changes_the_shared_record_and_refuses_nonsense() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let redis = TestRedis::spawn();
    let (one, two) = (Instance::start(&redis.config()), Instance::start(&redis.config()));
    let path = socket_path(&one.folder.0);
    until(Duration::from_secs(2), async || path.exists()).await;
    let settings = Settings {
        phase: Some(Phase::Shadow),
        ramp: Some(vec![Percent::new(2.5).unwrap(), Percent::ALL]),
        guards: Some(GuardLimits { fault_percent: 0.5, ..GuardLimits::default() }),
        ..Settings::default()
    };
    let answer = one.ask(&Request::Change { order: order(set(settings)) }).await;
    assert_eq!(answer["data"]["record"]["version"], 1, "{answer}");
    assert_eq!(answer["data"]["record"]["plan"]["ramp"], json!([2.5, 100]));
    assert_eq!(one.rollout.phase(), Phase::Shadow, "at once where it was said");
    two.reaches(Phase::Shadow).await;
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream
        .write_all(b"{\"change\":{\"order\":{\"command\":\"trip\",\"who\":\"x\",\"via\":\"x\"}}}\n")
        .await
        .unwrap();
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answer[..length]).unwrap();
    assert_eq!(answer["code"], "invalid", "{answer}");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_left_behind_is_replaced_and_a_living_one_is_not() {
    let redis = TestRedis::spawn();
    let folder = Folder::new();
    let path = socket_path(&folder.0);
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let instance = Instance::start_in(folder, &redis.config());
    until(Duration::from_secs(2), async || ask(&path, &Request::Status).await.is_ok()).await;
    let before = instance.ask(&Request::Status).await["data"]["instance"]["id"].clone();
    let second = Instance::start_in(Folder(instance.folder.0.clone()), &redis.config());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(instance.ask(&Request::Status).await["data"]["instance"]["id"], before);
    instance.stop.cancel();
    // The one that waited takes its turn.
    let other = async || {
        let answer = ask(&path, &Request::Status).await;
        answer.is_ok_and(|answer| answer["data"]["instance"]["id"] != before)
    };
    until(Duration::from_secs(4), other).await;
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_takes_all_instances_back_to_shadow() {
    let redis = TestRedis::spawn();
    let (one, two) = (Instance::start(&redis.config()), Instance::start(&redis.config()));
    one.desk.change(&order(to(Phase::Primary))).await.unwrap();
    one.reaches(Phase::Primary).await;
    two.reaches(Phase::Primary).await;
    *one.signs.backlog.lock() = 1_000_000;
    until(Duration::from_secs(4), async || two.rollout.phase() == Phase::Shadow).await;
    one.reaches(Phase::Shadow).await;
    let record = one.desk.record().await.unwrap().unwrap();
    assert_eq!((record.change.action.as_str(), record.change.via.as_str()), ("trip", "guard"));
    assert!(record.change.why.unwrap().contains("journal_backlog"));
    assert!(record.plan.tripped_ms.is_some());
    until(Duration::from_secs(2), async || one.heard.trips() == 1).await;
    assert_eq!((one.heard.trips(), two.heard.trips()), (1, 0), "told once");
    let others = one.heard.0.lock().len() + two.heard.0.lock().len() - 1;
    assert_eq!(others, 1, "the step to primary, once as well");
    assert_eq!(one.desk.history(10).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_holds_here_until_redis_takes_the_record() {
    let mut redis = TestRedis::spawn();
    let instance = Instance::start(&redis.config());
    instance.desk.change(&order(to(Phase::Primary))).await.unwrap();
    instance.reaches(Phase::Primary).await;
    redis.stop();
    *instance.signs.backlog.lock() = 1_000_000;
    until(Duration::from_secs(4), async || instance.rollout.phase() == Phase::Shadow).await;
    assert_eq!(instance.rollout.standing().source, Source::Guard);
    *instance.signs.backlog.lock() = 0;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(instance.rollout.phase(), Phase::Shadow, "not forth again by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_found_by_what_clients_present() {
    let redis = TestRedis::spawn();
    let instance = Instance::start(&redis.config());
    let store = redis.store();
    let presented = "cr_0000000000000000";
    let hash = crypto::key_hash(presented, SECRET);
    store.words(&["HSET", "apikey:hash_map", &hash, "k"]).await.unwrap();
    store.words(&["HSET", "apikey:k", "name", "n", "tags", "[\"blue\"]"]).await.unwrap();
    let include = NameLists { tags: Some(["blue".to_owned()].into()), ..NameLists::default() };
    let settings = Settings { phase: Some(Phase::Canary), include, ..Settings::default() };
    let mut forced = order(set(settings));
    forced.force = true;
    instance.desk.change(&forced).await.unwrap();
    instance.reaches(Phase::Canary).await;
    let method = http::Method::POST;
    let with =
        |credential| Ask { method: &method, path: "/api/v1/messages", credential, platform: None };
    let before = super::super::tests::commands(&store).await;
    assert_eq!(instance.rollout.decide_now(&with(Some(presented))), None, "nobody asked yet");
    let first = instance.rollout.decide_at_once(&with(Some(presented)));
    assert_eq!((first.serve, first.reason.as_str()), (Serve::Legacy, "key_unknown"));
    let learnt = async || instance.rollout.decide_now(&with(Some(presented))).is_some();
    until(Duration::from_secs(2), learnt).await;
    assert_eq!(instance.rollout.decide_at_once(&with(Some(presented))).serve, Serve::Own);
    let decision = instance.rollout.decide(&with(Some(presented))).await;
    assert_eq!((decision.serve, decision.reason.as_str()), (Serve::Own, "named"));
    assert_eq!(instance.rollout.decide_now(&with(Some(presented))), Some(decision));
    for unknown in [None, Some("cr_1111111111111111"), Some("short"), Some("sk-0000000000000000")] {
        let decision = instance.rollout.decide(&with(unknown)).await;
        assert_eq!((decision.serve, decision.reason.as_str()), (Serve::Legacy, "key_unknown"));
    }
    let after = super::super::tests::commands(&store).await;
    assert_eq!(before, after, "nothing but reads");
}
