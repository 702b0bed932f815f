mod changes;
mod decisions;
mod files;
mod following;
mod guards;

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use compat::{
    clock::Clock,
    record::ApiKey,
    store::{RedisConfig, RedisStore},
    testing::TestRedis,
};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: i64 = 1_784_822_000_000;

/// A folder of its own.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("crs-rollout-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(path.join("crs")).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Gates that are what the test says.
#[derive(Default)]
struct Gates(Mutex<Vec<GateResult>>);

impl Gates {
    fn green() -> Arc<Self> {
        Arc::new(Self(Mutex::new(vec![GateResult::new("observations", true, "enough")])))
    }

    fn turn_red(&self) {
        *self.0.lock() = vec![GateResult::new("observations", false, "3 of 1000")];
    }
}

impl Evidence for Gates {
    fn gates<'a>(&'a self, _: &'a Plan, _: &'a Plan) -> BoxFuture<'a, Vec<GateResult>> {
        Box::pin(async { self.0.lock().clone() })
    }
}

#[derive(Default)]
struct Signs {
    backlog: Mutex<u64>,
}

impl Vitals for Signs {
    fn journal_backlog(&self) -> u64 {
        *self.backlog.lock()
    }
    fn redis_failures(&self) -> u64 {
        0
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<Notice>>);

impl Heard {
    fn trips(&self) -> usize {
        let heard = self.0.lock();
        heard.iter().filter(|notice| notice.kind == NoticeKind::GuardTripped).count()
    }
}

impl Alarm for Heard {
    fn raise(&self, notice: Notice) {
        self.0.lock().push(notice);
    }
}

/// One instance of crs, as far as the rollout goes.
struct Instance {
    rollout: Arc<Rollout>,
    desk: Arc<Desk>,
    signs: Arc<Signs>,
    heard: Arc<Heard>,
    folder: Folder,
    stop: CancellationToken,
}

impl Instance {
    fn start(config: &RedisConfig) -> Self {
        Self::start_in(Folder::new(), config)
    }

    fn start_in(folder: Folder, config: &RedisConfig) -> Self {
        let store: Arc<RedisStore> = Arc::new(RedisStore::open(config).unwrap());
        let clock = Clock::system();
        let keys = KeyDirectory::new(store.clone(), clock.clone(), "cr_".into(), SECRET.into());
        let rollout = Arc::new(Rollout::new(&folder.0, true, keys, None));
        let desk = Arc::new(Desk::new(store.clone(), clock.clone(), Gates::green()));
        let (signs, heard) = (Arc::<Signs>::default(), Arc::<Heard>::default());
        let instance = InstanceFacts::of_this_process("test", "127.0.0.1:1".into(), &clock);
        let stop = CancellationToken::new();
        let watcher = Watcher {
            rollout: Arc::clone(&rollout),
            desk: Arc::clone(&desk),
            store,
            clock: clock.clone(),
            instance: instance.clone(),
            vitals: signs.clone(),
            alarm: heard.clone(),
        };
        tokio::spawn(watcher.run(stop.clone()));
        let socket = ControlSocket {
            rollout: Arc::clone(&rollout),
            desk: Arc::clone(&desk),
            instance,
            explainer: Arc::new(Nobody),
            clock,
        };
        tokio::spawn(socket.run(socket_path(&folder.0), stop.clone()));
        Self { rollout, desk, signs, heard, folder, stop }
    }

    async fn ask(&self, request: &Request) -> serde_json::Value {
        ask(&socket_path(&self.folder.0), request).await.unwrap()
    }

    async fn reaches(&self, phase: Phase) {
        until(Duration::from_secs(2), async || self.rollout.phase() == phase).await;
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn order(command: Command) -> Order {
    Order {
        command,
        who: "alice@host".into(),
        via: "cli".into(),
        why: Some("because".into()),
        force: false,
        expected_version: None,
    }
}

fn set(settings: Settings) -> Command {
    Command::Set(Box::new(settings))
}

fn to(phase: Phase) -> Command {
    set(Settings { phase: Some(phase), hold_minutes: Some(0), ..Settings::default() })
}

fn key(id: &str, tags: &[&str]) -> KeyFacts {
    let tags = serde_json::to_string(tags).unwrap();
    let fields = HashMap::from([("tags".to_owned(), tags)]);
    let mut facts = KeyFacts::new(ApiKey::from_fields(id, fields));
    facts.id = id.to_owned();
    facts
}

async fn until(patience: Duration, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + patience;
    while !is_so().await {
        assert!(tokio::time::Instant::now() < deadline, "not within {patience:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// How often each writing command for other keys than those of crs was called.
async fn commands(store: &RedisStore) -> Vec<String> {
    let info = store.words(&["INFO", "commandstats"]).await.unwrap().text().unwrap().unwrap();
    let writes = ["hset", "hdel", "del", "set", "expire", "sadd", "srem", "incrby", "hincrby"];
    // Signs of life are the only writes of an instance at rest.
    let own = ["set", "expire"];
    info.lines()
        .filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(",usec"))
        .map(|(head, _)| head.to_owned())
        .filter(|head| {
            let name = head.split(':').next().unwrap_or_default();
            writes.contains(&name) && !own.contains(&name)
        })
        .collect()
}

/// Knows no request.
struct Nobody;

impl Explainer for Nobody {
    fn explain(&self, request_id: &str) -> Option<serde_json::Value> {
        (request_id == "known").then(|| serde_json::json!({ "served": true }))
    }
}

#[tokio::test]
async fn the_socket_explains_what_is_remembered() {
    let redis = TestRedis::spawn();
    let bench = Instance::start(&redis.config());
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let known = bench.ask(&Request::Explain { id: "known".into() }).await;
    assert_eq!((&known["ok"], &known["data"]["served"]), (&true.into(), &true.into()));
    let other = bench.ask(&Request::Explain { id: "other".into() }).await;
    assert_eq!((&other["ok"], &other["code"]), (&false.into(), &"unknown".into()));
}
