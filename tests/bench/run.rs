//! The whole measurement, in order.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use compat::{
    store::{RedisStore, Store},
    testing::TestRedis,
};
use crs::cli::demo::{
    seed::Seed,
    upstream::{Behaviour, Controls, StandIn, TokenCounts},
};
use tokio_util::sync::CancellationToken;

use super::{
    children::{ENCRYPTION_KEY, Server},
    lag::Lag,
    load::{self, Connection},
    options::{Kind, Options},
    report::{Cell, Memory, Report},
    system::{self, Resident},
    targets::{Redis, Target, redis_from_url},
};

/// Added to every answer of Redis when round trips are counted.
const LAG: Duration = Duration::from_millis(20);

/// Measures everything asked for.
pub async fn all(options: &Options) -> Result<Report> {
    let vendor = Vendor::start(options.upstream_port).await?;
    let redis = TestRedis::spawn();
    let mut report = Report::new(options);
    let mut targets = targets(options, &vendor, &redis).await?;
    if let Some(span) = options.hold {
        return hold(options, span, &targets, report).await;
    }
    for target in &targets {
        if let Some(pid) = target.server.as_ref().map(|server| server.pid) {
            tokio::time::sleep(Duration::from_millis(500)).await;
            report.memory.push(Memory {
                target: target.name.clone(),
                idle: system::resident(pid),
                open: None,
            });
        }
    }
    // Targets alternate within a kind, so that the machine's mood is shared.
    for kind in &options.kinds {
        for clients in &options.clients {
            let mut rounds: Vec<Vec<Cell>> = targets.iter().map(|_| Vec::new()).collect();
            for round in 0..options.rounds {
                // Each is first in turn.
                for place in 0..targets.len() {
                    let place = (place + round) % targets.len();
                    rounds[place].push(measure(options, &targets[place], *kind, *clients).await?);
                }
            }
            report.cells.extend(rounds.into_iter().filter_map(Cell::median));
        }
    }
    if options.streams > 0 {
        for target in targets.iter().filter(|target| target.server.is_some()) {
            let open = open_streams(options, target, &vendor.controls).await?;
            if let Some(memory) = report.memory.iter_mut().find(|m| m.target == target.name) {
                memory.open = open;
            }
        }
    }
    targets.clear();
    if options.wants("crs") {
        report.round_trips.push(("crs", round_trips(false, &vendor).await?));
    }
    if legacy_dir().is_some() && options.wants("node") {
        report.round_trips.push(("node", round_trips(true, &vendor).await?));
    }
    Ok(report)
}

/// The stand-in upstream on a thread of its own.
struct Vendor {
    address: SocketAddr,
    controls: Controls,
    stop: CancellationToken,
}

impl Vendor {
    async fn start(port: u16) -> Result<Self> {
        let stop = CancellationToken::new();
        let (ready, started) = tokio::sync::oneshot::channel();
        let stopped = stop.clone();
        std::thread::Builder::new().name("upstream".to_owned()).spawn(move || -> Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let standin = StandIn::bind(("127.0.0.1", port)).await?;
                let _ = ready.send((standin.address()?, standin.controls()));
                standin.run(stopped).await;
                Ok(())
            })
        })?;
        let (address, controls) = started.await.context("the upstream did not start")?;
        controls.set(behaviour());
        Ok(Self { address, controls, stop })
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Answers with every kind of token, so that nothing of the accounting is skipped.
fn behaviour() -> Behaviour {
    let usage =
        TokenCounts { input: 1_200, output: 350, cache_5m: 100, cache_1h: 20, cache_read: 4_000 };
    Behaviour { usage: Some(usage), text_bytes: Some(600), ..Behaviour::default() }
}

async fn targets(options: &Options, vendor: &Vendor, redis: &TestRedis) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    if options.wants("direct") {
        targets.push(Target::bare("direct", vendor.address, None));
    }
    if options.wants("nginx") {
        let server = Server::nginx(vendor.address).await?;
        targets.push(Target::bare("nginx", server.address, Some(server)));
    }
    if options.wants("crs") {
        let api_key = seed(&redis.store(), ENCRYPTION_KEY).await?;
        let server = Server::crs(&binary(), redis.addr(), vendor.address).await?;
        let redis = Redis { store: redis.store(), pid: pid_of_redis(redis), server: None };
        targets.push(Target::relay("crs", server.address, Some(server), Some(redis), api_key));
    }
    for (name, path) in &options.against {
        let redis = TestRedis::spawn();
        let api_key = seed(&redis.store(), ENCRYPTION_KEY).await?;
        let server = Server::crs(path, redis.addr(), vendor.address).await?;
        let pid = pid_of_redis(&redis);
        let redis = Redis { store: redis.store(), pid, server: Some(redis) };
        targets.push(Target::relay(name, server.address, Some(server), Some(redis), api_key));
    }
    if options.wants("observe") {
        let server = Server::observing(&binary(), redis.addr(), vendor.address).await?;
        targets.push(Target::bare("observe", server.address, Some(server)));
    }
    if (options.wants("node") || options.wants("node-observe"))
        && let Some(node) = node(vendor).await?
    {
        if options.wants("node-observe") {
            let server = Server::observing(&binary(), redis.addr(), node.address).await?;
            targets.push(node.behind("node-observe", server));
        }
        targets.push(node);
    }
    if options.wants("node-shadow")
        && let Some(folder) = legacy_dir()
    {
        targets.push(shadowed(&folder, vendor).await?);
    }
    Ok(targets)
}

/// Node with the tap behind `crs`, which does every request again.
async fn shadowed(folder: &Path, vendor: &Vendor) -> Result<Target> {
    let redis = TestRedis::spawn();
    let api_key = seed(&redis.store(), ENCRYPTION_KEY).await?;
    // The sidecar has to know where Node will listen, and Node where the sidecar's socket is.
    let place = Server::place("observe").await?;
    let node =
        Server::node(folder, redis.addr(), vendor.address, Some(&place.tap_socket())).await?;
    let sidecar = Server::observing_at(&binary(), redis.addr(), node.address, place).await?;
    sidecar.set_phase(&binary(), "shadow")?;
    let pid = pid_of_redis(&redis);
    let database = Redis { store: redis.store(), pid, server: Some(redis) };
    let mut target =
        Target::relay("node-shadow", sidecar.address, Some(sidecar), Some(database), api_key);
    target.behind = Some(node);
    Ok(target)
}

/// The Node service of `LEGACY_URL`, or one started in `LEGACY_DIR`.
async fn node(vendor: &Vendor) -> Result<Option<Target>> {
    if let Ok(text) = std::env::var("LEGACY_URL") {
        let url = url::Url::parse(&text).context("LEGACY_URL")?;
        let address = *url.socket_addrs(|| None)?.first().context("LEGACY_URL")?;
        let store =
            std::env::var("LEGACY_REDIS").ok().map(|text| redis_from_url(&text)).transpose()?;
        let api_key = match (std::env::var("LEGACY_KEY"), &store) {
            (Ok(key), _) => key,
            (Err(_), Some(store)) => {
                let secret = std::env::var("LEGACY_ENCRYPTION_KEY");
                seed(store, secret.as_deref().unwrap_or(ENCRYPTION_KEY)).await?
            }
            _ => bail!("LEGACY_URL needs LEGACY_KEY, or LEGACY_REDIS to write a key to"),
        };
        let redis = store.map(|store| Redis { store, pid: None, server: None });
        return Ok(Some(Target::relay("node", address, None, redis, api_key)));
    }
    let Some(folder) = legacy_dir() else { return Ok(None) };
    let redis = TestRedis::spawn();
    let api_key = seed(&redis.store(), ENCRYPTION_KEY).await?;
    let server = Server::node(&folder, redis.addr(), vendor.address, None).await?;
    let pid = pid_of_redis(&redis);
    let database = Redis { store: redis.store(), pid, server: Some(redis) };
    Ok(Some(Target::relay("node", server.address, Some(server), Some(database), api_key)))
}

async fn measure(options: &Options, target: &Target, kind: Kind, clients: usize) -> Result<Cell> {
    let before = match &target.redis {
        Some(redis) => Some(system::commands(&redis.store).await?),
        None => None,
    };
    let time = |pid: Option<u32>| pid.map(system::cpu_time);
    let pid = target.server.as_ref().map(|server| server.pid);
    let redis_pid = target.redis.as_ref().and_then(|redis| redis.pid);
    let (cpu, redis_cpu) = (time(pid), time(redis_pid));
    let outcome = load::run(target.load(options, kind, clients)).await?;
    // What is settled after the answer belongs to the request.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let answered = outcome.answered.max(1) as f64;
    let each = |before: Option<Duration>, after: Option<Duration>| {
        Some((after? - before?).as_secs_f64() * 1e6 / answered)
    };
    let (cpu, redis_cpu) = (each(cpu, time(pid)), each(redis_cpu, time(redis_pid)));
    let mut commands = Vec::new();
    if let (Some(redis), Some(before)) = (&target.redis, &before) {
        commands = system::difference(before, &system::commands(&redis.store).await?);
    }
    let commands: Vec<_> =
        commands.into_iter().map(|(name, calls)| (name, calls as f64 / answered)).collect();
    let cell = Cell {
        target: target.name.clone(),
        kind,
        clients,
        outcome,
        cpu,
        redis_cpu,
        commands,
        spread: None,
    };
    if let Some(example) = &cell.outcome.example {
        eprintln!("{} {} {clients}: {example}", target.name, kind.name());
        if let Some(server) = &target.server {
            eprintln!("{}", server.log_tail());
        }
    }
    eprintln!("{}", cell.line());
    Ok(cell)
}

/// Resident memory while that many streams with 100 KB bodies are open.
async fn open_streams(
    options: &Options,
    target: &Target,
    controls: &Controls,
) -> Result<Option<Resident>> {
    let Some(pid) = target.server.as_ref().map(|server| server.pid) else { return Ok(None) };
    controls.set(Behaviour { delta_delay: Duration::from_secs(30), ..behaviour() });
    let request = target.request(Kind::Sse, 100 * 1024);
    let mut open = Vec::with_capacity(options.streams);
    for batch in 0..options.streams.div_ceil(50) {
        let many = 50.min(options.streams - batch * 50);
        let started = (0..many).map(|_| async {
            let mut connection = Connection::open(target.address).await?;
            connection.begin(&request).await?;
            connection.until(b"message_start").await?;
            anyhow::Ok(connection)
        });
        let started = futures_util::future::try_join_all(started);
        match tokio::time::timeout(Duration::from_secs(25), started).await {
            Ok(Ok(connections)) => open.extend(connections),
            Ok(Err(error)) => bail!("{}: stream {}: {error:#}", target.name, open.len()),
            Err(_) => bail!("{}: streams stall after {}", target.name, open.len()),
        }
    }
    let resident = system::resident(pid);
    controls.set(behaviour());
    drop(open);
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(resident)
}

/// Sequential Redis round trips between a request's arrival and its upstream request.
async fn round_trips(legacy: bool, vendor: &Vendor) -> Result<f64> {
    let redis = TestRedis::spawn();
    let api_key = seed(&redis.store(), ENCRYPTION_KEY).await?;
    let lag = Lag::start(redis.addr(), LAG).await?;
    let server = match (legacy, legacy_dir()) {
        (true, Some(folder)) => Server::node(&folder, lag.address, vendor.address, None).await?,
        _ => Server::crs(&binary(), lag.address, vendor.address).await?,
    };
    let target = Target::relay("lagging", server.address, Some(server), None, api_key);
    let request = target.request(Kind::Json, 2_048);
    let mut delays = Vec::new();
    for attempt in 0..12 {
        let mut connection = Connection::open(target.address).await?;
        let start = Instant::now();
        let arrival = vendor.controls.arrival();
        tokio::pin!(arrival);
        let asked = async {
            connection.begin(&request).await?;
            connection.finish(b"stop_reason").await
        };
        let arrived = async {
            arrival.await;
            start.elapsed()
        };
        let (answered, delay) = tokio::join!(asked, arrived);
        answered?;
        // The first ones still load scripts and connect.
        if attempt >= 2 {
            delays.push(delay);
        }
        // Longer than any short-lived copy of a record is kept.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    delays.sort_unstable();
    Ok(delays[delays.len() / 2].as_secs_f64() / LAG.as_secs_f64())
}

/// Puts load on every target for a while, for a profiler.
async fn hold(
    options: &Options,
    span: Duration,
    targets: &[Target],
    report: Report,
) -> Result<Report> {
    for target in targets {
        let pid = target.server.as_ref().map(|server| server.pid);
        eprintln!("{} is process {pid:?}", target.name);
        let clients = options.clients.first().copied().unwrap_or(64);
        let load = load::Load { span, ..target.load(options, options.kinds[0], clients) };
        let outcome = load::run(load).await?;
        eprintln!("{:.0} requests/s, {} failed", outcome.rate(), outcome.failures);
    }
    Ok(report)
}

async fn seed(store: &RedisStore, encryption_key: &str) -> Result<String> {
    let now = jiff::Timestamp::now();
    let seed = Seed::new(encryption_key, now.as_millisecond(), &format!("{now:.3}"));
    store.run(seed.batch).await?;
    Ok(seed.api_key)
}

fn binary() -> PathBuf {
    std::env::var_os("CRS_BIN")
        .map_or_else(|| Path::new(env!("CARGO_BIN_EXE_crs")).to_owned(), PathBuf::from)
}

fn legacy_dir() -> Option<PathBuf> {
    std::env::var_os("LEGACY_DIR").map(PathBuf::from)
}

/// The listener's process, found by its command line.
fn pid_of_redis(redis: &TestRedis) -> Option<u32> {
    let port = redis.addr().port().to_string();
    std::fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find(|pid: &u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.starts_with(b"redis-server")
                && memchr::memmem::find(&line, port.as_bytes()).is_some()
        })
}
