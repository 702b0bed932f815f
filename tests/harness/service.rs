//! Child processes: a redis-server and the service under test.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::json;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    time::{Instant, sleep},
};

use super::{
    jobs::{Job, order},
    redis::{Address, Redis},
};

/// `ENCRYPTION_KEY` of every service that the harness starts itself.
pub const ENCRYPTION_KEY: &str = "0123456789abcdef0123456789abcdef";

/// A free loopback port. Another process could take it first; starting would then fail visibly.
pub async fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port())
}

/// A redis-server of our own; ends with the value.
pub struct RedisServer {
    pub address: Address,
    _child: Child,
    folder: PathBuf,
}

impl RedisServer {
    pub async fn start() -> Result<Self> {
        let port = free_port().await?;
        let folder = scratch("redis")?;
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "no", "--dir"])
            .arg(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("redis-server (is it installed?)")?;
        let address =
            Address { host: "127.0.0.1".into(), port, password: String::new(), database: 0 };
        let deadline = Instant::now() + Duration::from_secs(10);
        while Redis::connect(&address).await.is_err() {
            if Instant::now() > deadline {
                bail!("redis-server did not start");
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { address, _child: child, folder })
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// How to start a service.
#[derive(Clone, Debug)]
pub enum Launch {
    /// `node src/app.js` in an installed legacy folder, with our preload.
    Legacy { folder: PathBuf, preload: PathBuf },
    /// `crs serve` in a folder of its own.
    Crs { binary: PathBuf },
}

/// A running service; ends with the value.
pub struct Service {
    pub port: u16,
    /// Where a legacy service takes orders for its background jobs.
    control: Option<u16>,
    /// The binary of `crs`.
    binary: Option<PathBuf>,
    child: Child,
    folder: PathBuf,
}

impl Service {
    /// Starts it. With `jobs`, its background jobs run on demand; the number is how far its clock is from
    /// the real one, in milliseconds.
    pub async fn start(
        launch: &Launch,
        redis: &Address,
        host_map: &str,
        env: &BTreeMap<String, String>,
        jobs: Option<i64>,
    ) -> Result<Self> {
        let port = free_port().await?;
        let folder = scratch("service")?;
        let log = fs::File::create(folder.join("output.log"))?;
        let mut settings: BTreeMap<String, String> = [
            ("NODE_ENV", "production".to_owned()),
            ("HOST", "127.0.0.1".to_owned()),
            ("PORT", port.to_string()),
            ("JWT_SECRET", "conform-jwt-secret".to_owned()),
            ("ENCRYPTION_KEY", ENCRYPTION_KEY.to_owned()),
            ("REDIS_HOST", redis.host.clone()),
            ("REDIS_PORT", redis.port.to_string()),
            ("REDIS_DB", redis.database.to_string()),
            ("UPSTREAM_HOST_MAP", host_map.to_owned()),
            ("PRICE_MIRROR_BASE_URL", "http://127.0.0.1:1".to_owned()),
            ("LOG_LEVEL", "warn".to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        settings.extend(env.clone());
        let mut control = None;
        let mut command = match launch {
            Launch::Legacy { folder: installed, preload } => {
                let mut command = Command::new("node");
                command.arg("--require").arg(preload);
                if let Some(shift_ms) = jobs {
                    let free = free_port().await?;
                    control = Some(free);
                    command.env("CRS_CONFORM_CONTROL", free.to_string());
                    command.env("CRS_CONFORM_SHIFT", shift_ms.to_string());
                    command.arg("--require").arg(preload.with_file_name("jobs.cjs"));
                }
                command.arg("src/app.js").current_dir(installed);
                command.envs(&settings);
                command
            }
            Launch::Crs { binary } => {
                let instructions = folder.join("codex-instructions.txt");
                fs::write(&instructions, super::instructions::own())?;
                let shown = instructions.display().to_string();
                settings.entry("CRS_CODEX_INSTRUCTIONS_FILE".to_owned()).or_insert(shown);
                let lines = settings.iter().map(|(name, value)| format!("{name}={value}\n"));
                fs::write(folder.join(".env"), lines.collect::<String>())?;
                fs::create_dir_all(folder.join("data"))?;
                fs::write(
                    folder.join("data/init.json"),
                    r#"{"initializedAt":"2024-01-02T03:04:05.678Z","adminUsername":"cr_admin_conform","adminPassword":"conform-password","version":"1.0.0"}"#,
                )?;
                let mut command = Command::new(binary);
                command.arg("serve").current_dir(&folder).env_clear();
                command.env("PATH", std::env::var("PATH").unwrap_or_default());
                command
            }
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{launch:?}"))?;
        let binary = match launch {
            Launch::Crs { binary } => Some(binary.clone()),
            Launch::Legacy { .. } => None,
        };
        let mut service = Self { port, control, binary, child, folder };
        service.wait_until_up().await?;
        Ok(service)
    }

    async fn wait_until_up(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if up(self.port).await {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the service ended with {status}:\n{}", self.log_tail());
            }
            if Instant::now() > deadline {
                bail!("the service does not answer:\n{}", self.log_tail());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The binary, when this is `crs`.
    pub fn binary(&self) -> Option<&PathBuf> {
        self.binary.as_ref()
    }

    /// Runs a command of `crs` in the service's folder: whether it was done, and what it printed as JSON.
    pub async fn command(
        &self,
        binary: &Path,
        args: &[String],
        stdin: &str,
    ) -> Result<(bool, serde_json::Value)> {
        use tokio::io::AsyncWriteExt;
        let mut command = Command::new(binary);
        command.args(args).current_dir(&self.folder).env_clear();
        command.env("PATH", std::env::var("PATH").unwrap_or_default());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn()?;
        if let Some(mut input) = child.stdin.take() {
            // A command that reads nothing may have ended.
            let _ = input.write_all(stdin.as_bytes()).await;
        }
        let output = child.wait_with_output().await?;
        let printed = String::from_utf8_lossy(&output.stdout);
        if !matches!(output.status.code(), Some(0 | 1)) {
            let told = String::from_utf8_lossy(&output.stderr);
            bail!("crs {args:?} ended with {}: {printed}{told}", output.status);
        }
        let answer = serde_json::from_str(&printed).with_context(|| printed.into_owned())?;
        Ok((output.status.success(), answer))
    }

    /// Runs a background job of the running service to its end.
    pub async fn run_job(&self, job: &Job, argument: &str, shift_ms: i64) -> Result<()> {
        let Some(binary) = &self.binary else {
            let control = self.control.context("a service that was not started for jobs")?;
            order(control, &json!({ "shift": shift_ms })).await?;
            for wanted in job.orders(argument) {
                order(control, &wanted).await?;
            }
            return Ok(());
        };
        let mut command = Command::new(binary);
        command.args(["jobs", "run", job.name]);
        command.arg(format!("--shift-ms={shift_ms}"));
        command.current_dir(&self.folder).env_clear();
        command.env("PATH", std::env::var("PATH").unwrap_or_default());
        let done = command.stdin(Stdio::null()).output().await?;
        if !done.status.success() {
            bail!("crs jobs run {}: {}", job.name, String::from_utf8_lossy(&done.stderr));
        }
        Ok(())
    }

    /// Whether the process still runs.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.folder.join("output.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    pub async fn stop(mut self) {
        // No graceful end: it deletes keys, and its writes would fall into the next seed.
        let _ = self.child.kill().await;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

async fn up(port: u16) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let Ok(mut stream) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await else {
        return false;
    };
    let request = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut answer = [0; 12];
    stream.write_all(request).await.is_ok()
        && stream.read_exact(&mut answer).await.is_ok()
        && answer.starts_with(b"HTTP/1.1 200")
}

/// An empty folder below the system's temporary one.
pub fn scratch(purpose: &str) -> Result<PathBuf> {
    let name = format!("crs-conform-{purpose}-{}", uuid::Uuid::new_v4().simple());
    let folder = Path::new(&std::env::temp_dir()).join(name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
