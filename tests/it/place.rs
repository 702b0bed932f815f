//! A seeded Redis with scripted vendors, the service on it, and the books.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::harness::{
    client::{Answer, exchange, prepare},
    crypto::Vault,
    redis::{Redis, command},
    scenario::{Reply, Scenario},
    seed,
    service::{ENCRYPTION_KEY, RedisServer, free_port, scratch},
    template::{Calendar, Run},
    world::Outside,
};

/// Beyond this something hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Tokens of the stand-in's ordinary message.
const INPUT: i64 = 11;
const OUTPUT: i64 = 7;
/// Price of such a message of the harness's usual model, in dollars.
const COST: f64 = 11.0 * 3e-6 + 7.0 * 15e-6;

/// Everything around the service.
pub struct Place {
    pub outside: Outside,
    server: RedisServer,
    vault: Vault,
    now_ms: i64,
}

impl Place {
    /// `keys` by alias, as in scenarios; one official account.
    pub async fn new(keys: Value) -> Self {
        Self::seeded(json!({ "keys": keys })).await
    }

    /// Keys, accounts and whatever else a scenario seeds.
    pub async fn seeded(seed: Value) -> Self {
        let outside = Outside::start(0).await.unwrap();
        outside.standin.begin(None);
        let server = RedisServer::start().await.unwrap();
        let vault = Vault::new(ENCRYPTION_KEY);
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let place = Self { outside, server, vault, now_ms };
        place.seed(seed).await;
        place
    }

    /// Writes a seed into the database, on top of what is there.
    pub async fn seed(&self, mut seed: Value) {
        seed["name"] = json!("faults");
        seed["why"] = json!("faults");
        let seed = self.run().expand(&seed).unwrap();
        let scenario: Scenario = serde_json::from_value(seed).unwrap();
        let seed = seed::commands(&self.run(), &scenario, self.outside.proxies).unwrap();
        self.redis().await.pipeline(seed).await.unwrap();
    }

    /// One key whose slots are counted.
    pub async fn usual() -> Self {
        Self::new(json!({ "main": { "concurrencyLimit": "1000" } })).await
    }

    pub fn run(&self) -> Run<'_> {
        let calendar = Calendar::of(None);
        Run { scenario: "faults", vault: &self.vault, calendar, now_ms: self.now_ms }
    }

    /// Scripts the vendor, as in scenarios.
    pub fn script(&self, replies: Value) {
        let replies: Vec<Reply> = serde_json::from_value(replies).unwrap();
        self.outside.standin.begin(Some(&replies));
    }

    pub async fn redis(&self) -> Redis {
        Redis::connect(&self.server.address).await.unwrap()
    }

    pub fn redis_addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.server.address.port))
    }

    /// A command's reply as text.
    pub async fn ask<const N: usize>(&self, parts: [&str; N]) -> String {
        self.redis().await.call(command(parts)).await.unwrap().text()
    }

    pub async fn slots(&self, alias: &str) -> i64 {
        let key = format!("concurrency:{}", self.run().key_id(alias));
        self.ask(["ZCARD", &key]).await.parse().unwrap()
    }

    /// What is counted for a key: requests, input, output and all tokens, dollars.
    pub async fn counted(&self, alias: &str) -> (i64, i64, i64, i64, f64) {
        let id = self.run().key_id(alias);
        let usage = format!("usage:{id}");
        let mut numbers = [0; 4];
        let fields = ["totalRequests", "totalInputTokens", "totalOutputTokens", "totalAllTokens"];
        for (number, field) in numbers.iter_mut().zip(fields) {
            *number = self.ask(["HGET", &usage, field]).await.parse().unwrap_or(0);
        }
        let cost = self.ask(["GET", &format!("usage:cost:total:{id}")]).await;
        let [requests, input, output, all] = numbers;
        (requests, input, output, all, cost.parse().unwrap_or(0.0))
    }

    /// Waits for the books to show so many ordinary messages and no slot; then they must stay so.
    pub async fn books(&self, alias: &str, messages: i64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (found, slots) = (self.counted(alias).await.0, self.slots(alias).await);
            if found >= messages && slots == 0 {
                break;
            }
            let late = Instant::now() > deadline;
            assert!(!late, "{alias}: {found} messages of {messages}, {slots} slots left");
            sleep(Duration::from_millis(25)).await;
        }
        sleep(Duration::from_millis(200)).await;
        let (requests, input, output, all, cost) = self.counted(alias).await;
        let expected = (messages, messages * INPUT, messages * OUTPUT, messages * (INPUT + OUTPUT));
        assert_eq!((requests, input, output, all), expected, "tokens of {alias}");
        let due = COST * f64::from(i32::try_from(messages).unwrap());
        assert!((cost - due).abs() < 1e-9, "cost of {alias}: {cost}, not {due}");
        assert_eq!(self.slots(alias).await, 0, "slots of {alias}");
    }
}

/// A folder in which the service starts, again and again.
pub struct Home {
    pub folder: PathBuf,
    settings: Vec<(String, String)>,
    wrapper: Vec<String>,
}

impl Home {
    /// `redis_port` may be a proxy's; `env` goes on top of the usual settings.
    pub fn new(place: &Place, redis_port: u16, env: &[(&str, &str)]) -> Self {
        let folder = scratch("it").unwrap();
        fs::create_dir_all(folder.join("data")).unwrap();
        let init = json!({ "adminUsername": "cr_admin_it", "adminPassword": "it-password" });
        fs::write(folder.join("data/init.json"), init.to_string()).unwrap();
        let redis_port = redis_port.to_string();
        let host_map = place.outside.host_map(&Default::default());
        let usual = [
            ("HOST", "127.0.0.1"),
            ("JWT_SECRET", "it-jwt-secret"),
            ("ENCRYPTION_KEY", ENCRYPTION_KEY),
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", &redis_port),
            ("CRS_PRICES_DOWNLOAD", "false"),
            ("LOG_LEVEL", "warn"),
        ];
        let mut settings: Vec<(String, String)> =
            usual.iter().chain(env).map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        if !env.iter().any(|(name, _)| *name == "UPSTREAM_HOST_MAP") {
            settings.push(("UPSTREAM_HOST_MAP".to_owned(), host_map));
        }
        Self { folder, settings, wrapper: Vec::new() }
    }

    /// Starts the service by these words, its own command line after them.
    pub fn behind(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    pub async fn start(&self) -> Crs {
        let port = free_port().await.unwrap();
        let lines = self.settings.iter().map(|(name, value)| format!("{name}={value}\n"));
        let env = lines.chain([format!("PORT={port}\n")]).collect::<String>();
        fs::write(self.folder.join(".env"), env).unwrap();
        let log = fs::File::create(self.folder.join("output.log")).unwrap();
        let mut words = self.wrapper.clone();
        words.extend([env!("CARGO_BIN_EXE_crs").to_owned(), "serve".to_owned()]);
        let child = Command::new(&words[0])
            .args(&words[1..])
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut crs = Crs { port, child };
        until("the service to start", async || {
            let ended = crs.child.try_wait().unwrap();
            assert!(ended.is_none(), "ended with {ended:?}:\n{}", log_of(&self.folder));
            crs.try_health().await.is_some()
        })
        .await;
        crs
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", log_of(&self.folder));
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn log_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("output.log")).unwrap_or_default()
}

/// A running service.
pub struct Crs {
    pub port: u16,
    child: Child,
}

impl Crs {
    /// Ends it without warning.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    pub async fn ended(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap()
    }

    /// Sends a request as in scenarios (`key` is an alias, default `main`).
    pub async fn send(&self, place: &Place, request: Value) -> Answer {
        let mut request = request;
        let patience = PATIENCE.as_millis() as u64;
        request.as_object_mut().unwrap().entry("patience_ms").or_insert(json!(patience));
        let send = serde_json::from_value(request).unwrap();
        let prepared = prepare(&place.run(), &send, self.port).unwrap();
        exchange(&prepared, &send, self.port).await.unwrap()
    }

    /// A request that must be served completely.
    pub async fn serve(&self, place: &Place, request: Value) {
        let answer = self.send(place, request).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!((answer.status, answer.ended), (200, "complete"), "{text}");
        assert!(!text.contains("event: error"), "{text}");
    }

    pub async fn health(&self) -> Map<String, Value> {
        self.try_health().await.unwrap()
    }

    async fn try_health(&self) -> Option<Map<String, Value>> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
        let request = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.ok()?;
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.ok()?.ok()?;
        let body = answer.strip_prefix("HTTP/1.1 200 ")?.split_once("\r\n\r\n")?.1;
        serde_json::from_str(body).ok()
    }

    /// Warnings of `/health`, as one text.
    pub async fn warnings(&self) -> String {
        self.health().await.get("warnings").map(Value::to_string).unwrap_or_default()
    }
}

/// Asks again until it is so; fails when it takes longer than anything but a hang would.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        sleep(Duration::from_millis(25)).await;
    }
}
