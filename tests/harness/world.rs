//! Everything that a group of scenarios shares: Redis, stand-in, proxies, one service process.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, bail};

use super::{
    crypto::Vault,
    jobs,
    proxy::{self, ProxyLog},
    redis::{Address, Command, Redis, command},
    seed::ProxyPorts,
    service::{ENCRYPTION_KEY, Launch, RedisServer, Service},
    snapshot::{Baseline, take_settled},
    standin::StandIn,
    template::Calendar,
};

/// Vendor hosts that lead to the stand-in.
pub const HOSTS: [&str; 11] = [
    "api.anthropic.com",
    "platform.claude.com",
    "claude.ai",
    "console.example.test",
    "ccr.example.test",
    "chatgpt.com",
    "auth.openai.com",
    "responses.example.test",
    "unit.openai.azure.com",
    "*.amazonaws.com",
    "*.amazonaws.com.cn",
];

/// Scripted surroundings, independent of any service.
pub struct Outside {
    pub standin: StandIn,
    pub standin_port: u16,
    pub proxies: ProxyPorts,
    pub proxy_log: ProxyLog,
    /// Where notifications go.
    pub receiver: StandIn,
    pub receiver_port: u16,
}

impl Outside {
    /// `port` 0 takes any free port for the stand-in.
    pub async fn start(port: u16) -> Result<Self> {
        let (standin, [direct, behind_http, behind_socks]) = StandIn::start(port).await?;
        let proxy_log = ProxyLog::default();
        let (http, socks5) = proxy::start(&proxy_log, behind_http, behind_socks).await?;
        let proxies = ProxyPorts { http, socks5 };
        let (receiver, [receiver_port, ..]) = StandIn::start(0).await?;
        let standin_port = direct;
        Ok(Self { standin, standin_port, proxies, proxy_log, receiver, receiver_port })
    }

    /// An environment in which the scripted proxies go by name.
    fn named(&self, env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let ProxyPorts { http, socks5 } = self.proxies;
        let filled = |text: &String| {
            text.replace("<http proxy>", &format!("127.0.0.1:{http}"))
                .replace("<socks5 proxy>", &format!("127.0.0.1:{socks5}"))
        };
        env.iter().map(|(name, value)| (name.clone(), filled(value))).collect()
    }

    /// `UPSTREAM_HOST_MAP` with the scenario's exceptions.
    pub fn host_map(&self, exceptions: &BTreeMap<String, String>) -> String {
        let entries = HOSTS.iter().map(|host| {
            let port = match exceptions.get(*host).map(String::as_str) {
                Some("closed") => 1,
                _ => self.standin_port,
            };
            format!("{host}=http://127.0.0.1:{port}")
        });
        entries.collect::<Vec<_>>().join(",")
    }
}

/// A service ready for scenarios.
pub struct World {
    pub outside: Outside,
    pub redis: Redis,
    pub vault: Vault,
    pub port: u16,
    pub baseline: Baseline,
    service: Option<Service>,
    /// Further processes on the same Redis.
    others: Vec<Service>,
    server: Option<RedisServer>,
    again: Option<Again>,
}

/// What it takes to start the service once more.
struct Again {
    launch: Launch,
    env: BTreeMap<String, String>,
    host_map: String,
}

impl World {
    /// Starts Redis and the service for one group.
    pub async fn launch(
        launch: &Launch,
        env: &BTreeMap<String, String>,
        hosts: &BTreeMap<String, String>,
        jobs: bool,
        instances: usize,
    ) -> Result<Self> {
        let outside = Outside::start(0).await?;
        let server = RedisServer::start().await?;
        let mut redis = Redis::connect(&server.address).await?;
        if matches!(launch, Launch::Crs { .. }) {
            redis.pipeline(left_by_legacy(env)).await?;
        }
        let host_map = outside.host_map(hosts);
        let env = &outside.named(env);
        let jobs = jobs.then_some(0);
        let service = Service::start(launch, &server.address, &host_map, env, jobs).await?;
        let mut others = Vec::new();
        for _ in 1..instances {
            others.push(Service::start(launch, &server.address, &host_map, env, jobs).await?);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        take_settled(&mut redis).await?;
        let baseline = Baseline::take(&mut redis).await?;
        Ok(Self {
            outside,
            redis,
            vault: Vault::new(ENCRYPTION_KEY),
            port: service.port,
            baseline,
            service: Some(service),
            others,
            server: Some(server),
            again: Some(Again { launch: launch.clone(), env: env.clone(), host_map }),
        })
    }

    /// Uses a service that runs already, on the Redis it runs on.
    pub async fn attach(
        port: u16,
        address: &Address,
        encryption_key: &str,
        standin_port: u16,
    ) -> Result<Self> {
        let outside = Outside::start(standin_port).await?;
        let mut redis = Redis::connect(address).await?;
        let baseline = Baseline::take(&mut redis).await?;
        let vault = Vault::new(encryption_key);
        let (service, server, others, again) = (None, None, Vec::new(), None);
        Ok(Self { outside, redis, vault, port, baseline, service, others, server, again })
    }

    /// Runs a background job to its end, on a clock that is so far from the real one.
    pub async fn run_job(&mut self, text: &str, shift_ms: i64) -> Result<()> {
        let (job, argument) = jobs::find(text)?;
        let (Some(service), Some(again)) = (&self.service, &self.again) else {
            bail!("jobs need a service of our own");
        };
        if matches!(again.launch, Launch::Crs { .. }) || !job.orders(argument).is_empty() {
            return service.run_job(job, argument, shift_ms).await;
        }
        let server = self.server.as_ref().context("no Redis of our own")?;
        if let Some(service) = self.service.take() {
            service.stop().await;
        }
        let Again { launch, env, host_map } = again;
        let shift = Some(shift_ms);
        let service = Service::start(launch, &server.address, host_map, env, shift).await?;
        self.port = service.port;
        self.service = Some(service);
        // Some of a start's work goes on behind the first answer.
        tokio::time::sleep(Duration::from_millis(2_000)).await;
        Ok(())
    }

    /// The binary, when the service is `crs`.
    pub fn binary(&self) -> Option<&std::path::PathBuf> {
        self.service.as_ref().and_then(Service::binary)
    }

    /// Runs a command of `crs` beside the service.
    pub async fn command(
        &self,
        binary: &std::path::Path,
        args: &[String],
        stdin: &str,
    ) -> Result<(bool, serde_json::Value)> {
        let service = self.service.as_ref().ok_or_else(|| anyhow::anyhow!("no service of ours"))?;
        service.command(binary, args, stdin).await
    }

    /// Where an instance listens, counted from 0.
    pub fn port_of(&self, instance: usize) -> u16 {
        let other = instance.checked_sub(1).and_then(|at| self.others.get(at));
        other.map_or(self.port, |service| service.port)
    }

    /// Whether the service still runs; one that we do not own is taken to.
    pub fn alive(&mut self) -> bool {
        self.service.iter_mut().chain(&mut self.others).all(Service::alive)
    }

    pub fn log_tail(&self) -> String {
        self.service.as_ref().map(Service::log_tail).unwrap_or_default()
    }

    pub async fn stop(mut self) {
        for service in self.service.take().into_iter().chain(self.others.drain(..)) {
            service.stop().await;
        }
    }
}

/// What the legacy service leaves in an empty Redis when it starts: the ground that `crs` takes over.
fn left_by_legacy(env: &BTreeMap<String, String>) -> Vec<Command> {
    let calendar = Calendar::of(env.get("TIMEZONE_OFFSET").map(String::as_str));
    let now = jiff::Timestamp::now().as_millisecond();
    let backfilled = format!("init:weekly_opus_cost:{}:done", calendar.format(now, "%Y-%m-%d"));
    let mut commands = vec![
        command(["SET", "apikey:index:version", "2"]),
        command(["SET", "account_groups_reverse:migrated", "true"]),
        command(["SET", "system:migrated:version", "1.1.314"]),
        command(["SET", "system:migration:usage_index_v2", "1"]),
        command(["SET", "system:migration:alltime_model_stats_v1", "1"]),
        command(["SETEX", &backfilled, "172800", "1"]),
    ];
    for index in ["claude:account", "claude_console_account", "openai:account"] {
        commands.push(command(["SETEX", &format!("{index}:index:empty"), "3600", "1"]));
    }
    commands
}
